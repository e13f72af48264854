"""RayEngine: trials on the machines of a Ray cluster that is there already."""
