"""Policy tables: guards, edits, compilation, refusals."""

from __future__ import annotations

import pickle

import pytest

from pyemu.errors import CapacityError, ConfigError
from pyemu.policy import (
    HOOKS,
    PRIMS,
    Policy,
    Step,
    diff,
    get,
    names,
    policies_list,
    prims,
    show,
    under,
)
from pyemu.policy.guards import (
    FLAGS,
    Guard,
    act,
    ap,
    enabled,
    fire,
    gicv3,
    loaded,
    running,
    vhe,
)
from pyemu.policy.kernels import LAZY_HOOKS
from pyemu.policy.table import SWITCHES


def test_guard_algebra() -> None:
    assert loaded & ~vhe == ~vhe & loaded
    assert ~~loaded == loaded
    assert ~Guard(frozenset({("loaded", False)})) == loaded
    assert (loaded & loaded) == loaded
    assert str(~(loaded & ~vhe)) == "~(loaded & ~vhe)"
    assert (loaded & ~vhe).compiled() == (
        1 << list(FLAGS).index("loaded") | 1 << list(FLAGS).index("vhe"),
        1 << list(FLAGS).index("loaded"),
        0,
    )
    negated = ~(loaded & ~vhe)
    assert negated.compiled()[2] == 1
    assert negated.holds({"vhe"}) and not negated.holds({"loaded"})


def test_guard_refuses_what_the_core_cannot_test() -> None:
    with pytest.raises(ConfigError, match="split the step"):
        _ = ~(loaded & vhe) & fire
    with pytest.raises(ConfigError, match="both"):
        _ = loaded & ~loaded
    with pytest.raises(ConfigError, match="did you mean 'loaded'"):
        Guard(frozenset({("loadde", True)}))
    with pytest.raises(TypeError):
        _ = loaded and vhe


def test_compile_layout() -> None:
    for name in names():
        policy = get(name)
        compiled = policy.compile()
        assert compiled.guards[0] == (0, 0, 0)
        assert len(set(compiled.guards)) == len(compiled.guards)
        assert len(compiled.hook_start) == len(HOOKS) + 1
        assert compiled.hook_start[-1] == len(compiled.steps)
        for number, hook in enumerate(HOOKS):
            begin, end = compiled.hook_start[number : number + 2]
            rows = compiled.steps[begin:end]
            assert len(rows) == len(policy.steps(hook))
            for row, step in zip(rows, policy.steps(hook), strict=True):
                prim = PRIMS[step.prim]
                assert row[0] == prim.index < prims.STEP_COUNT
                assert compiled.guards[row[1]] == step.guard.compiled()
                assert row[2:] == (int(prim.is_switch), number)
        assert compiled.switches >> list(SWITCHES).index("hw_bit") & 1


def test_lazy_from_an_empty_table() -> None:
    """The whole of lazy, hook by hook, with the public calls only."""
    lazy = get("lazy")
    built = Policy.empty("lazy").described(
        title=lazy.title, versions=lazy.versions, sections=lazy.sections
    )
    assert built != lazy
    for hook, steps in LAZY_HOOKS.items():
        built = built.with_hook(hook, steps)
    for switch in ("hw_bit", "ioctl_loads", "inject_request"):
        built = built.with_switch(switch)
    assert built == lazy
    assert hash(built) == hash(lazy)
    assert built.compile() == lazy.compile()


def test_put_of_lazy_step_by_step() -> None:
    policy = get("lazy").with_hook("put")
    for at, step in enumerate(get("lazy").steps("put")):
        policy = policy.with_step("put", at, step)
    assert policy == get("lazy")


def test_edits_leave_the_original_alone() -> None:
    lazy = get("lazy")
    before = lazy.compile()
    edited = lazy.without("put:isb").renamed("mine", "no ISB")
    assert edited.name == "mine" and edited.title == "no ISB"
    assert len(edited.steps("put")) == len(lazy.steps("put")) - 1
    assert lazy.compile() == before
    with pytest.raises(AttributeError):
        lazy.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(lazy)) == lazy


