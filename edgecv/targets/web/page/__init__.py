"""The page, as it is copied into the folder that is deployed."""
