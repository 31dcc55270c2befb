"""The world switch around the timer and the vgic: cost only (3.1 step 6, 7)."""

from __future__ import annotations

from collections.abc import Callable

from .prims import Kernel


def to_guest(k: Kernel, timer: Callable[[Kernel], None]) -> None:
    """From the host kernel to ERET."""
    if not k.vhe:
        k("hyp_call")
        k("cntkctl_r")  # the host's copy
    k("el2cfg_restore")
    k("stage2_restore")
    if k.vcpu.vgic.used:
        k("vgic_restore")
    timer(k)
    k("el1_restore")
    k("cntkctl_w")
    k("gp_restore")
    k("eret")


def to_host(k: Kernel, timer: Callable[[Kernel], None]) -> None:
    """From the trap to the host kernel."""
    k("trap")
    k("gp_save")
    k("el1_save")
    k("cntkctl_r")
    timer(k)
    if k.vcpu.vif.lrs:
        k("vgic_save")
    k("el2cfg_save")
    k("stage2_save")
    if not k.vhe:
        k("cntkctl_w")
        k("hyp_ret")


def at_el2(k: Kernel, prim: str, by_hvc: bool = True) -> None:
    """What only EL2 may touch costs an nVHE host an HVC (1.2)."""
    hvc = by_hvc and not k.vhe
    if hvc:
        k("hyp_call")
    k(prim)
    if hvc:
        k("hyp_ret")


def load_vgic(k: Kernel) -> None:
    """VMCR is held in hardware from load to put (2.3); GICv3: an EL2 register."""
    at_el2(k, "vmcr_w", by_hvc=k.gicv3)


def put_vgic(k: Kernel) -> None:
    """VMCR back to memory."""
    at_el2(k, "vmcr_r", by_hvc=k.gicv3)
