"""Rules of the machine: limits, Ctrl-C, moves, hotplug, pause, snapshot, migration."""

import os
import signal
import threading
import time

import pytest

import pyemu as pe
from pyemu.guest.ops import PPI_VTIMER
from pyemu.interrupt import ctrl_c
from pyemu.machine import NEVER_CYC

UNIT = pe.Host(profile="unit", gic="v3", vhe=True, tick_hz=0)


def endless():
    """A guest that never exits."""
    p = pe.Program("endless")
    with p.forever():
        p.compute(1_000_000)
    return pe.loads.custom(pe.Workload.of([p.build()], finite=False), "endless")


def ticking(n_vcpus=1, period=5000, n=50):
    """A busy guest with a periodic virtual timer."""
    p = pe.Program("ticking").irq_off().timer_set(period).irq_on()
    p.label("go").compute(700).until(0, n, "go").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_next(period, skip_missed=True)
    return pe.loads.custom(pe.Workload.of([p.build()] * n_vcpus), "ticking")


def machine(load, host=UNIT, vcpus=1, **more):
    """A machine with one VM."""
    return pe.Machine(host, [pe.VM(vcpus=vcpus)], policy="lazy", load=load, **more)


def test_finite_guests_end():
    """The run comes back when every vCPU is off."""
    with machine(pe.loads.get("hvc-loop", n=5)) as m:
        assert m.run().reason == "done"
        assert m.vcpus[0].off
        assert m.run().reason == "done"


def test_a_guest_that_never_exits_ends_at_its_limit():
    """Host cycles, guest cycles; without any limit it is refused."""
    with machine(endless()) as m:
        with pytest.raises(pe.ConfigError, match="a limit"):
            m.run()
        stop = m.run(until_cyc=5_000_000)
        assert (stop.reason, stop.now_cyc) == ("limit", 5_000_000)
        assert m.run(until_cyc=1).reason == "limit"
        assert m.run(until_guest_cyc=10_000_000).reason == "guest_limit"
        assert m.result().guest_cyc >= 10_000_000
    res = pe.run("lazy", endless(), host=UNIT, vcpus=1)
    assert res.meta["limits"]["guest_cyc"] == 10**9
    assert res.meta["stop"] == "guest_limit"


def test_limits_must_be_numbers():
    """Negative, fractional and NaN limits are named."""
    with machine(endless()) as m:
        for bad in (-1, 1.5, float("nan"), 2**64):
            with pytest.raises(pe.ConfigError, match="until_cyc"):
                m.run(until_cyc=bad)
        with pytest.raises(pe.ConfigError, match="until_exits"):
            m.run(until_exits=-1)


def test_a_closed_machine_refuses_everything():
    """StateError, twice closing is fine."""
    m = machine(endless())
    m.close()
    m.close()
    with pytest.raises(pe.StateError, match="closed"):
        m.run(until_cyc=1)
    with pytest.raises(pe.StateError):
        m.vcpu_stats()


def test_quanta_do_not_show():
    """One run, many short ones, and a snapshot in between: one trace hash."""
    load = ticking(n_vcpus=2)
    host = UNIT.with_(pcpus=2)
    with machine(load, host, 2, trace=10**6) as whole:
        whole.run()
        want = (whole.trace_hash, whole.n_events)
    with machine(load, host, 2, trace=10**6) as parts:
        cyc = 0
        while parts.run(until_cyc=cyc).reason == "limit":
            cyc += 7777
        assert (parts.trace_hash, parts.n_events) == want
    assert want[1] > 100


def test_snapshots_continue_alike():
    """run(n+k) is run(n), save, restore, run(k)."""
    load = ticking()
    with machine(load, trace=10**6) as m:
        m.run(until_cyc=100_000)
        snap = m.snapshot()
        before = len(m.events)
        m.run()
        first = m.events[before:].tobytes()
        m.restore(snap)
        middle = len(m.events)
        m.run()
        assert m.events[middle:].tobytes() == first
        with (
            machine(endless()) as other,
            pytest.raises(pe.StateError, match="another machine"),
        ):
            other.restore(snap)


