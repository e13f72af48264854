"""A host that OpenSSH reaches, with Python, numpy and a runtime."""
