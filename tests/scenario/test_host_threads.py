"""Host threads that guests feel: devices, timer slack, polling, new threads."""

import pytest

import pyemu as pe
from pyemu.config import Task
from pyemu.errors import ConfigError
from pyemu.guest import machine_code
from pyemu.validation import Change, Phase, choose, emulate, load_set

SET = load_set("linux-6.1")
HOST = {"gic": "v3", "vhe": True, "profile": "icount", "preempt": "voluntary"}


def run(scenario, config="vhe-gic3-smp1", **change):
    case = choose(SET, scenario=scenario, config=config)[0]
    return emulate(case, Change(**change), Phase(2_530_000))


def spi_guest(task):
    """The recorder's guest that takes 5 SPIs, its device's thread on pCPU 0."""
    load = machine_code.load("linux-6.1-spi-g3", regs={"x1": 5, "x2": 0, "x3": 0})
    host = pe.Host(tasks=(task,), **HOST)
    with pe.Machine(host, [pe.VM()], policy="v6.1", load=load) as machine:
        machine.run(until_cyc=10**9)
        return machine.region, machine.bus.outcomes[0]


def test_a_devices_thread_raises_its_spi_at_the_end_of_each_burst():
    task = Task(on_ns=10_000, off_ns=500_000, start_ns=500_000, vm="vm0", intid=40)
    region, outcome = spi_guest(task)
    assert b"spis=5 " in outcome.console
    assert region.counters["vcpu_block"] == 5


def test_without_its_device_the_guest_sleeps_for_ever():
    _, outcome = spi_guest(Task(on_ns=10_000, off_ns=500_000, start_ns=500_000))
    assert outcome.exit_code is None


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"vm": "vm0", "intid": 31}, "task.intid"),
        ({"vm": "vm0", "intid": 128}, "task.intid"),
        ({"intid": 40}, "task.intid"),
        ({"slack_ns": -1}, "task.slack_ns"),
    ],
)
def test_impossible_device_threads_are_refused(fields, word):
    with pytest.raises(ConfigError, match=word):
        Task(**fields)


def test_a_device_of_a_vm_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"task\.vm"):
        spi_guest(Task(vm="vm9", intid=40))


def test_within_its_slack_a_sleep_ends_with_another_timer_interrupt():
    """usleep(1000) beside a 700 us guest tick: they meet more often than by chance."""
    apart = run("spi_wfi_far").counters["exits_wfx"]
    both = run("spi_wfi_tick700us")
    ticks = both.results["ticks"]
    assert both.counters["exits_wfx"] < apart + ticks - 10


def test_an_idle_pcpu_takes_one_tick_and_no_second():
    """Recorded, tick_wfi_5ms: each sleep of 5 ms holds one 4 ms tick, never two."""
    wfi = run("tick_wfi_5ms", config="nvhe-gic3-smp1")
    counters = wfi.counters
    assert counters["bg_expire"] == 40
    assert counters["host_tick_irq"] == 40


def test_a_due_emulated_timer_is_armed_in_the_past_and_injects_again():
    """Recorded on 6.1 nVHE: late ticks, each one more hrtimer (and B17 between)."""
    due = run("ptick_busy_1ms", config="nvhe-gic3-smp1").counters
    assert due["pt_expire"] > 80  # 60 ticks
    assert due["pt_start"] == due["pt_expire"]


def test_an_hrtimer_takes_the_clocks_shortest_delta():
    """1 us from its start at least: a task that sleeps for 1 ns runs once a 2 us."""
    task = Task(on_ns=1000, off_ns=1, start_ns=0)
    load = pe.loads.get("hvc-loop", n=10)
    with pe.Machine(pe.Host(tasks=(task,), **HOST), policy="v6.1", load=load) as m:
        m.run(until_cyc=2_000_000)
        assert m.result().counters["host_timer_irq"] < 1000


def test_polling_ends_when_another_thread_can_run():
    """Ping-pong on one pCPU: each poll looks once (recorded: 0.3 us a poll)."""
    counters = run("pp_wfi_notimer_1p").counters
    assert counters["poll_iterations"] <= counters["halt_attempted_poll"]


def test_a_new_thread_waits_a_slice_behind_those_before_it():
    """CPU_ON: the woken vCPUs have run less and preempt at once (recorded: 3)."""
    assert run("mtick4_wfi_1ms_1p").counters["preempted"] >= 3


def test_wfe_does_not_trap_alone_on_its_pcpu():
    """6.1 clears HCR_EL2.TWE while one task runs (recorded); 4.15 always traps."""
    assert run("tick_wfe_1ms").counters["exits_wfx"] == 0
    case = choose(SET, scenario="tick_wfe_1ms", policy="lazy", gic="v3", vhe=True)[0]
    assert emulate(case, Change(iters=1)).counters["exits_wfx"] > 100


def test_the_eoi_of_an_emulated_level_interrupt_leaves_the_guest():
    """nVHE physical timer: one exit IRQ an EOI, no host interrupt (recorded)."""
    run_ = run("ptick_wfi_1ms", "nvhe-gic3-smp1")
    assert run_.result.exits["IRQ/maint"] == 100
    assert run_.counters["ptimer_irq"] == 0


def test_an_spi_is_edge_after_reset_and_its_eoi_stays_in_the_guest():
    """KVM's reset value; the guest does not change it: no maintenance (recorded)."""
    assert run("spi_wfi_far").result.exits["IRQ/maint"] == 0
