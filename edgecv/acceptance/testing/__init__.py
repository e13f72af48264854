"""A team's tests: an artifact beside its baseline, and assertions that explain themselves.

Nothing here knows pytest; ``edgecv.pytest_plugin`` tells what a test run is.
"""