def test_ctrl_c_stops_within_a_second_and_keeps_the_result():
    """SIGINT becomes the stop reason; the handler before is back afterwards."""
    handler = signal.getsignal(signal.SIGINT)
    load = pe.loads.get("hvc-loop", n=10**12)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    res = pe.run("lazy", load, host=UNIT)
    assert time.monotonic() - begun < 1.5
    assert res.meta["stop"] == "interrupted"
    assert res.n_exits > 0
    assert "Interrupted" in str(res)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_reaches_every_flag_around_it():
    """What runs many machines hears of a Ctrl-C that fell inside one of them."""
    handler = signal.getsignal(signal.SIGINT)
    with ctrl_c() as outer:
        with ctrl_c() as inner:
            os.kill(os.getpid(), signal.SIGINT)
            assert inner[0]
        assert outer[0]
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_in_the_last_moment_is_not_swallowed(monkeypatch):
    """A run that ends in the same breath still says so: a row of runs has to stop."""
    with machine(pe.loads.get("hvc-loop", n=10)) as m:
        core_run = m.core.run

        def pressed(*args):
            os.kill(os.getpid(), signal.SIGINT)
            return core_run(*args)

        monkeypatch.setattr(m.core, "run", pressed)
        assert m.run().reason == "interrupted"


def test_full_trace_buffers_lose_nothing_but_memory():
    """The hash and the count cover every record; `trace` bounds what is kept."""
    load = pe.loads.get("hvc-loop", n=40_000)
    with machine(load, trace=100) as few, machine(load, trace=10**6) as all_:
        few.run()
        all_.run()
        assert few.trace_hash == all_.trace_hash
        assert few.n_events == all_.n_events == len(all_.events) > 65_536
        assert len(few.events) == 100


def test_declared_moves_and_balancers_migrate():
    """Moves are counted as migrations; outside the affinity they are refused."""
    host = UNIT.with_(pcpus=2)
    moves = pe.ping_pong(0, (0, 1), 40_000, 4)
    with machine(ticking(), host, moves=moves) as m:
        m.run()
        assert m.result().counters["migrations"] == 4
    turns = pe.Periodic(pe.rotate, 40_000)
    with machine(ticking(), host, balancer=turns) as m:
        m.run()
        assert m.result().counters["migrations"] >= 4
    pinned = [pe.VM(vcpus=(pe.VCpu(affinity=(0,)),))]
    with pytest.raises(pe.ConfigError, match="affinity"):
        pe.Machine(host, pinned, policy="lazy", load=ticking(), moves=moves)


def test_spreading_evens_out():
    """Four vCPUs on one pCPU end two and two."""
    host = UNIT.with_(pcpus=2)
    with machine(ticking(4, n=5000), host, 4) as m:
        for vcpu in m.vcpus:
            m.set_affinity(vcpu.index, (0,))
        m.run(until_cyc=1_000_000)
        assert len(m.pcpus[0].vcpus) == 4
        for vcpu in m.vcpus:
            m.set_affinity(vcpu.index, (0, 1))
        for vcpu, pcpu in pe.spread(m):
            m.move(vcpu, pcpu)
        m.run(until_cyc=80_000_000)
        assert [len(p.vcpus) for p in m.pcpus] == [2, 2]
        with pytest.raises(pe.ConfigError, match="at least one"):
            m.set_affinity(0, ())


def test_the_last_pcpu_stays_online():
    """Hotplug moves threads; the last pCPU is refused."""
    with machine(ticking(2, n=500), UNIT.with_(pcpus=2), 2) as m:
        m.run(until_cyc=100_000)
        m.pcpus[1].set_online(False)
        m.run(until_cyc=30_000_000)
        assert m.pcpus[1].vcpus == []
        with pytest.raises(pe.ConfigError, match="another pCPU"):
            m.pcpus[0].set_online(False)
        m.pcpus[1].set_online(True)
        assert m.run().reason == "done"


def test_pause_stops_and_resume_continues():
    """A paused vCPU gets no guest time."""
    with machine(endless()) as m:
        m.run(until_cyc=1_000_000)
        m.vcpus[0].pause()
        m.run(until_cyc=2_000_000)
        assert m.vcpus[0].state == "paused"
        before = m.vcpus[0].guest_cyc
        m.run(until_cyc=3_000_000)
        assert m.vcpus[0].guest_cyc == before
        m.vcpus[0].resume()
        m.run(until_cyc=4_000_000)
        assert m.vcpus[0].guest_cyc > before


