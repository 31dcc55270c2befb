"""The shipped policies by name, oldest kernel first."""

from __future__ import annotations

from typing import Final

from ..errors import unknown_name
from .kernels import eager, lazy, v4_4
from .kernels_fixed import lazy_fixed
from .kernels_later import v4_16, v4_18, v5_2, v6_1, v6_12
from .kernels_lazy import lazy_commit, lazy_hybrid
from .table import Policy

__all__ = ["SHIPPED", "get", "names"]

SHIPPED: Final[dict[str, Policy]] = {
    one.name: one
    for one in (
        *(v4_4, eager, lazy_commit, lazy, lazy_fixed, lazy_hybrid),
        *(v4_16, v4_18, v5_2, v6_1, v6_12),
    )
}


def names() -> tuple[str, ...]:
    """Return the names of the shipped policies, oldest kernel first."""
    return tuple(SHIPPED)


def get(name: str) -> Policy:
    """Return a shipped policy.

    Raises
    ------
    ConfigError
        For an unknown name, with a suggestion.

    Examples
    --------
    >>> get("lazy").versions
    '4.15.0'
    """
    if name not in SHIPPED:
        raise unknown_name("policy", name, SHIPPED)
    return SHIPPED[name]
