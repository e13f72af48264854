"""Recipes: what a run is asked to do, as a typed TOML file."""
