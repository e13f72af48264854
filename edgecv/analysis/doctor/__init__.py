"""Why a file is slow, and why it is wrong."""