def test_without() -> None:
    lazy = get("lazy")
    assert lazy.without("put:14") == lazy.without("put:running_clear")
    both = lazy.without(prims.loaded_clear)
    assert all(s.prim != "loaded_clear" for h in HOOKS for s in both.steps(h))
    one = lazy.without(prims.loaded_clear.when(loaded & enabled))
    assert [s.prim for s in one.steps("put")].count("loaded_clear") == 0
    assert [s.prim for s in one.steps("block")].count("loaded_clear") == 1
    with pytest.raises(ConfigError, match="did you mean 'running_clear'"):
        lazy.without("put:runing_clear")
    with pytest.raises(ConfigError, match="index in put"):
        lazy.without("put:99")
    with pytest.raises(ConfigError, match="did you mean 'put'"):
        lazy.without("puts:isb")


def test_swapped_replaced_with_step() -> None:
    lazy = get("lazy")
    swapped = lazy.swapped("load:cntv_cval_w", "load:cntv_ctl_w")
    order = [s.prim for s in swapped.steps("load")]
    assert order.index("cntv_ctl_w") < order.index("cntv_cval_w")
    assert swapped.swapped("load:cntv_cval_w", "load:cntv_ctl_w") == lazy
    with pytest.raises(ConfigError, match=r"exit:15.*load:18"):
        lazy.swapped("cntpct_r", "load:isb")
    again = lazy.replaced("put:isb", prims.dsb)
    assert again.steps("put")[4] == prims.dsb
    inserted = lazy.with_step("exit", "irq_on", prims.isb.when(vhe))
    at = [s.prim for s in inserted.steps("exit")].index("isb")
    assert inserted.steps("exit")[at + 1] == prims.irq_on
    assert inserted.without(f"exit:{at}") == lazy
    assert lazy.with_step("exit", prims.irq_on, prims.nop).steps("exit")[22] == (
        prims.nop
    )
    with pytest.raises(ConfigError, match="0 to 25"):
        lazy.with_step("exit", 26, prims.nop)
    with pytest.raises(ConfigError, match="did you mean"):
        lazy.with_switch("hwbit")


