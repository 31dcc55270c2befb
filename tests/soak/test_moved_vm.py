"""A VM that moves between machines goes on where it was, in mid-computation too."""

import pytest

import pyemu as pe

HOST = pe.Host(profile="unit", gic="v3", vhe=True)
WORK_CYC = 2_000_000
HANDLER_CYC = 300_000
DRAWS = 400


def machine(program, seed=7):
    """One vCPU that runs a program."""
    load = pe.loads.custom(pe.Workload.of([program.build()]))
    return pe.Machine(HOST, policy="lazy", load=load, seed=seed)


def moved(program, at_cyc):
    """The guest's cycles here and there, and where and how it ended there."""
    with machine(program) as source, machine(program) as target:
        source.run(until_cyc=at_cyc)
        target.pause(0)
        target.run(until_cyc=at_cyc)
        pe.migrate(source, target, "vm0")
        assert target.run().reason == "done"
        cycles = [int(m.vcpu_stats()["guest_cyc"][0]) for m in (source, target)]
        return cycles, list(target.vcpus[0].regs)


@pytest.mark.parametrize("at_cyc", [120_000, 200_000, 400_000, 900_000])
def test_a_broken_off_computation_goes_on_elsewhere(at_cyc):
    """Before, early and late in, and after the handler that interrupted it."""
    p = pe.Program().irq_off().timer_set(10_000).irq_on().compute(WORK_CYC).end()
    with p.on_irq(27):
        p.timer_ctl(False, False).compute(HANDLER_CYC)
    with machine(p) as whole:
        whole.run()
        at_home = int(whole.vcpu_stats()["guest_cyc"][0])
    assert at_home > WORK_CYC + HANDLER_CYC
    (here, there), _ = moved(p, at_cyc)
    assert here > 100_000
    assert abs(here + there - at_home) < 1_000


def test_its_random_numbers_go_on_elsewhere():
    """The draws after the move are those that would have come without it."""
    p = pe.Program()
    with p.loop(DRAWS):
        p.chance(0.5, "odd").jump("on").label("odd").count(0)
        p.label("on").compute(1_000)
    with machine(p.end()) as whole:
        whole.run()
        at_home = list(whole.vcpus[0].regs)
    _, regs = moved(p, 150_000)
    assert regs == at_home


def test_what_no_stopped_vcpu_can_hold_is_refused():
    """List cursors stay inside their table, the refused record changes nothing."""
    p = pe.Program().compute(100).end()
    with machine(p) as m:
        m.pause(0)
        m.run(until_cyc=1_000)
        state = m.core.get_vcpu(0)
        for field, value in (("pc", 99), ("irq_return_pc", 99), ("list_end", 5)):
            wrong = state.copy()
            wrong[field] = value
            with pytest.raises(pe.PyemuError, match=r"pc|list"):
                m.core.set_vcpu_state(0, wrong)
        assert (m.core.get_vcpu(0) == state).all()
