"""Deployment: a file is checked, built for a target, run there, compared and written."""
