"""Model formats: a folder for each, with its import, export, runtime and inspection."""
