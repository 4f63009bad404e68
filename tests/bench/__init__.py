"""The benchmark itself: that every case measures, at a scale at which no figure means anything."""
