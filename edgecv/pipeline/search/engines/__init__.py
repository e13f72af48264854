"""Engine: where the recipes of a search run, on this machine or on those of a Ray cluster."""
