"""``report.html``: one file to look at and to pass on, without a network."""
