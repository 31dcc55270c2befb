"""The version, from the installed package's metadata."""

from __future__ import annotations

from importlib import metadata
from typing import Final

__all__ = ["VERSION"]


def _version() -> str:
    try:
        return metadata.version("pyemu-kvm")
    except metadata.PackageNotFoundError:
        return "0+source"


VERSION: Final = _version()
