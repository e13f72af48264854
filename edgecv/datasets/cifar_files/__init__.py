"""Readers of the original CIFAR files."""
