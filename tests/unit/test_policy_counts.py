"""Operations per event of the shipped tables, held against recorded kernels.

Expected values: the per-exit and per-tick counts recorded from real kernels (eager
4.14, 4.14 with only the lazy change, 4.18, 6.1), and docs/semantics.md 3.3 and 4.10
where no recording exists (4.15.0).
"""

from __future__ import annotations

from collections import Counter

import pytest
from policy_model import Model

from pyemu.policy import get, names

WRITES = ("cntv_ctl_w", "cntv_cval_w", "cntvoff_w", "cnthctl_w")
READS = ("cntv_ctl_r", "cntv_cval_r")


def total(ops: Counter[str], which: tuple[str, ...]) -> int:
    return sum(ops[name] for name in which)


def pick(ops: Counter[str], which: str) -> tuple[int, ...]:
    return tuple(ops[name] for name in which.split())


def busy_turn(model: Model) -> object:
    def turn() -> None:
        model.run_to_expiry()
        model.handle_tick()

    model.hw = [True, model.now + 1000]
    return turn


def wfi_turn(model: Model) -> object:
    def turn() -> None:
        model.wfi()
        model.handle_tick()

    model.hw = [True, model.now + 1000]
    return turn


@pytest.mark.parametrize(
    ("name", "vhe", "writes", "reads", "cnthctl_r", "isb", "hyp_call"),
    [
        ("eager", False, 7, 2, 2, 1, 1),
        ("eager", True, 5, 2, 0, 1, 0),
        ("v4.4", False, 7, 2, 2, 1, 1),
        ("v4.4", True, 5, 2, 0, 1, 0),
        *[(one, False, 2, 0, 2, 0, 1) for one in ("lazy", "lazy-hybrid", "v4.16")],
        *[(one, True, 0, 0, 0, 0, 0) for one in ("lazy", "lazy-hybrid", "v4.16")],
        *[(one, False, 2, 0, 2, 0, 1) for one in ("v4.18", "v5.2", "v6.1", "v6.12")],
        *[(one, True, 0, 0, 0, 0, 0) for one in ("v4.18", "v5.2", "v6.1", "v6.12")],
        ("lazy-commit", True, 2, 0, 2, 0, 0),  # B04
    ],
)
def test_hvc_exit(
    name: str,
    vhe: bool,
    writes: int,
    reads: int,
    cnthctl_r: int,
    isb: int,
    hyp_call: int,
) -> None:
    model = Model(get(name), vhe)
    ops = model.counted(model.hvc)
    assert total(ops, WRITES) == writes
    assert total(ops, READS) == reads
    assert pick(ops, "cnthctl_r isb hyp_call") == (cnthctl_r, isb, hyp_call)
    # without the cache every entry writes the active bit (P1)
    clears = 1 if name == "v4.4" else 0
    assert pick(ops, "isactiver_w icactiver_w inject") == (0, clears, 0)


@pytest.mark.parametrize("armed", [False, True])
def test_eager_reads_the_counter_only_for_an_armed_timer(armed: bool) -> None:
    """Recorded: 2 counter reads an exit if the guest's timer is on, else none."""
    model = Model(get("eager"), vhe=False)
    model.hw = [armed, 10**9]
    ops = model.counted(model.hvc)
    assert ops["cntpct_r"] == (2 if armed else 0)
    assert total(ops, WRITES) == 7


@pytest.mark.parametrize(
    ("name", "vhe", "writes", "reads", "v3_hvc", "v2_hvc"),
    [
        ("eager", False, 7, 2, 3, 1),
        ("lazy", False, 7, 2, 5, 3),
        ("lazy-hybrid", False, 7, 2, 5, 3),
        ("v4.18", False, 7, 2, 7, 3),
        ("v6.1", False, 7, 2, 7, 3),
        ("eager", True, 5, 2, 0, 0),
        ("lazy", True, 5, 2, 0, 0),  # 4.15.0: VHE writes CNTVOFF at put, too
        ("lazy-hybrid", True, 4, 2, 0, 0),
        ("v4.18", True, 4, 2, 0, 0),
    ],
)
def test_user_exit(
    name: str, vhe: bool, writes: int, reads: int, v3_hvc: int, v2_hvc: int
) -> None:
    for gicv3, hvc in ((True, v3_hvc), (False, v2_hvc)):
        model = Model(get(name), vhe, gicv3)
        model.hw = [True, 10**9]
        ops = model.counted(model.user_exit)
        assert total(ops, WRITES) == writes
        assert total(ops, READS) == reads
        assert ops["hyp_call"] == hvc
        assert pick(ops, "isactiver_w icactiver_w")[0] == 0
        # eager: the put drops the cache, so one clear; lazy: the load writes it
        expected = 2 if name == "v6.1" and vhe else 1
        assert ops["icactiver_w"] == expected


