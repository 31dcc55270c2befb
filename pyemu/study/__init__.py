"""Eager against lazy over rates and machines: measured, plotted, written down."""

from __future__ import annotations

from .document import markdown, write
from .measure import Study, study

__all__ = ["Study", "markdown", "study", "write"]
