"""Make a run: data, baseline, techniques, exports, measurements, report."""
