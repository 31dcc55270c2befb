"""Rules of op programs: labels, handlers, ranges, and the layout C reads."""

import numpy as np
import pytest

from pyemu.errors import ConfigError
from pyemu.guest import loads
from pyemu.guest.ops import OP, PTIMER, U32, Program, op_dtype
from pyemu.guest.workload import Clock, Start, Workload, relocate
from pyemu.validation import load_set

CLOCK = Clock(10**9, 62_500_000)


def names(ops):
    """Return the operation names of an array."""
    by_code = {code: name for name, code in OP.items()}
    return [by_code[int(op)] for op in ops["op"]]


def test_op_layout_is_the_header_s():
    """16 bytes: op, flags, a, b, c at 0, 1, 2, 4, 8."""
    layout = op_dtype()
    assert layout.itemsize == 16
    assert [layout.fields[n][1] for n in layout.names] == [0, 1, 2, 4, 8]


def test_loop_jumps_back_to_its_top():
    """One LOOP op after the body, counting in its own register."""
    p = Program().irq_off()
    with p.loop(10):
        p.hvc()
        with p.loop(3):
            p.wfi()
    ops = p.end().build().ops
    assert names(ops) == ["irq_off", "hvc", "wfi", "loop", "loop", "end"]
    assert [(int(op["a"]), int(op["b"]), int(op["c"])) for op in ops[3:5]] == [
        (5, 2, 3),
        (6, 1, 10),
    ]


def test_handlers_become_one_vector():
    """Ack, a comparison an INTID, its body, EOI, return; unknown INTIDs return."""
    p = Program().wfi()
    with p.on_irq(27):
        p.count(0)
    with p.on_irq(1):
        p.count(1)
    built = p.end().build()
    assert built.irq_entry == 2
    vector = names(built.ops[2:])
    body = ["if_intid", "count", "eoi", "eret"]
    assert vector == ["ack", *body, *body, "eret"]
    skips = built.ops[built.ops["op"] == OP["if_intid"]]
    assert [int(op["b"]) for op in skips] == [7, 11]


def test_labels_inside_handlers_are_placed_with_them():
    """A label in a handler resolves into the vector."""
    p = Program().wfi()
    with p.on_irq(27):
        p.label("again").compute(5).until(0, 3, "again")
    ops = p.end().build().ops
    until = ops[ops["op"] == OP["until"]][0]
    assert names(ops)[int(until["b"])] == "compute"


def test_building_twice_gives_the_same():
    """build does not consume the program."""
    p = Program().wfi()
    with p.on_irq(27):
        p.count(0)
    p.end()
    assert np.array_equal(p.build().ops, p.build().ops)


def test_eoimode_1_adds_dir():
    """Handlers deactivate by themselves when the guest splits EOI."""
    p = Program().eoimode(1).wfi()
    with p.on_irq(27):
        p.count(0)
    assert "dir" in names(p.end().build().ops)


def test_a_program_without_handler_keeps_interrupts_masked():
    """The vector is 0xffffffff."""
    assert Program().end().build().irq_entry == U32


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Program().build(), "at least one"),
        (lambda: Program().jump("nowhere").build(), "nowhere"),
        (lambda: Program().label("a").label("a"), "not used before"),
        (lambda: Program().emit("hvcc"), "did you mean 'hvc'"),
        (lambda: Program().emit("n"), "one of"),
        (lambda: Program().compute(-1), "whole number"),
        (lambda: Program().compute(2**64), "whole number"),
        (lambda: Program().compute(1.5), "whole number"),
        (lambda: Program().count(8), "whole number"),
        (lambda: Program().sgi(16, 0), "whole number"),
        (lambda: Program().chance(1.5, "x"), "0 to 1"),
        (lambda: Program().timer_tval(2**31), "32-bit"),
        (lambda: Program().table([]), "non-empty"),
        (lambda: Program().hvc(2**32), "whole number"),
        (lambda: Program().loop(0).__enter__(), "at least 1"),
        (lambda: Workload.of([]), "at least one program"),
    ],
)
def test_bad_programs_are_named(make, words):
    """Every misuse is a ConfigError in words."""
    with pytest.raises(ConfigError, match=words):
        make()


