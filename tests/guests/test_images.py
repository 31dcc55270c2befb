"""Guest image formats: what is recognised, unpacked, placed, and refused by name."""

import dataclasses
import gzip
import struct

import pytest

import pyemu as pe
from pyemu.guest import board, image, placement
from pyemu.guest.placement import Boot, place

CODE = bytes.fromhex("1f2003d5") * 16


def linux(text_offset=0, image_size=0x20000, flags=0x2, code=bytes(4096)):
    """Return an arm64 Image: the 64-byte header, then code."""
    head = struct.pack(
        "<IIQQQ24sII",
        0,
        0,
        text_offset,
        image_size,
        flags,
        bytes(24),
        int.from_bytes(b"ARM\x64", "little"),
        0,
    )
    return head + code


def elf(vaddr=0x8000, paddr=0x4010_0000, entry=0x8004, machine=183, data=1):
    """Return an AArch64 ELF file of one segment with a page of bss."""
    ident = b"\x7fELF" + bytes([2, data, 1]) + bytes(9)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    program = struct.pack(
        "<IIQQQQQQ", 1, 5, 120, vaddr, paddr, len(CODE), len(CODE) + 4096, 4096
    )
    return head + program + CODE


def zboot(method=b"gzip", payload=None):
    """Return an EFI-zboot image."""
    packed = gzip.compress(linux()) if payload is None else payload
    head = b"MZ\0\0zimg" + struct.pack("<IIII", 64, len(packed), 0, 0)
    return (head + method).ljust(64, b"\0") + packed


def test_a_flat_binary_is_what_nothing_else_is():
    """Its bytes at offset 0."""
    got = image.read("x", CODE)
    assert (got.kind, got.segments[0].at, got.segments[0].data) == ("flat", 0, CODE)


def test_an_elf_goes_to_its_physical_addresses():
    """p_paddr, bss included; the entry is physical too."""
    got = image.read("x", elf())
    assert got.kind == "elf"
    assert got.segments == (image.Segment(0x4010_0000, CODE, len(CODE) + 4096),)
    assert got.entry == 0x4010_0004


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_an_image_says_where_it_goes(wrap):
    """text_offset and image_size, also inside gzip."""
    data = linux(text_offset=0x80000)
    got = image.read("x", wrap(data))
    assert got.kind == "linux"
    assert got.segments == (image.Segment(0x80000, data, 0x20000),)
    assert got.entry == 0x80000


def test_an_old_image_without_size_has_the_old_offset():
    """booting.rst: image_size 0 means text_offset 0x80000."""
    data = linux(text_offset=0, image_size=0)
    assert image.read("x", data).segments[0].at == 0x80000
    assert image.read("x", data).segments[0].size == len(data)


def test_zboot_with_gzip_is_unpacked():
    """The payload's place stands in the header."""
    assert image.read("x", zboot()).segments[0].data == linux()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (linux(flags=1), "big-endian"),
        (linux(image_size=64), "image_size 64"),
        (linux(text_offset=0x200000), "text_offset 0x200000"),
        (linux()[:60], "no whole header"),
        (elf(machine=62), "machine 62"),
        (elf(data=2), "little-endian"),
        (elf()[:40], "cut short"),
        (elf()[:130], "behind the end"),
        (zboot(method=b"lz4"), "'lz4'"),
        (zboot(method=b"zstd22"), "'zstd22'"),
        (zboot(payload=b"")[:40], "cut short"),
        (zboot()[:100], "behind the end"),
        (gzip.compress(linux())[:30], "cut short"),
        (b"\x1f\x8bnonsense", "broken gzip"),
        (b"\xfd7zXZ\x00....", "xz is not unpacked"),
        (b"\x28\xb5\x2f\xfd....", "zstd is not unpacked"),
        (b"\x02\x21\x4c\x18....", "lz4 is not unpacked"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_run_is_refused_by_name(data, words):
    """Each with the file's name in front."""
    with pytest.raises(pe.TraceError, match=words) as caught:
        image.read("the-file", data)
    assert str(caught.value).startswith("the-file: ")


VIRT = board.get("virt")


def test_linux_goes_to_two_mebibytes_and_its_initrd_behind_it():
    """booting.rst: the base is 2 MiB aligned; the tree's slot stays free."""
    got = image.read("x", linux(text_offset=0x80000, image_size=0x300000))
    placed = place(got, VIRT, Boot(initrd=b"disk"), wants_tree=True)
    at = {part.name: (part.at, part.end) for part in placed.parts}
    assert at["image"] == (0x4028_0000, 0x4058_0000)
    assert at["initrd"] == (0x4060_0000, 0x4060_0004)
    assert at["dtb"] == (0x4000_0000, 0x4008_0000)
    assert placed.entry == 0x4028_0000
    assert placed.initrd == at["initrd"]


def test_the_tree_of_a_flat_program_is_behind_its_memory():
    """Half way up, at most 128 MiB; in its own slot where that leaves no room."""
    flat = image.read("x", CODE)
    at = place(flat, VIRT, Boot(), wants_tree=True).tree
    assert at == 0x4000_0000 + (128 << 20)
    small = dataclasses.replace(VIRT, ram=(0x4000_0000, 32 << 20))
    assert place(flat, small, Boot(), wants_tree=True).tree == 0x4100_0000
    tiny = dataclasses.replace(VIRT, ram=(0x4000_0000, 1 << 20))
    assert place(flat, tiny, Boot(), wants_tree=True).tree == 0x4000_0000
    linux_at = place(image.read("x", linux()), VIRT, Boot(), wants_tree=True).tree
    assert linux_at == 0x4000_0000


@pytest.mark.parametrize(
    ("data", "boot", "words"),
    [
        (linux(image_size=1 << 30), Boot(), "image = .*inside RAM"),
        (linux(), Boot(initrd=bytes(1 << 29)), "initrd = .*inside RAM"),
        (elf(paddr=0x3000_0000), Boot(), "image = .*inside RAM"),
        (elf(paddr=0x4000_1000), Boot(), "image = .*apart from dtb"),
        (bytes(1 << 30), Boot(), "image = .*inside RAM"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(data, boot, words):
    """Outside RAM, or on something else."""
    with pytest.raises(pe.ConfigError, match=words):
        place(image.read("x", data), VIRT, boot, wants_tree=True)


def test_a_board_without_a_tree_boots_no_linux():
    """And takes no initial RAM disk."""
    vmm = board.get("vmm")
    with pytest.raises(pe.ConfigError, match="such as virt"):
        place(image.read("x", linux()), vmm, Boot(), wants_tree=False)
    with pytest.raises(pe.ConfigError, match="initrd"):
        place(image.read("x", CODE), vmm, Boot(initrd=b"x"), wants_tree=False)
    with pytest.raises(pe.ConfigError, match=r"board\.dtb"):
        place(image.read("x", CODE), vmm, Boot(), wants_tree=True)


def test_a_tree_larger_than_its_slot_is_refused():
    """Whoever made it."""
    placed = place(image.read("x", CODE), VIRT, Boot(), wants_tree=True)
    with pytest.raises(pe.ConfigError, match="its slot at 0x48000000"):
        placement.tree(placed, VIRT, Boot(dtb=bytes(0x80001)), (3, 1))
