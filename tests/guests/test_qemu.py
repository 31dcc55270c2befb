"""The same boot under QEMU's instruction-counting mode, where QEMU is installed."""

import re
import shutil
import subprocess

import pytest

from pyemu.guest import board, devicetree, machine_code
from pyemu.guest.devicetree import Chosen

from .debian_kernel import Unavailable, kernel
from .test_linux import boot

APPEND = "console=ttyAMA0 earlycon -- off"  # init does nothing but power off
ALLOWED = 0.002
# Counts instructions; QEMU's plugin interface 1, whose header is not packaged.
PLUGIN = """
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
struct qemu_plugin_tb;
int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(
    uint64_t, void (*)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(
    struct qemu_plugin_tb *, int, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_atexit_cb(uint64_t, void (*)(uint64_t, void *), void *);
static uint64_t count;
static void on_tb(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(
        tb, 0, &count, qemu_plugin_tb_n_insns(tb));
}
static void on_end(uint64_t id, void *none)
{
    (void)id, (void)none;
    fprintf(stderr, "instructions %" PRIu64 "\\n", count);
}
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_tb);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
"""


def qemu_command(tmp_path, image):
    """Return the command that boots under QEMU with pyemu's tree and disk."""
    (tmp_path / "initrd").write_bytes(machine_code.initrd_bytes("phases"))
    tree = devicetree.build(board.get("virt"), 3, 1, Chosen(""))
    (tmp_path / "tree").write_bytes(tree)
    argv = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-m", "512"]
    argv += ["-cpu", "cortex-a53,vfp=off,neon=off", "-icount", "shift=0,sleep=off"]
    argv += ["-nographic", "-net", "none", "-kernel", image, "-append", APPEND]
    return [*argv, "-initrd", tmp_path / "initrd", "-dtb", tmp_path / "tree"]


def qemu_insns(tmp_path, image):
    """Return the instructions that QEMU executes from reset to power off."""
    source, plugin = tmp_path / "count.c", tmp_path / "count.so"
    source.write_text(PLUGIN, encoding="utf-8")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", source, "-o", plugin], check=True)
    argv = [*qemu_command(tmp_path, image), "-plugin", plugin]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    assert "reboot: Power down" in done.stdout
    return int(re.search(r"^instructions (\d+)$", done.stderr, re.M)[1])


@pytest.mark.slow
def test_the_instruction_count_is_qemus(tmp_path):
    """Within 0.2 %: time that world switches take moves a few timer interrupts."""
    pytest.importorskip("libfdt")
    for tool in ("qemu-system-aarch64", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    try:
        image = kernel()
    except Unavailable as exc:
        pytest.skip(f"no Debian kernel: {exc}")
    theirs = qemu_insns(tmp_path, image)
    ours = boot(append=APPEND).insns
    assert abs(ours - theirs) <= ALLOWED * theirs, (ours, theirs)
