"""The device tree says what the board has; the RAM disk holds what it is given."""

import builtins
import subprocess

import pytest

import pyemu as pe
from pyemu.guest import board, cpio, devicetree
from pyemu.guest.devicetree import Chosen

VIRT = board.get("virt")


@pytest.fixture
def libfdt():
    """Return the library, if it is there."""
    return pytest.importorskip("libfdt")


def cells(prop):
    """Return a property's 32-bit cells."""
    return [int.from_bytes(prop[i : i + 4], "big") for i in range(0, len(prop), 4)]


def tree(libfdt, version=3, n=2, chosen=None):
    """Return a getter of properties by path."""
    blob = devicetree.build(VIRT, version, n, chosen or Chosen("quiet"))
    fdt = libfdt.Fdt(blob)
    return lambda path, key: bytes(fdt.getprop(fdt.path_offset(path), key))


def test_memory_console_and_command_line(libfdt):
    """What the board file says."""
    get = tree(libfdt, chosen=Chosen("one two", (0x4400_0000, 0x4400_0100)))
    assert cells(get("/memory@40000000", "reg")) == [0, 0x4000_0000, 0, 0x2000_0000]
    assert get("/chosen", "bootargs") == b"one two\0"
    assert get("/chosen", "stdout-path") == b"/pl011@9000000\0"
    assert cells(get("/chosen", "linux,initrd-end")) == [0, 0x4400_0100]
    assert cells(get("/pl011@9000000", "interrupts")) == [0, 1, 4]


@pytest.mark.parametrize(
    ("version", "kind", "reg"),
    [
        (
            2,
            b"arm,cortex-a15-gic\0",
            [0, 0x800_0000, 0, 0x1000, 0, 0x801_0000, 0, 0x2000],
        ),
        (3, b"arm,gic-v3\0", [0, 0x800_0000, 0, 0x10000, 0, 0x80A_0000, 0, 0x60000]),
    ],
)
def test_the_interrupt_controller(libfdt, version, kind, reg):
    """GICv2: GICD and GICC; GICv3: GICD and a redistributor a vCPU."""
    get = tree(libfdt, version, 3)
    assert get("/intc@8000000", "compatible") == kind
    assert cells(get("/intc@8000000", "reg")) == reg
    mask = 0x704 if version == 2 else 4
    assert cells(get("/timer", "interrupts"))[6:9] == [1, 11, mask]


def test_processors_have_the_affinities_of_the_machine(libfdt):
    """16 to a cluster."""
    get = tree(libfdt, n=17)
    assert cells(get("/cpus/cpu@100", "reg")) == [0x100]
    assert get("/cpus/cpu@1", "enable-method") == b"psci\0"


def test_a_users_tree_gets_command_line_and_disk(libfdt):
    """The rest of it stays; what is no tree is refused."""
    blob = devicetree.build(VIRT, 3, 1, Chosen("before"))
    fdt = libfdt.Fdt(devicetree.patch("f", blob, Chosen("after", (1, 2))))
    at = fdt.path_offset("/chosen")
    assert bytes(fdt.getprop(at, "bootargs")) == b"after\0"
    assert bytes(fdt.getprop(at, "stdout-path")) == b"/pl011@9000000\0"
    with pytest.raises(pe.TraceError, match="no device tree"):
        devicetree.patch("f", bytes(64), Chosen(""))


def test_without_libfdt_the_error_says_what_to_install(monkeypatch):
    """Only boards with a tree need it."""
    real = builtins.__import__

    def fails(name, *args, **kwargs):
        if name == "libfdt":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fails)
    with pytest.raises(pe.ConfigError, match="pip install pylibfdt"):
        devicetree.build(VIRT, 3, 1, Chosen(""))


def unpack(data):
    """Read a newc archive: name -> (mode, contents, device)."""
    out, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        end = at + 110 + fields[11]
        name = data[at + 110 : end - 1].decode()
        end += -end % 4
        out[name] = (fields[1], data[end : end + fields[6]], tuple(fields[9:11]))
        at = end + fields[6]
        at += -at % 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return out


def test_the_ram_disk_holds_init_and_a_console():
    """And is the same every time."""
    disk = cpio.initrd(b"program")
    assert disk == cpio.initrd(b"program")
    files = unpack(disk)
    assert files["init"] == (0o100755, b"program", (0, 0))
    assert files["dev/console"] == (0o020600, b"", (5, 1))


def test_other_tools_read_the_archive(tmp_path):
    """GNU cpio, where it is installed."""
    try:
        done = subprocess.run(
            ["cpio", "-t"], input=cpio.initrd(b"x"), capture_output=True, check=True
        )
    except OSError:
        pytest.skip("no cpio here")
    assert done.stdout.split() == [b"dev", b"dev/console", b"dev/urandom", b"init"]
