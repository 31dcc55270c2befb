"""Policies: what the host does at each hook, as tables (docs/semantics.md 3-5).

>>> from pyemu import policy
>>> policy.names()
('v4.4', 'eager', 'lazy-commit', 'lazy', 'lazy-fixed', 'lazy-hybrid', 'v4.16', \
'v4.18', 'v5.2', 'v6.1', 'v6.12')
"""

from __future__ import annotations

from .guards import Guard
from .hooks import HOOKS
from .prims import PRIMS
from .registry import get, names
from .show import diff, policies_list, show
from .steps import Step, flat, under
from .table import SWITCHES, Compiled, Policy
from .toml_io import load_policy, parse, save, to_toml

__all__ = [
    "HOOKS",
    "PRIMS",
    "SWITCHES",
    "Compiled",
    "Guard",
    "Policy",
    "Step",
    "diff",
    "flat",
    "get",
    "load_policy",
    "names",
    "parse",
    "policies_list",
    "save",
    "show",
    "to_toml",
    "under",
]
