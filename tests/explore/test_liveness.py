"""I10 and I15: each holds where it should, and each can fail."""

import pytest

import pyemu as pe
from pyemu.policy.registry import SHIPPED

SMALL = (
    *("step", "guest", "tick", "sched_in", "preempt"),
    *("ctl_off", "ctl_on", "cval_soon", "cval_past", "mask", "unmask", "ack", "eoi"),
    *("wfi", "hvc", "gic_on", "gic_off", "user"),
)
NO_I15 = ("lazy-commit",)  # B01: a level without an expiry


def broken(policy, number, **machine):
    """Return whether the invariant is, every state seen."""
    found = pe.explore(policy, alphabet=SMALL, invariants=[number], **machine)
    assert found.invariant or found.reason.startswith("every reachable state seen")
    return bool(found.invariant)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_policies_deactivate_what_they_activate_and_equal_hardware(name):
    """Lines that reach the GIC at once; lazy-commit raises a level for no expiry."""
    assert not broken(name, "I10")
    assert broken(name, "I15") == (name in NO_I15)


@pytest.mark.parametrize(
    ("name", "step"),
    [("eager", "enter:active_clear_v"), ("v6.1", "load:active_clear_v")],
)
def test_without_its_icactiver_nothing_deactivates(name, step):
    """I10: the guest has silenced its timer without an EOI; no other step clears."""
    assert broken(pe.policy.get(name).without(step), 10)


def test_a_user_space_irqchip_has_nobody_else_to_deactivate():
    """I10, B05 (b): no list register; the mask goes by the level."""
    policy = pe.policy.get("lazy")
    assert not broken(policy, 10, user_irqchip=True)
    deaf = policy.without("vtimer_isr:level_v_set")
    assert broken(deaf, 10, user_irqchip=True)
    assert broken("lazy-commit", 10, user_irqchip=True)


@pytest.mark.parametrize("step", ["exit:inject_v_fire", "exit:level_v_clear"])
def test_a_line_that_is_not_lowered_equals_no_hardware(step):
    """I15: the interrupt is still offered, exit after exit."""
    assert broken(pe.policy.get("lazy-fixed").without(step), 15)


def test_a_raised_line_that_is_not_injected_equals_no_hardware():
    """I15, the other way round."""
    assert broken(pe.policy.get("v6.1").without("vtimer_isr:inject_v"), 15)


def test_an_hrtimer_has_locals_of_its_own():
    """Its handler on one pCPU meets load of its vCPU on the other: 30 stays low."""
    alphabet = ("step", "guest", "tick", "sched_in", "preempt")
    alphabet += ("ctl_on", "cval_soon", "mask", "wfi", "hvc")
    found = pe.explore("lazy-fixed", pcpus=2, alphabet=alphabet, invariants=["I15"])
    assert not found.invariant, found.timeline()
    assert found.reason.startswith("every reachable state seen")


@pytest.mark.parametrize("number", [10, 15])
@pytest.mark.parametrize(
    "step", ["load:active_clear_v", "exit:vgic_sync", "load:27", "put:cntvoff_w0"]
)
def test_both_searches_agree(number, step):
    """With and without the reductions, on mutants of v6.1."""
    policy = pe.policy.get("v6.1").without(step)
    assert broken(policy, number) == broken(policy, number, reduce=False)


def test_invariants_go_by_number_or_name():
    """And one that section 7 has not is named, none at all as well."""
    found = pe.explore("lazy", alphabet=SMALL, invariants=["I15", 10, "i3"])
    assert found.invariants == [3, 10, 15]
    with pytest.raises(pe.ConfigError, match=r"explore\.invariant = 'I16'"):
        pe.explore("lazy", invariants=["I16"])
    with pytest.raises(pe.ConfigError, match=r"explore\.invariants = 'none'"):
        pe.explore("lazy", invariants=[])
