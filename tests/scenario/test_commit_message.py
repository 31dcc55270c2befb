"""Commit b103cc3f10c0, clause by clause (docs/semantics.md 4; flows in 4.8)."""

import pytest

import pyemu as pe
from pyemu.guest.ops import PPI_VTIMER

SAVE = ["cntv_ctl_r", "cntv_cval_r", "cntv_ctl_w0", "isb", "loaded_clear"]
RESTORE = ["cntv_cval_w", "isb", "cntv_ctl_w", "loaded_set"]


def only(pairs, *hooks):
    """Primitives of the named hooks, in order."""
    return [prim for hook, prim in pairs if hook in hooks]


def test_flow_1_a_wfi_that_sleeps_saves_in_schedule_and_restores_in_load(
    stepped, wfi_tick
):
    """Flow 1: schedule saves, put's save is a no-op; load restores, unschedule's is."""
    run = stepped("lazy", wfi_tick)
    run.run()
    pairs = run.of_timer("block", "put", "load", "unblock")
    assert pairs == [
        *(("block", prim) for prim in [*SAVE, "bg_arm"]),
        ("put", "cntvoff_w0"),
        ("load", "active_clear_v"),
        ("load", "cntvoff_w"),
        *(("load", prim) for prim in RESTORE),
    ]
    assert run.result.counters["vcpu_load"] == 2  # KVM_RUN, wake-up
    assert run.result.counters["timer_block"] == 1


def test_flow_2_a_block_that_does_not_sleep_saves_and_restores_in_place(stepped):
    """Flow 2: something pends at check_block: CNTVOFF and the active bit stay."""
    # one tick is 16 cycles: the timer expires after the trap, before check_block
    p = pe.Program("flow2").irq_off().timer_set(1).wfi().irq_window().end()
    with p.on_irq(PPI_VTIMER):
        p.timer_ctl(False, False)
    run = stepped("lazy", p)
    result = run.run()
    assert (result.counters["vcpu_block"], result.counters["vcpu_sleep"]) == (1, 0)
    pairs = run.of_timer("block", "put", "load", "unblock")
    assert only(pairs, "block")[:5] == SAVE
    assert only(pairs, "unblock")[:4] == RESTORE
    assert "cntvoff_w0" not in only(pairs, "block", "put", "unblock")
    assert result.counters["vcpu_put"] == 0


def test_put_and_load_without_block_save_and_restore_once(stepped):
    """Preemption or a user exit: exactly one save in put, one restore in load."""
    p = pe.Program("user").irq_off().timer_set(1 << 40).mmio_user().mmio_user().end()
    run = stepped("lazy", p)
    run.run()
    pairs = run.of_timer("put", "load")
    assert only(pairs, "put") == [*SAVE, "cntvoff_w0"] * 2
    assert only(pairs, "load")[-6:] == ["active_clear_v", "cntvoff_w", *RESTORE]


@pytest.mark.parametrize("hook", ["put", "block"])
def test_save_is_idempotent_by_the_loaded_flag(hook):
    """Every register access of a save stands under `loaded`."""
    table = pe.policy.get("lazy").hooks[hook]
    saves = [s for s in table if s.prim in SAVE and s.prim != "isb"]
    assert saves
    assert all("loaded" in str(step) for step in saves)


def test_lazy_touches_no_timer_register_on_entry_and_exit(stepped, busy_ticks):
    """VHE: neither CTL, CVAL nor CNTVOFF move in entry; exit reads for level only."""
    run = stepped("lazy", busy_ticks, vhe=True)
    run.run()
    pairs = run.of_timer("enter", "exit")
    assert [p for _, p in pairs if p.endswith(("_w", "_w0"))] == []


def test_no_active_state_write_per_entry(stepped):
    """Lazy writes the active bit at load, never on entry; eager writes on entry."""
    p = pe.Program("hvc").irq_off().timer_set(1 << 40)
    with p.loop(10):
        p.hvc()
    run = stepped("lazy", p.end())
    run.run()
    active = [(h, s) for h, s in run.of_timer("load", "enter") if "active" in s]
    assert {hook for hook, _ in active} <= {"load"}


