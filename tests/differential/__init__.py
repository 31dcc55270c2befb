"""Differential tests: random programs, two implementations, one answer."""
