"""Read the CIFAR data sets' own files."""
