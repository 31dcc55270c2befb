"""Soaks, fault plans, snapshot files."""
