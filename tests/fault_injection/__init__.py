"""Damage on purpose: files, processes, disks."""
