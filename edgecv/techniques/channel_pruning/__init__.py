"""Parts of channel pruning: ranking, sensitivity, targets, allocation."""
