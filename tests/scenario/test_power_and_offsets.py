"""SYSTEM_OFF across pCPUs, CNTVOFF and CNTHCTL in force, what is lost and what not."""

import pytest

import pyemu as pe
from pyemu.guest.ops import PPI_VTIMER


def machine(programs, policy="lazy", **more):
    """One VM, a vCPU a program, a pCPU each."""
    load = pe.loads.custom(pe.Workload.of([p.build() for p in programs]), "test")
    vm = more.pop("vm", {})
    fields = {"profile": "unit", "gic": "v3", "vhe": False, "tick_hz": 0, **more}
    host = pe.Host(pcpus=len(programs), **fields)
    return pe.Machine(
        host, [pe.VM(vcpus=len(programs), **vm)], policy=policy, load=load, trace=10**5
    )


def others():
    """Guests of every kind that SYSTEM_OFF has to end."""
    loop = pe.Program("loop")
    with loop.forever():
        loop.compute(700).hvc()
    spin = pe.Program("spin")
    with spin.forever():
        spin.compute(5_000)
    sleep = pe.Program("sleep").irq_off()
    with sleep.forever():
        sleep.wfi()
    return [loop, spin, sleep]


def test_system_off_ends_every_vcpu_and_quanta_do_not_show():
    """By request and kick: guests that exit, that never exit, and that sleep."""
    seen = []
    for step in (10**7, 777, 5001):
        off = pe.Program("off").compute(30_000).system_off()
        with machine([off, *others()]) as m:
            cyc = 0
            while (stop := m.run(until_cyc=cyc)).reason == "limit" and cyc < 10**7:
                cyc += step
            assert stop.reason == "done"
            seen.append((m.trace_hash, m.n_events, stop.exits))
    assert len(set(seen)) == 1


def test_cpu_on_starts_from_reset():
    """An armed timer of the life before does not fire after OFF and ON."""
    p = pe.Program("boot").compute(1_000).timer_set(2_000).cpu_off().end()
    p.label("again").irq_on().compute(200_000).end()
    boss = pe.Program("boss").compute(10_000)
    boss.emit("cpu_on", a=1, b=4).compute(1_000_000).end()
    with p.on_irq(PPI_VTIMER):
        p.count(0)
    with machine([boss, p]) as m:
        m.run(until_cyc=10**7)
        assert m.result("on").counters["ticks_acked"] == 0


def ticks(policy, offset):
    """Counts of a guest with five ticks; the VM's CNTVOFF is given."""
    p = pe.Program("ticks").irq_off().timer_set(5_000).irq_on()
    p.label("go").compute(1_000).until(0, 5, "go").mmio_user().end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_next(5_000, skip_missed=False)
    with machine([p], policy, vm={"cntvoff_ticks": offset}) as m:
        stop = m.run(until_cyc=10**8)
        result = m.result("ticks")
        return stop.now_cyc, result.counters["ticks_acked"], dict(result.exits)


@pytest.mark.parametrize("policy", ["eager", "lazy", "v4.18"])
def test_an_offset_changes_nothing_a_guest_can_see(policy):
    """A guest that counts from its own start ticks alike (1.2)."""
    assert ticks(policy, 0)[1:] == ticks(policy, 10**6)[1:]


@pytest.mark.parametrize("policy", ["eager", "lazy"])
def test_a_table_without_the_cntvoff_write_compares_with_the_wrong_count(policy):
    """CNTVOFF is in force where it is written, not where it is meant (3.3, 4.6)."""
    mutant = pe.policy.get(policy).without("cntvoff_w")
    assert ticks(mutant, 10**6) != ticks(policy, 10**6)


def test_without_cnthctl_the_guest_reaches_the_hosts_physical_timer():
    """EL1PCEN left set on nVHE: CNTP_* does not trap (1.2)."""
    p = pe.Program("cntp").timer_set(10**6, timer=1).end()
    mutant = pe.policy.get("lazy").without("cnthctl_w_guest")
    exits = []
    for policy in ("lazy", mutant):
        with machine([p], policy) as m:
            m.run(until_cyc=10**6)
            exits.append(m.result("cntp").exits["SYS64"])
    assert exits == [1, 0]


def test_an_unmatched_eoi_does_not_keep_the_guest_from_running():
    """EOIcount raises nothing that was not asked for, and HCR is written anew (2.3)."""
    p = pe.Program("eoi").irq_off()
    for sgi in (1, 2, 3):
        p.sgi(sgi, 0)
    p.irq_on().compute(10_000).until(0, 3, "done").label("done").end()
    for sgi in (1, 2, 3):
        with p.on_irq(sgi):
            p.count(0).emit("eoi")
    with machine([p], list_registers=2, vhe=True) as m:
        stop = m.run(until_cyc=20_000_000)
        assert stop.reason == "done"
        assert stop.exits < 50


def test_lost_counts_a_deadline_that_nobody_delivers():
    """A table whose ISR never injects loses the tick; the intact one does not."""
    p = pe.Program("one").irq_off().timer_set(1_000).irq_on().compute(400_000)
    p.timer_ctl(False, False).compute(1_000).end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_set(10_000)
    with machine([p]) as m:
        m.run(until_cyc=10**7)
        assert m.result("one").counters["lost"] == 0


def test_two_interrupts_through_one_list_register():
    """With one LR the next comes when none is pending, not by a storm (2.3)."""
    p = pe.Program("two").irq_off().sgi(1, 0).sgi(2, 0).irq_on()
    p.label("go").compute(1_000).until(0, 2, "go").end()
    for sgi in (1, 2):
        with p.on_irq(sgi):
            p.count(0)
    with machine([p], list_registers=1, vhe=True) as m:
        stop = m.run(until_cyc=10**7)
        assert stop.reason == "done"
        assert stop.exits < 20
