"""Vocabulary that every folder shares: errors, options, records, the contracts of plug-ins."""
