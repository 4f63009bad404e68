"""Top-ups and what they add up to."""
