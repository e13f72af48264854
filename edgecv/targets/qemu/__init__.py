"""Emulated Cortex-M boards."""
