"""Assertions for tests: an artifact compared with its baseline, with messages that explain.

Nothing here imports pytest; ``edgecv.pytest_plugin`` describes the test run.
"""
