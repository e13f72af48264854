"""Which channels of a model belong together, what they cost, and the model without some of them."""
