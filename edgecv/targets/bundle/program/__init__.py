"""The program of a bundle: it is copied there, and imports nothing of edgecv."""
