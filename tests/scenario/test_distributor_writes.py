"""A guest's writes of pending and active state, and how KVM learns of an EOI."""

import pytest

import pyemu as pe
from pyemu.guest.ops import PPI_PTIMER, PPI_VTIMER


def run(programs, policy, gic="v3", until_cyc=10**6):
    """One VM, a pCPU for each vCPU, unit costs; the counters and each vCPU's R0."""
    load = pe.loads.custom(pe.Workload.of([p.build() for p in programs]), "writes")
    n = len(programs)
    host = pe.Host(pcpus=n, gic=gic, vhe=True, profile="unit", tick_hz=0)
    with pe.Machine(host, [pe.VM(vcpus=n)], policy=policy, load=load) as m:
        stop = m.run(until_cyc=until_cyc)
        taken = [int(regs[0]) for regs in m.vcpu_stats()["regs"]]
        return stop.reason, m.result("writes").counters, taken


def pended_and_taken():
    """ISPENDR of 27 with the timer off; the guest takes and ends it."""
    p = pe.Program("pended").irq_off().emit("spendr", a=PPI_VTIMER).irq_on()
    p.compute(100).end()
    with p.on_irq(PPI_VTIMER):
        p.count(0)
    return p


@pytest.mark.parametrize("policy", ["v4.16", "v4.18", "v5.2", "v6.1", "v6.12"])
def test_a_pended_timer_interrupt_is_physically_active(policy):
    """4.16 and later (B33): its EOI deactivates what is active; before, what is not."""
    table = pe.policy.get(policy)
    _, counters, taken = run([pended_and_taken()], table)
    assert (taken, counters["bad_deactivate"]) == ([1], 0)
    broken = table.with_switch("mapped_writes", False)
    _, counters, taken = run([pended_and_taken()], broken)
    assert (taken, counters["bad_deactivate"]) == ([1], 1)


def test_a_cleared_timer_interrupt_leaves_the_ppi_free():
    """ISPENDR, ICPENDR, and the timer still interrupts afterwards (B33)."""
    p = pe.Program("cleared").irq_off().emit("spendr", a=PPI_VTIMER)
    p.emit("cpendr", a=PPI_VTIMER).irq_on().timer_set(50)
    p.label("go").compute(10).until(0, 1, "go").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_ctl(False, False)
    reason, counters, taken = run([p], "v6.1")
    assert (reason, taken, counters["bad_deactivate"]) == ("done", [1], 0)


@pytest.mark.parametrize(("gic", "taken"), [("v2", 0), ("v3", 1)])
def test_ispendr_of_an_sgi_is_read_only_on_gicv2(gic, taken):
    """GICv2 has GICD_SPENDSGIR for that (2.1)."""
    p = pe.Program("sgi").irq_off().emit("spendr", a=3).irq_on().compute(100).end()
    with p.on_irq(3):
        p.count(0)
    assert run([p], "eager", gic)[2] == [taken]


def test_icpendr_of_an_sgi_is_read_only_on_gicv2():
    """An SGI from another vCPU stays pending."""
    receiver = pe.Program("receiver").irq_off().compute(5_000)
    receiver.emit("cpendr", a=3).irq_on().compute(100).end()
    with receiver.on_irq(3):
        receiver.count(0)
    sender = pe.Program("sender").irq_off().sgi(3, 0).end()
    assert run([receiver, sender], "eager", "v2")[2] == [1, 0]


def test_an_active_sgi_with_more_sources_lets_the_guest_run():
    """GICv2: NP would make every entry an exit; the EOI bit asks instead (I11)."""
    receiver = pe.Program("receiver").irq_off().emit("sactiver", a=3)
    receiver.compute(20_000).hvc().compute(1_000).end()
    senders = [pe.Program(f"s{n}").irq_off().compute(2_000).sgi(3, 0) for n in (1, 2)]
    programs = [receiver, *(s.end() for s in senders)]
    reason, counters, _ = run(programs, "lazy", "v2")
    assert reason == "done"
    assert counters["guest_entries"] < 50


@pytest.mark.parametrize("policy", ["eager", "lazy", "v4.18"])
def test_kvm_hears_of_the_end_of_a_level_interrupt(policy):
    """EOI bit (2.4): an emulated timer that the guest left high comes again at once."""
    p = pe.Program("left").irq_off().timer_set(50, timer=1).irq_on()
    p.compute(1_000).end()
    with p.on_irq(PPI_PTIMER):
        p.count(0)
    assert run([p], policy)[2][0] >= 3
