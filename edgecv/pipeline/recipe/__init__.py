"""Recipes: the steps of a run as a typed TOML file."""