@pytest.mark.parametrize(
    ("name", "ctl_r", "cval_r", "isact", "icact", "irq27", "inject", "hvc"),
    [
        ("eager", 1, 1, 2, 0, 0, 2, 3),
        ("lazy", 3, 2, 0, 2, 1, 2, 5),  # 4.10; no recording
        ("lazy-hybrid", 4, 2, 0, 2, 1, 2, 5),
        ("v4.18", 2, 1, 0, 1, 1, 1, 7),
        ("v6.1", 1, 1, 1, 0, 0, 1, 8),  # level 1 at load, no interrupt (fact 3)
    ],
)
def test_wfi_tick_nvhe(
    name: str,
    ctl_r: int,
    cval_r: int,
    isact: int,
    icact: int,
    irq27: int,
    inject: int,
    hvc: int,
) -> None:
    model = Model(get(name), vhe=False)
    ops = model.counted(wfi_turn(model))
    assert total(ops, WRITES) == 7
    assert pick(ops, "cntv_ctl_r cntv_cval_r") == (ctl_r, cval_r)
    assert pick(ops, "isactiver_w icactiver_w irq27") == (isact, icact, irq27)
    assert pick(ops, "inject hyp_call eret") == (inject, hvc, 1)
    assert ops["aborts"] == (1 if name == "eager" else 0)


@pytest.mark.parametrize(
    ("name", "writes"), [("eager", 5), ("lazy-hybrid", 4), ("v4.18", 4)]
)
def test_wfi_tick_vhe(name: str, writes: int) -> None:
    model = Model(get(name), vhe=True)
    ops = model.counted(wfi_turn(model))
    assert total(ops, WRITES) == writes
    assert ops["hyp_call"] == 0


@pytest.mark.parametrize(
    ("name", "writes", "ctl_r", "cval_r", "isact", "irq27", "inject"),
    [
        ("eager", 7, 1, 1, 1, 0, 0),  # the level is high at every exit: no edge
        ("v4.4", 7, 1, 1, 1, 0, 0),
        ("lazy", 2, 1, 1, 0, 1, 0),
        ("lazy-hybrid", 2, 2, 1, 0, 1, 0),
        ("v4.16", 2, 1, 0, 0, 1, 1),
        ("v4.18", 2, 1, 0, 0, 1, 1),
        ("v6.1", 2, 1, 0, 0, 1, 1),
    ],
)
def test_busy_tick_nvhe(
    name: str,
    writes: int,
    ctl_r: int,
    cval_r: int,
    isact: int,
    irq27: int,
    inject: int,
) -> None:
    model = Model(get(name), vhe=False)
    ops = model.counted(busy_turn(model))
    assert total(ops, WRITES) == writes
    assert pick(ops, "cntv_ctl_r cntv_cval_r") == (ctl_r, cval_r)
    assert pick(ops, "isactiver_w icactiver_w") == (isact, 0)
    assert pick(ops, "irq27 inject eret hyp_call") == (irq27, inject, 1, 1)


@pytest.mark.parametrize(
    ("name", "icact"), [("eager", 1), ("lazy", 1), ("lazy-hybrid", 1), ("v4.18", 0)]
)
def test_exit_between_ticks_exposes_the_low_level(name: str, icact: int) -> None:
    """Recorded: eager clears at the next entry, 4.15 at that exit, 4.18 never."""
    model = Model(get(name), vhe=False)
    turn = busy_turn(model)

    def tick_and_exit() -> None:
        assert callable(turn)
        turn()
        model.hvc()

    ops = model.counted(tick_and_exit)
    assert ops["icactiver_w"] == icact
    assert ops["isactiver_w"] == (1 if name == "eager" else 0)
    if name == "lazy-hybrid":  # recorded: irq27 + syncs with level 1 + drops
        assert ops["cntv_ctl_r"] == 3


def test_v6_1_pair_vhe() -> None:
    """Recorded on 6.1: 9 writes and 5 reads a put/load pair, 0 a world switch."""
    model = Model(get("v6.1"), vhe=True)
    ops = model.counted(model.user_exit)
    written = "cntv_ctl_w cntv_cval_w cntvoff_w cntp_ctl_w cntp_cval_w cntkctl_w"
    read = "cntv_ctl_r cntv_cval_r cntp_ctl_r cntp_cval_r cntkctl_r"
    assert pick(ops, written) == (2, 1, 2, 2, 1, 1)
    assert pick(ops, read) == (1, 1, 1, 1, 1)
    assert pick(ops, "cnthctl_w cnthctl_r") == (0, 0)
    assert pick(model.counted(model.hvc), written + " " + read) == (0,) * 11
    ops = model.counted(wfi_turn(model))
    assert pick(ops, written) == (2, 1, 2, 2, 1, 1)
    assert pick(ops, read) == (1, 1, 1, 1, 1)
    assert ops["irq27"] == 0


def test_v6_1_pair_nvhe() -> None:
    """Recorded on 6.1: 5W 2R a put/load pair and 4W 4R a world switch."""
    model = Model(get("v6.1"), vhe=False)
    ops = model.counted(model.hvc)
    assert pick(ops, "cnthctl_w cnthctl_r cntkctl_w cntkctl_r") == (2, 2, 2, 2)
    assert total(ops, WRITES) + ops["cntkctl_w"] == 4
    ops = model.counted(model.user_exit)
    assert total(ops, WRITES) + ops["cntkctl_w"] == 9
    assert total(ops, READS) + ops["cnthctl_r"] + ops["cntkctl_r"] == 6
    assert pick(ops, "cntp_ctl_w cntp_ctl_r cntpoff_w") == (0, 0, 0)


