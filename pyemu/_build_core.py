"""Builds the C core: one boundary is compiled by C and fed to cffi.

`csrc/pyemu_api.h` and its chapters on exploration and on fault plans are the single
source of every type and prototype. Lines that start with ``#`` are dropped, the
rest is what cffi parses. Run by setuptools through ``cffi_modules``; it lives in the
package because sdists drop it elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
HEADERS = tuple(CSRC / f"pyemu_{part}api.h" for part in ("", "explore_", "soak_"))


def declarations() -> str:
    """Return the headers as cffi wants them: without preprocessor lines."""
    text = "".join(path.read_text(encoding="utf-8") for path in HEADERS)
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def relative(pattern: str) -> list[str]:
    """Return files below csrc/ by glob, sorted, relative to the project root."""
    return [p.relative_to(ROOT).as_posix() for p in sorted(CSRC.rglob(pattern))]


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "pyemu._core",
    '#include "pyemu_explore_api.h"\n#include "pyemu_soak_api.h"\n',
    sources=relative("*.c"),
    include_dirs=["csrc"],
    depends=relative("*.h"),
    # Nothing but the module's init function is looked up from outside: calls between
    # files need no indirection.
    extra_compile_args=[
        *("-O2", "-std=c11", "-fvisibility=hidden"),
        *("-fno-semantic-interposition", "-fno-plt", "-pthread"),
    ],
    extra_link_args=["-pthread"],
    py_limited_api=True,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
