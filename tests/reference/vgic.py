"""KVM's vgic of one vCPU (2.4): interrupt structs, ap_list, flush, fold, prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .vcpuif import ListRegister

if TYPE_CHECKING:
    from .vcpu import Vcpu

LINUX_PRIORITY = 0xA0
N_SGIS, N_PRIVATE = 16, 32
VTIMER, PTIMER = 27, 30


class VgicIrq:
    """What KVM keeps of one virtual interrupt."""

    def __init__(self, intid: int) -> None:
        self.intid = intid
        self.edge = intid < N_SGIS
        self.line_level = self.latch = self.active = False
        self.enabled = True
        self.priority = LINUX_PRIORITY
        self.hw = False
        self.host_irq = intid
        self.sources: set[int] = set()
        self.active_source = 0
        self.queued = False

    def is_pending(self) -> bool:
        """Edge: the latch; level: latch or line."""
        return self.latch or (not self.edge and self.line_level)

    def has_target(self) -> bool:
        """The oracle: active stays; else enabled and pending goes to its vCPU."""
        return self.active or (self.enabled and self.is_pending())


class Vgic:
    """The interrupts of one vCPU; SGIs and PPIs, so the target never changes."""

    def __init__(self, vcpu: Vcpu) -> None:
        self.vcpu = vcpu
        self.irqs = [VgicIrq(intid) for intid in range(N_PRIVATE)]
        self.ap_list: list[VgicIrq] = []
        self.used: list[ListRegister] = []  # images, written by flush
        self.uie = self.npie = False

    def queue(self, irq: VgicIrq) -> bool:
        """Put an irq on the ap_list; whether there is anything to tell the vCPU."""
        if not irq.has_target():
            return False
        if not irq.queued:
            irq.queued = True
            self.ap_list.append(irq)
        return True

    def set_line(self, intid: int, level: bool, source: int = 0) -> bool | None:
        """Take a new level; None if it changes nothing, else whether to kick."""
        irq = self.irqs[intid]
        if irq.edge:
            if not level:
                return None
            irq.latch = True
            irq.sources.add(source)
        elif irq.line_level == level:
            return None
        else:
            irq.line_level = level
        return self.queue(irq)

    def flush(self, n_lrs: int, switches: frozenset[str], gicv3: bool) -> int:
        """Fill list register images (entry); how many were populated."""
        self.used, self.uie, self.npie = [], False, False
        wanted = list(self.ap_list)
        if len(wanted) > n_lrs:
            wanted.sort(key=sort_key)
        for irq in wanted:
            if len(self.used) == n_lrs:
                # More remain on the list. One register never has two valid, so U
                # would hold for ever: there its own EOI asks for the next.
                self.uie = n_lrs > 1
                self.used[0].eoi |= n_lrs == 1
                break
            if irq.has_target():
                self.used.append(self.populate(irq, switches, gicv3))
                self.npie |= irq.edge and irq.latch and self.used[-1].pending
        return len(self.used)

    def populate(
        self, irq: VgicIrq, switches: frozenset[str], gicv3: bool
    ) -> ListRegister:
        """Write one image (2.4, populate LR)."""
        pending, active = irq.is_pending(), irq.active
        hw = irq.hw and "hw_bit" in switches
        if hw and pending and active:
            pending = False
        if not hw and not irq.edge and "no_ap_level" in switches and active:
            pending = False
        # KVM learns of a level irq's end by the EOI bit (2.4); a GICv2 SGI in service
        # is not pending, too: its EOI asks for the next source.
        more = not gicv3 and irq.edge and active and bool(irq.sources)
        pending = pending and not more
        lr = ListRegister(irq.intid, irq.priority, pending, active, hw)
        lr.eoi = more or not (hw or irq.edge)
        if pending and irq.edge:
            irq.latch = False
            if irq.sources:
                lr.source = min(irq.sources)
                irq.sources.discard(lr.source)
                if not gicv3 and irq.sources:
                    irq.latch = True
                if gicv3:
                    irq.sources.clear()
        if pending and hw and "lower_on_populate" in switches:
            irq.line_level = False
        return lr

    def fold(self, switches: frozenset[str]) -> list[VgicIrq]:
        """Take the images back (exit); the irqs whose level must be sampled."""
        self.uie = self.npie = False
        sample = []
        for lr in self.used:
            irq = self.irqs[lr.intid]
            deactivated = irq.active and not lr.active
            irq.active = lr.active
            if irq.edge:
                if lr.pending:
                    irq.latch = True
                    irq.sources.add(lr.source)
            elif not lr.pending:
                irq.latch = False
            ended = (deactivated or not lr.valid()) and irq.line_level
            if irq.hw and (
                ("resample_pending" in switches and lr.pending)
                or ("resample_deact" in switches and ended)
            ):
                sample.append(irq)
        self.used = []
        return sample

    def prune(self) -> None:
        """Drop from the ap_list what no longer wants anything."""
        for irq in self.ap_list:
            irq.queued = irq.has_target()
        self.ap_list = [irq for irq in self.ap_list if irq.queued]

    def pending_irq(self, aware: bool) -> bool:
        """kvm_vgic_vcpu_pending_irq; `aware`: not active and priority < PMR."""
        return any(
            irq.enabled
            and irq.is_pending()
            and (not aware or (not irq.active and irq.priority < self.vcpu.vmcr_pmr))
            for irq in self.ap_list
        )


def sort_key(irq: VgicIrq) -> tuple[int, int]:
    """Active first, then pending by priority, then the rest."""
    if irq.active:
        return 0, 0
    if irq.enabled and irq.is_pending():
        return 1, irq.priority
    return 2, 0
