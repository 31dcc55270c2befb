"""The command line: one file a verb, all thin."""

from __future__ import annotations

from .entry import main

__all__ = ["main"]
