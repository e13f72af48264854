"""What the measurements mean: pure numpy on predictions and timings."""
