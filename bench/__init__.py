"""The benchmark: `make bench`. Our nodes and their peers under the same load, in one run, as ratios."""
