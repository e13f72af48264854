"""Comparisons, statistics, limits and gates: pure numpy on outputs and timings."""
