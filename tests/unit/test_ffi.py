"""Rules of the boundary: versions, layouts, borrowed arrays, statuses."""

import numpy as np
import pytest

from pyemu import _ffi
from pyemu.errors import (
    CapacityError,
    ConfigError,
    GuestError,
    InternalError,
    StateError,
)


def test_a_core_of_another_version_is_refused():
    """The message names both versions and the way out."""
    _ffi.require_version(_ffi.API_VERSION)
    with pytest.raises(ImportError, match=r"version 7.*version 1.*pip install"):
        _ffi.require_version(7, 1)


def test_layouts_are_derived_from_the_header():
    """Sizes and offsets that files depend on."""
    assert _ffi.dtype("op").itemsize == 16
    assert _ffi.dtype("event").itemsize == 24
    assert _ffi.dtype("step").itemsize == 4
    assert _ffi.dtype("guard").itemsize == 24
    assert _ffi.dtype("vcpu_state")["irq"].shape == (32,)


def test_borrowing_checks_everything():
    """dtype, dimension, contiguity, writeability; empty arrays lend nothing."""
    want = np.dtype("u8")
    ok = np.zeros(4, dtype=want)
    assert _ffi.borrow(ok, want, "uint64_t[]")
    assert _ffi.borrow(ok[:0], want, "uint64_t[]") == _ffi.ffi.NULL
    fixed = ok.copy()
    fixed.flags.writeable = False
    bad = [ok.astype("u4"), ok[::2], ok.reshape(2, 2), [1, 2]]
    for arr in bad:
        with pytest.raises(ConfigError):
            _ffi.borrow(arr, want, "uint64_t[]")
    with pytest.raises(ConfigError, match="writeable"):
        _ffi.borrow(fixed, want, "uint64_t[]", writable=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (-1, ConfigError),
        (-2, CapacityError),
        (-3, CapacityError),
        (-4, GuestError),
        (-5, InternalError),
        (-6, StateError),
        (-99, InternalError),
        (1, InternalError),
    ],
)
def test_each_status_is_one_exception(status, kind):
    """An unknown status is a bug of ours, never a ValueError."""
    error = _ffi.status_error(status, "run", "text")
    assert type(error) is kind
    assert "text" in str(error)


def test_a_refused_machine_says_why():
    """The core's own message arrives, and nothing leaks or crashes."""
    with pytest.raises(ConfigError, match="n_pcpus"):
        _ffi.Core({"cpu_hz": 1, "cntfrq_hz": 1})


def test_enum_names_lose_their_prefix():
    """Values are the header's, in order."""
    hooks = _ffi.enum("hook", "PYEMU_H_")
    assert list(hooks.values()) == list(range(len(hooks)))
    assert next(iter(hooks)) == "enter"
