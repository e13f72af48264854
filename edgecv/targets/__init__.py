"""Targets of ``edgecv deploy``: one folder a target, with its class in ``target.py``."""
