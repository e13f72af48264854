"""The steps of a run: data, baseline, techniques, exports, measurements, report."""
