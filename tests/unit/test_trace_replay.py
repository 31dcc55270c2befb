"""A recording becomes op programs by the rules: causes kept, effects left out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pyemu import _ffi
from pyemu.guest.ops import OP, op_dtype
from pyemu.trace import shipped_recording

NAMES = {value: name for name, value in OP.items()}


@pytest.fixture(scope="module")
def boot():
    return shipped_recording("lx_boot_1v").load()


@pytest.fixture(scope="module")
def roi():
    return shipped_recording("lx_roi_1v").load()


def count(ops):
    return Counter(NAMES[op] for op in ops["op"].tolist())


@pytest.mark.parametrize("mode", ["corrected", "as-recorded"])
def test_every_trap_exit_is_one_operation(boot, mode):
    work = boot.to_workload(mode)
    ops = count(work.programs[0])
    assert ops["fault"] == 15_828
    assert ops["mmio_user"] == 992
    assert ops["mmio_kernel"] == 93
    assert ops["sysreg"] == 68
    assert ops["hvc"] + ops["system_off"] == 23
    assert ops["wfi"] == 39
    assert work.expected_exits == boot.exits


def test_instruction_aborts_carry_their_flag(boot):
    ops = boot.to_workload().programs[0]
    faults = ops[ops["op"] == OP["fault"]]
    assert int(faults["flags"].sum()) == 1_591


def test_interrupt_exits_are_merged_into_one_run(boot):
    """At most one COMPUTE before each trap, none for the 505 interrupt exits."""
    ops = boot.to_workload("as-recorded").programs[0]
    computes = ops["op"] == OP["compute"]
    assert not np.any(computes[1:] & computes[:-1])
    assert int(ops["c"][computes].sum()) == boot.guest.raw_ns


@pytest.mark.parametrize("mode", ["corrected", "as-recorded"])
def test_host_time_of_the_program_is_counted_in_cycles(roi, mode):
    """`extra` counts cycles, so one of it costs one, whatever the mode (costs.py)."""
    assert roi.to_workload(mode).cost_override.get("extra", 1) == 1


def test_corrected_guest_cycles_are_the_recordings(boot):
    work = boot.to_workload("corrected")
    assert work.guest_cyc == boot.guest.corrected_ns


def test_as_recorded_accounts_for_all_wall_time(boot):
    """Guest, handling, whole interrupt exits, sleeps and wake-ups make up the wall."""
    work = boot.to_workload("as-recorded")
    ops, cost = work.programs[0], work.cost_override
    user = ops[ops["op"] == OP["mmio_user"]]["c"]
    traps = [OP[n] for n in ("fault", "hvc", "sysreg", "mmio_kernel", "mmio_user")]
    host = int(ops["b"][np.isin(ops["op"], traps)].sum())
    host += int((user & 0xFFFFFFFF).sum() + (user >> 32).sum())
    kinds = boot.exits_by_kind
    host += (
        kinds["IRQ/tick"] * cost["isr_tick"] + kinds["IRQ/vtimer"] * cost["isr_vtimer"]
    )
    blocks = [seg for seg in boot.all_segments() if seg.block is not None]
    host += sum(seg.block.soft_ns - seg.end_ns for seg in blocks)
    host += len(blocks) * cost["idle_exit"]
    assert abs((work.guest_cyc + host) / work.wall_cyc - 1) < 0.003


def test_as_recorded_names_every_primitive(boot):
    cost = boot.to_workload("as-recorded").cost_override
    bounds = {"count", "step_count"}
    assert set(cost) == set(_ffi.enum("prim", "PYEMU_P_")) - bounds
    assert cost["eret"] == cost["cntv_ctl_w"] == 0
    assert cost["poll_iter"] > 0
    assert cost["ipi_latency"] > 0


def test_corrected_overrides_only_what_the_recording_carries(boot):
    cost = boot.to_workload("corrected").cost_override
    assert cost.pop("g_insn") == 1
    assert set(cost.values()) == {0}
    assert "handle_fault" in cost
    assert "isr_vtimer" not in cost


def test_intervals_are_the_recorded_ones(roi):
    """76 deadlines, 75 intervals, then what the last save shows armed."""
    work = roi.to_workload()
    table = work.tables[0]
    assert table.dtype == np.uint64
    assert table.size == len(roi.expiries)
    total_ns = roi.expiries[-1].deadline_ns - roi.expiries[0].deadline_ns
    assert abs(int(table[:-1].sum()) * 16 - total_ns) < 16 * 76
    assert int(table.min()) > 0


def test_waits_are_preceded_by_their_deadline(roi):
    """One-shot: LIST_SEEK, then TIMER_SET that far from now, then WFI."""
    ops = roi.to_workload().programs[0]
    at = np.flatnonzero(ops["op"] == OP["wfi"])
    seeks = 0
    for i in at:
        before = [NAMES[op] for op in ops["op"][max(0, i - 2) : i].tolist()]
        assert "list_seek" in before
        seeks += before == ["list_seek", "timer_set"]
    assert seeks >= 30
    stop = ops[ops["op"] == OP["list_seek"]]
    assert np.all(stop["c"] <= stop["b"])


def test_the_recording_that_starts_armed_arms_first(roi):
    names = [NAMES[op] for op in roi.to_workload().programs[0]["op"][:4].tolist()]
    assert names[:3] == ["irq_on", "list_seek", "timer_set"]


def test_a_recording_that_ends_in_user_space_says_how_it_ends(roi):
    work = roi.to_workload()
    assert work.expected_exits["HVC64"] == roi.exits["HVC64"] + 1
    assert work.expected_exits["DABT_LOW"] == roi.exits["DABT_LOW"] - 1
    assert sum(work.expected_exits.values()) == roi.n_exits
    assert "substituted" in {issue.code for issue in work.issues}


def test_other_threads_become_host_tasks_on_the_tick(boot):
    work = boot.to_workload("as-recorded")
    assert len(work.tasks) == 13
    period, phase = work.tick_cyc, work.tick_phase_cyc
    assert work.tick_hz == 250
    assert period == 4_000_000
    on_grid = [(task.start_ns - phase) % period == 0 for task in work.tasks]
    assert sum(on_grid) >= 12


def test_the_vector_rearms_only_for_the_virtual_timer(boot):
    work = boot.to_workload()
    ops, at = work.programs[0], work.irq_entry[0]
    names = [NAMES[op] for op in ops["op"][at:].tolist()]
    assert names == ["ack", "if_intid", "timer_list", "eoi", "eret"]
    assert int(ops["a"][at + 1]) == 27
    assert int(ops["b"][at + 1]) == at + 3
    assert ops.dtype == op_dtype()


def test_a_workload_for_a_vm_comes_out(boot):
    replay = boot.to_workload()
    work = replay.workload()
    assert len(work.vcpus) == 1
    assert work.vcpus[0].irq_entry == replay.irq_entry[0]
    assert work.finite