def test_a_vm_migrates_between_machines_and_misses_no_tick():
    """The count continues, the deadline stays, every tick arrives once."""
    load = ticking(n=60)
    with machine(load) as source, machine(load) as target:
        source.run(until_cyc=150_000)
        target.pause(0)
        target.run(until_cyc=1_000_000)
        saved = pe.migrate(source, target, "vm0")
        done = source.vcpus[0].regs[0]
        assert 0 < done < 60
        assert target.virtual_count(0) == saved.virtual_count_ticks
        view = target.vcpus[0].one_reg()
        assert view["vtimer"] == source.vcpus[0].one_reg()["vtimer"]
        assert target.run().reason == "done"
        assert target.vcpus[0].regs[0] == 60
        assert target.result().counters["lost"] == 0


def test_migration_refuses_what_does_not_fit():
    """Another number of vCPUs, another counter frequency, no such VM."""
    other = UNIT.with_(cntfrq_hz=1_000_000)
    with machine(ticking()) as one, machine(ticking(2), vcpus=2) as two:
        with pytest.raises(pe.ConfigError, match="vm0"):
            pe.freeze(one, "vm1")
        saved = pe.freeze(one, "vm0")
        with pytest.raises(pe.ConfigError, match="1 vCPUs"):
            pe.thaw(two, saved)
        with (
            machine(ticking(), other) as slow,
            pytest.raises(pe.ConfigError, match="cntfrq"),
        ):
            pe.thaw(slow, saved)


def test_a_write_begins_another_deadline_even_at_the_same_value():
    """Expiries are counted by guest write, not by CVAL (1.1); the books balance."""
    p = pe.Program().timer_ctl(True, False)
    for _ in range(3):
        p.timer_cval(50).compute(50_000)
    load = pe.loads.custom(pe.Workload.of([p.timer_ctl(False, False).end().build()]))
    res = pe.run("eager", load, host=UNIT)
    assert res.counters["expiries"] == 4, "CTL meets CVAL 0, then 50 thrice"
    assert res.counters["deadlines_armed"] == 4
    assert res.counters["deadlines_withdrawn"] == 4
    assert res.counters["deadlines_acked"] == res.counters["lost"] == 0


def test_absent_sgi_targets_are_refused():
    """By name, before anything runs."""
    p = pe.Program().sgi(0, 5).end()
    load = pe.loads.custom(pe.Workload.of([p.build()]))
    with pytest.raises(pe.ConfigError, match=r"sgi\.target"):
        machine(load)


def test_a_machine_needs_a_load_and_a_known_policy():
    """Named errors with suggestions."""
    with pytest.raises(pe.ConfigError, match="load"):
        machine(None)
    with pytest.raises(pe.ConfigError, match="did you mean 'lazy'"):
        pe.Machine(UNIT, policy="lasy", load=endless())
    with pytest.raises(pe.ConfigError, match="seed"):
        machine(endless(), seed=-1)


def test_counter_rates_need_not_divide():
    """An odd CNTFRQ is exact all the same: count at a tick's cycle is the tick."""
    host = UNIT.with_(cpu_hz=1_000_003, cntfrq_hz=7919)
    with machine(endless(), host) as m:
        for ticks in (1, 2, 7919, 10**9 + 7):
            cyc = m.core.ticks_to_cyc(ticks)
            assert m.core.count_ticks(cyc) == ticks
            assert m.core.count_ticks(cyc - 1) == ticks - 1


def test_deadlines_in_the_past_fire_at_once():
    """CVAL 0 fires; CVAL 2^64-1 never does."""
    for cval, fired in ((0, 1), (2**64 - 1, 0)):
        p = pe.Program().irq_off().timer_cval(cval).timer_ctl(True, False).irq_on()
        p.compute(100_000).end()
        with p.on_irq(PPI_VTIMER):
            p.count(0).timer_ctl(False, False)
        with machine(pe.loads.custom(pe.Workload.of([p.build()]))) as m:
            m.run(until_cyc=NEVER_CYC // 2)
            assert m.vcpus[0].regs[0] == fired


def test_step_interpreter_and_paths_agree():
    """The oracle gives the same counters and the same trace hash."""
    for policy in ("eager", "lazy"):
        seen = []
        for plain in (False, True):
            res = pe.run(
                *(policy, pe.loads.get("mixed", n=300)),
                host=UNIT,
                trace=10**6,
                options=pe.Options(plain=plain),
            )
            seen.append((res.meta["trace_hash"], res.counters, res.ops))
        assert seen[0] == seen[1]