def test_after_the_isr_the_ppi_is_dropped_and_active_until_the_guests_eoi(stepped):
    """A second expiry before the EOI makes no host interrupt; the EOI frees it."""
    p = pe.Program("two-expiries").irq_off().timer_set(5_000).irq_on()
    p.label("go").compute(1_000).until(0, 1, "go").compute(1_000_000).end()
    with p.on_irq(PPI_VTIMER):
        # expire twice more before the EOI: level up, PPI active
        p.timer_set(100).compute(10_000).timer_set(100).compute(10_000)
        p.timer_set(1 << 40).count(0)
    run = stepped("lazy", p)
    result = run.run()
    assert result.counters["host_vtimer_irq"] == 1
    assert result.counters["expiries"] == 3
    assert result.counters["bad_deactivate"] == 0


def test_a_level_still_high_at_eoi_makes_a_new_physical_interrupt(stepped):
    """HW LR: the EOI deactivates both sides, a line still high fires at once (4.5)."""
    p = pe.Program("high-at-eoi").irq_off().timer_set(5_000).irq_on()
    p.label("go").compute(1_000).until(0, 2, "go").end()
    p.label("unused").end()
    with p.on_irq(PPI_VTIMER):
        p.until(0, 1, "first").timer_set(1 << 40).label("first").count(0)
    run = stepped("lazy", p)
    result = run.run()
    assert result.counters["host_vtimer_irq"] == 2
    assert result.counters["ticks_acked"] == 2


def test_eoi_through_the_hw_list_register_deactivates_the_physical_ppi(
    stepped, busy_ticks
):
    """One physical deactivation a tick, by the guest's EOI and by nobody else."""
    run = stepped("lazy", busy_ticks)
    result = run.run()
    deactivate = run.events[run.events["kind"] == 24]
    assert len(deactivate) == result.counters["ticks_acked"] == 3
    assert result.counters["bad_deactivate"] == 0


@pytest.mark.parametrize("change", [{"eoimode1": False}, {"forwarded": False}])
def test_without_split_or_forwarding_the_guest_makes_no_progress(stepped, change):
    """The storm the message warns of: the PPI fires again before the guest runs."""
    p = pe.Program("storm").irq_off().timer_set(5_000).compute(200_000)
    p.label("work").compute(1_000).count(1).until(1, 1_000, "work").end()
    run = stepped("lazy", p, **change)
    result = run.run(until_cyc=2_000_000)
    assert run.stop.reason == "limit"
    assert result.counters["host_vtimer_irq"] > 1_000
    exits = result.exits["IRQ/vtimer"]
    # guest instructions retired after the expiry: none worth the name
    assert exits == 0 or result.guest_cyc < 100_000


def test_with_hw_0_the_guests_eoi_leaves_the_physical_ppi_active(stepped, busy_ticks):
    """Without the HW bit somebody else has to deactivate: sync does.

    The EOI of a list register without HW bit makes the guest exit for that (2.4).
    """
    with_hw = stepped("lazy", busy_ticks)
    without = stepped(pe.policy.get("lazy").with_switch("hw_bit", False), busy_ticks)
    with_hw.run()
    result = without.run(until_cyc=5_000_000)
    assert len(without.events[without.events["kind"] == 24]) == 0
    assert with_hw.result.exits["IRQ/maint"] == 0
    assert result.exits["IRQ/maint"] == result.counters["ticks_acked"] > 0


def test_eager_takes_no_host_vtimer_interrupt(stepped, busy_ticks):
    """3.5: save at EL2 drops the line before interrupts are on in the host."""
    run = stepped("eager", busy_ticks)
    result = run.run()
    assert result.counters["host_vtimer_irq"] == 0
    assert result.counters["ticks_acked"] == 3
