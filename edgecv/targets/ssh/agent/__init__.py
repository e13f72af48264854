"""The program that runs on the host: Python 3.8, numpy and a runtime, nothing else."""