def test_v6_1_pair_order() -> None:
    """The order of the recorded system-register log, put then load."""
    steps = get("v6.1")
    flags = {"vhe", "gicv3", "direct_p", "loaded", "enabled"}
    put = [s.prim for s in steps.steps("put") if s.guard.holds(flags)]
    load = [s.prim for s in steps.steps("load") if s.guard.holds(flags - {"loaded"})]
    regs = [p for p in (*put, *load) if p.startswith("cnt") and p != "cntpct_r"]
    assert regs == [
        *("cntkctl_r", "cntv_ctl_r", "cntv_cval_r", "cntv_ctl_w0"),
        *("cntp_ctl_r", "cntp_cval_r", "cntp_ctl_w0", "cntvoff_w0"),
        *("cntvoff_w", "cntv_cval_w", "cntv_ctl_w", "cntp_cval_w", "cntp_ctl_w"),
        "cntkctl_w",
    ]


def test_v6_12_pair_vhe() -> None:
    """Section 5: per direct timer 2R 1W 1 ISB 1 offset at put, the same to load."""
    model = Model(get("v6.12"), vhe=True)
    ops = model.counted(model.user_exit)
    assert pick(ops, "cntv_ctl_w cntv_cval_w cntvoff_w cntpoff_w") == (2, 1, 2, 2)
    assert pick(ops, "cnthctl_r cnthctl_w inject isb") == (1, 1, 1, 4)


@pytest.mark.parametrize("vhe", [False, True])
def test_cntkctl_of_the_older_kernels(vhe: bool) -> None:
    """Recorded: 4.14 2R 2W a switch on nVHE, 1R 1W on VHE; 4.18 VHE none."""
    for name in ("eager", "lazy-hybrid"):
        model = Model(get(name), vhe)
        n = 1 if vhe else 2
        assert pick(model.counted(model.hvc), "cntkctl_r cntkctl_w") == (n, n)
    model = Model(get("v4.18"), vhe)
    n = 0 if vhe else 2
    assert pick(model.counted(model.hvc), "cntkctl_r cntkctl_w") == (n, n)


@pytest.mark.parametrize(
    ("name", "reads"),
    [("eager", 0), ("lazy", 0), ("lazy-hybrid", 1), ("v4.16", 1), ("v6.1", 0)],
)
def test_a_turn_of_halt_polling(name: str, reads: int) -> None:
    """Recorded: a CTL read a turn from the 4.18 timer code on, none on 6.1."""
    model = Model(get(name), vhe=False)
    model.hw = [True, 10**9]
    model.exit()
    before = model.ops["cntv_ctl_r"]
    model.hook("check")
    assert model.ops["cntv_ctl_r"] - before == reads


def test_load_and_put_of_4_10() -> None:
    """Section 4.10, load and put rows of 4.15.0."""
    for vhe in (False, True):
        model = Model(get("lazy"), vhe)
        hvc = 0 if vhe else 1
        model.exit()
        before = model.ops.copy()
        model.hook("put")
        put = model.ops.copy()
        put.subtract(before)
        model.hook("load")
        load = model.ops.copy()
        load.subtract(before + put)
        assert pick(put, "cntv_ctl_r cntv_cval_r cntv_ctl_w cntvoff_w isb") == (1,) * 5
        assert pick(load, "cntvoff_w cntv_cval_w cntv_ctl_w isb") == (1,) * 4
        assert load["isactiver_w"] + load["icactiver_w"] == 1
        assert put["hyp_call"] == load["hyp_call"] == 2 * hvc  # one is VMCR's


@pytest.mark.parametrize("name", ["lazy", "lazy-hybrid", "v4.16", "v4.18"])
def test_block_without_sleep(name: str) -> None:
    """4.10: 2R 3W 2 ISB; CNTVOFF and the active bit stay."""
    model = Model(get(name), vhe=False)
    model.hw = [True, 10**9]
    model.exit()
    before = model.ops.copy()
    model.hook("block")
    model.hook("unblock")
    after = model.ops.copy()
    after.subtract(before)
    assert total(after, READS) == 2
    assert total(after, WRITES) == 3
    assert pick(after, "isb cntvoff_w isactiver_w icactiver_w") == (2, 0, 0, 0)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("vhe", [False, True])
def test_every_policy_delivers_every_tick(name: str, vhe: bool) -> None:
    """`handle_tick` insists on a pending list register after each expiry."""
    model = Model(get(name), vhe)
    if name == "lazy-commit":  # its first run leaves the timer unloaded (B02)
        assert "loaded" not in model.flags
        model.user_exit()
    for make in (busy_turn, wfi_turn):
        ops = model.counted(make(model), warm_up=4)
        assert ops["eret"] == 1
