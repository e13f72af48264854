"""Boards on a serial port."""
