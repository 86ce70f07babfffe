"""Measurements against peers and floors in the same run: `python -m tests.bench` prints the ratios."""
