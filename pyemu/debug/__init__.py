"""Looking into a machine code guest: from Python, and from gdb."""

from __future__ import annotations

from .guest import Guest, GuestReport

__all__ = ["Guest", "GuestReport"]
