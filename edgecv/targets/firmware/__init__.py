"""Firmware that answers the commands of MLPerf Tiny over a serial port, and its client."""
