"""Files of `edgecv` beside those of other tools: the same models, images, runtimes and machine."""
