"""Debian's arm64 kernel from the Debian archive, kept outside the tree.

`PYEMU_LINUX_IMAGE` names an Image to use instead. Otherwise the kernel that Debian 12
carries today is downloaded with apt (no root, no change to the system) into
`PYEMU_CACHE`, or ``~/.cache/pyemu``, once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ARCHIVE = "http://deb.debian.org/debian"
SUITE = "bookworm"
META = "linux-image-arm64"
TIMEOUT_S = 300


class Unavailable(Exception):
    """The kernel cannot be had here; the text says why."""


def cache_dir() -> Path:
    """Return where downloads are kept."""
    named = os.environ.get("PYEMU_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "pyemu"


@cache
def kernel() -> Path:
    """Return the path of an unmodified Debian arm64 Image.

    Raises
    ------
    Unavailable
        If there is none and it cannot be downloaded.
    """
    named = os.environ.get("PYEMU_LINUX_IMAGE")
    if named:
        if not Path(named).is_file():
            raise Unavailable(f"PYEMU_LINUX_IMAGE names no file: {named}")
        return Path(named)
    folder = cache_dir() / "debian-arm64"
    kept = sorted(folder.glob("vmlinuz-*"))
    return kept[-1] if kept else _download(folder)


def _download(folder: Path) -> Path:
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"no {tool} here")
    if not KEYRING.exists():
        raise Unavailable(f"no {KEYRING}: the archive cannot be checked")
    work = folder.with_name("apt")
    shutil.rmtree(work, ignore_errors=True)
    try:
        return _fetch(folder, work)
    except (OSError, subprocess.SubprocessError, StopIteration) as exc:
        raise Unavailable(f"the Debian archive did not answer: {exc}") from exc
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetch(folder: Path, work: Path) -> Path:
    for name in ("state/lists/partial", "cache/archives/partial", "parts"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {ARCHIVE} {SUITE} main\n", encoding="utf-8"
    )
    (work / "apt.conf").write_text(
        f'Dir::State "{work}/state";\nDir::State::status "{work}/status";\n'
        f'Dir::Cache "{work}/cache";\nDir::Etc::sourcelist "{work}/sources.list";\n'
        f'Dir::Etc::sourceparts "{work}/parts";\n'
        'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\n',
        encoding="utf-8",
    )
    _apt(work, "apt-get", "-q", "update")
    depends = _apt(work, "apt-cache", "depends", META)
    name = next(re.finditer(r"Depends: (linux-image-\S+-arm64)$", depends, re.M))[1]
    _apt(work, "apt-get", "-q", "download", f"{name}-unsigned")
    package = next(work.glob("*.deb"))
    return _unpack(package, folder)


def _apt(work: Path, *argv: str) -> str:
    done = subprocess.run(
        argv,
        check=True,
        cwd=work,
        env={**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.stdout


def _unpack(package: Path, folder: Path) -> Path:
    """Keep the kernel of a package; it is complete or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = work_tree(package)
    for path in sorted(tree.glob("boot/vmlinuz-*")):
        part = folder / f".{path.name}.part"
        shutil.copyfile(path, part)
        return part.replace(folder / path.name)
    raise Unavailable(f"{package.name} holds no kernel")


def work_tree(package: Path) -> Path:
    """Unpack a package beside itself."""
    tree = package.with_suffix("")
    subprocess.run(["dpkg-deb", "-x", str(package), str(tree)], check=True)
    return tree