@pytest.mark.parametrize(
    ("hook", "step"),
    [
        ("exit", prims.eret),
        ("enter", prims.trap),
        ("vtimer_isr", prims.iar_r),
        ("bg_expire", prims.cntv_ctl_w0),
        ("put", prims.bg_recheck),
        ("irq_entry", prims.irq_on),
        ("check", prims.handle),
        ("irq_exit", prims.eoir_w),
        ("put", prims.pending),
        ("irq_entry", prims.callback),
        ("reset", prims.eval_v_hw),
    ],
)
def test_impossible_contexts(hook: str, step: Step) -> None:
    with pytest.raises(ConfigError, match=f"{hook}.*{step.prim} may stand only in"):
        get("lazy").with_step(hook, 0, step)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (get("lazy").without("enter:eret"), "no eret"),
        (get("lazy").without("exit:trap"), "no trap"),
        (get("lazy").without("exit:handle"), "no handle"),
        (get("lazy").without("irq_entry:eoir_w"), "no eoir_w"),
        (get("lazy").swapped("enter:eret", "enter:run_loop"), "the last step"),
        (get("lazy").replaced("enter:eret", prims.eret.when(vhe)), "without a guard"),
        (get("lazy").with_step("exit", 3, prims.handle), "2 handle"),
        (get("lazy").without("put:cntv_ctl_w0"), "put .* no cntv_ctl_w0|no cntv_ctl"),
        (get("lazy").without("block:cntv_ctl_w0"), "since block has cntv_ctl_r"),
        (get("eager").without("exit:cntv_ctl_w0"), "since enter has cntv_ctl_w"),
        (get("v6.1").without("put:cntp_ctl_w0"), "since load has cntp_ctl_w"),
        (get("lazy").with_hook("put"), "put = 'no steps'"),
        (get("lazy").with_hook("bg_expire"), "no bg_recheck"),
        (get("lazy").without("pt_expire:pt_recheck"), "no pt_recheck"),
        (Policy.empty("nothing"), "enter = 'no steps'"),
    ],
)
def test_tables_that_cannot_run(policy: Policy, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        policy.compile()


def test_unknown_names_come_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cntv_ctl_w'"):
        Step("cntv_ctlw")
    with pytest.raises(ConfigError, match="primitive"):
        Step("lr_r")  # counted by the core only
    with pytest.raises(ConfigError, match="did you mean 'load'"):
        Policy("x", hooks={"lood": prims.nop})
    with pytest.raises(ConfigError, match="did you mean 'lazy'"):
        get("lasy")
    with pytest.raises(ConfigError, match="a name"):
        Policy("")
    with pytest.raises(ConfigError, match="switch"):
        Policy("x", switches=frozenset({"nope"}))


def test_capacity() -> None:
    crowd = get("lazy").with_step("enter", 0, prims.nop)
    full = crowd.with_hook("enter", *[prims.nop] * 2048, *crowd.steps("enter"))
    with pytest.raises(CapacityError, match="at most 2048"):
        full.compile()
    flags = [Guard(frozenset({(name, True)})) for name in FLAGS]
    pairs = [a & b for i, a in enumerate(flags) for b in flags[i + 1 :]][:260]
    many = [prims.nop.when(pair) for pair in pairs]
    with pytest.raises(CapacityError, match="guards"):
        crowd.with_hook("enter", many, crowd.steps("enter")).compile()


def test_direct_ptimer() -> None:
    assert [n for n in names() if get(n).direct_ptimer] == ["v5.2", "v6.1", "v6.12"]


def test_switches_by_version() -> None:
    for name in names():
        late = name in ("v4.16", "v4.18", "v5.2", "v6.1", "v6.12")
        switches = get(name).switches
        assert ("lower_on_populate" in switches) == late
        assert ("ioctl_loads" in switches) == (not late and name != "lazy-fixed")
        assert ("inject_request" in switches) == (name != "v4.4")
        assert ("resample_deact" in switches) == (name in ("v6.1", "v6.12"))
        assert "eoicount" not in switches


def test_under_and_when() -> None:
    steps = under(gicv3, prims.isb, (prims.dsb.when(act), [prims.nop]))
    assert [str(s) for s in steps] == [
        "isb if gicv3",
        "dsb if act gicv3",
        "nop if gicv3",
    ]
    assert str(prims.vgic_flush.when(~ap)) == "vgic_flush if !ap"
    assert str(prims.isb.when(~(running & vhe))) == "isb unless running vhe"


def test_lazy_rules_that_the_specification_insists_on() -> None:
    """4.6: active before restore, CNTVOFF before restore; 3.3: CVAL, ISB, CTL."""
    for name in ("lazy", "lazy-hybrid", "v4.16", "v4.18", "v5.2", "v6.1"):
        order = [s.prim for s in get(name).steps("load")]
        assert order.index("active_clear_v") < order.index("cntvoff_w")
        assert order.index("cntvoff_w") < order.index("cntv_cval_w")
        at = order.index("cntv_cval_w")
        assert order[at + 1 : at + 3] == ["isb", "cntv_ctl_w"]
    for name in names():
        exits = [s.prim for s in get(name).steps("exit")]
        if "cntv_ctl_w0" in exits:  # 3.1 step 7: timer before vgic
            assert exits.index("cntv_ctl_w0") < exits.index("vgic_save")
        enters = [s.prim for s in get(name).steps("enter")]
        first = enters.index("vgic_flush") < enters.index("irq_off")
        assert first == (name in ("v4.4", "eager"))


def test_show_and_list() -> None:
    text = show(get("lazy"))
    assert "put  [4.7]  kvm_arch_vcpu_put" in text
    assert "cntv_ctl_w0" in text and "if enabled loaded" in text
    assert all(len(line) < 140 for line in text.splitlines())
    assert [row[0] for row in policies_list()] == list(names())
    assert ("lazy", "4.15.0", get("lazy").title) in policies_list()


def test_diff() -> None:
    text = diff(
        get("lazy"), get("lazy").without("put:isb").with_switch("hw_bit", False)
    )
    changed = [line for line in text.splitlines() if line.startswith("  - ")]
    assert changed == ["  - isb if enabled loaded"]
    assert "- switch hw_bit" in text
    assert "the same in both: enter, abort, exit, load" in text
    assert diff(get("eager"), get("eager")).count("\n  ") == 0
