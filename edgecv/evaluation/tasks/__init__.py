"""What counts as right for a model: loss, metric and a score per image."""