def test_loops_nest_three_deep():
    """Registers 4 to 6 count loops; a fourth level is refused."""
    p = Program()
    with p.loop(1), p.loop(1), p.loop(1), pytest.raises(ConfigError, match="three"):
        p.loop(1).__enter__()


def test_two_handlers_of_one_intid_are_refused():
    """One INTID, one handler."""
    p = Program()
    with p.on_irq(27):
        pass
    with pytest.raises(ConfigError, match="one handler"):
        p.on_irq(27).__enter__()


def test_tval_is_signed_and_values_at_the_edge_fit():
    """TVAL -1 is 0xffffffff; CVAL 2^64-1 passes unchanged; the ptimer is timer 1."""
    ops = Program().timer_tval(-1).timer_cval(2**64 - 1, PTIMER).end().build().ops
    assert int(ops[0]["c"]) == 2**32 - 1
    assert (int(ops[1]["c"]), int(ops[1]["a"])) == (2**64 - 1, 1)


def test_identical_programs_are_shared():
    """One array for all vCPUs that run the same; others get their own tables."""
    p = Program()
    p.compute_from(p.table([1, 2])).end()
    q = Program()
    q.compute_from(q.table([3])).end()
    work = Workload.of([p.build(), q.build(), p.build()])
    assert [start.program for start in work.vcpus] == [0, 1, 0]
    assert [int(ops[0]["a"]) for ops in work.programs] == [0, 1]
    assert work.vcpus[0] == Start(0)


def test_relocation_moves_only_table_indexes():
    """Operands of other operations keep their values."""
    ops = Program().count(3).hvc().end().build().ops
    assert np.array_equal(relocate(ops, 5), ops)


@pytest.mark.parametrize("name", loads.names())
def test_every_load_builds_and_ends(name):
    """Every load has one reset of statistics and ends by itself."""
    load = loads.get(name)
    work = load.build(CLOCK)
    assert len(work.vcpus) == load.vcpus
    first = work.programs[work.vcpus[0].program]
    assert names(first).count("reset_stats") == 1
    for ops in work.programs:
        assert "end" in names(ops)
    assert work.finite


@pytest.mark.parametrize("scenario", list(load_set("eager-vs-lazy").scenarios))
def test_recorded_scenarios_build(scenario):
    """Every recorded letter has a load and the recording's host."""
    load, host = loads.recorded(scenario)
    assert host["cntfrq_hz"] == 62_500_000
    assert load.build(CLOCK).programs


def test_loads_refuse_what_cannot_be():
    """Unknown names and parameters get suggestions; n is at least 1."""
    with pytest.raises(ConfigError, match="did you mean 'hvc-loop'"):
        loads.get("hvcloop")
    with pytest.raises(ConfigError, match="did you mean 'period_ns'"):
        loads.get("tick-wfi", period=3)
    with pytest.raises(ConfigError, match=r"load\.hvc-loop\.n"):
        loads.get("hvc-loop", n=0)
    with pytest.raises(ConfigError, match="multiple of 2"):
        loads.get("sgi-wfi", vcpus=3)
    with pytest.raises(ConfigError, match="even"):
        loads.get("sgi-wfi").build(CLOCK, 3)
    with pytest.raises(ConfigError, match="share above 0"):
        loads.get("mixed", hvc=0, mmio=0, sysreg=0).build(CLOCK)
    with pytest.raises(ConfigError, match="did you mean 'off'"):
        loads.get("hvc-loop", timer="of")
    with pytest.raises(ConfigError, match="scenario = 'jn'"):
        loads.recorded("jn")
    with pytest.raises(AttributeError):
        loads.no_such_load  # noqa: B018
    assert loads.tick_wfi(n=3).params["n"] == 3


def test_custom_workload_is_for_its_own_size():
    """A load of hand-made programs refuses a VM of another size."""
    load = loads.custom(Workload.of([Program().end().build()]))
    assert load.build(CLOCK, 1).programs
    with pytest.raises(ConfigError, match="exactly 1"):
        load.build(CLOCK, 2)
