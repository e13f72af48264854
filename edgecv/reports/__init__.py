"""A report as JSON, Markdown and pictures."""
