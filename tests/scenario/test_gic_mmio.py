"""A guest's distributor accesses, answered by the register-level GIC model."""

import pytest

import pyemu as pe
from pyemu.gic.vm import GICD_BASE, GICR_BASE
from pyemu.guest import machine_code
from pyemu.guest.ops import PPI_VTIMER

ISENABLER, ICENABLER, ISPENDR, SGIR, TYPER = 0x100, 0x180, 0x200, 0xF00, 0x4
ITARGETSR = 0x800
BIT27 = 1 << 27


def run(program, gic, policy="lazy", vcpus=1):
    """Run a program on every vCPU of one VM."""
    load = pe.loads.custom(pe.Workload.of([program.build()] * vcpus), "gic")
    host = pe.Host(pcpus=vcpus, gic=gic, vhe=True, profile="unit", tick_hz=0)
    with pe.Machine(host, [pe.VM(vcpus=vcpus)], policy=policy, load=load) as m:
        m.run(until_cyc=10**8)
        return m.result("gic"), m.vcpu_stats()["regs"].copy()


def private(gic):
    """Base of the registers of private interrupts."""
    return GICD_BASE if gic == "v2" else GICR_BASE + 0x1_0000


@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_a_disabled_timer_interrupt_is_not_delivered_until_enabled(gic):
    """ICENABLER then ISENABLER of INTID 27 through their registers (2.1)."""
    base = private(gic)
    p = pe.Program("enable").irq_off().gic_write(base + ICENABLER, BIT27)
    p.timer_set(100).irq_on().compute(100_000).gic_read(base + ISENABLER, 1)
    p.emit("count", a=2, c=0)
    p.gic_write(base + ISENABLER, BIT27)
    p.label("go").compute(1_000).until(0, 1, "go").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_ctl(False, False)
    result, regs = run(p, gic)
    assert result.counters["ticks_acked"] == 1
    assert int(regs[0][1]) & BIT27 == 0
    assert result.counters["mmio_exit_kernel"] == 3


@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_typer_reads_as_the_model_says(gic):
    """A load returns the model's value into the guest's register."""
    p = pe.Program("typer").irq_off().gic_read(GICD_BASE + TYPER, 3).end()
    _, regs = run(p, gic)
    assert int(regs[0][3]) & 31 == 3  # ITLinesNumber of 128 INTIDs


def test_an_sgi_by_gicd_sgir_reaches_the_other_vcpu():
    """GICv2: a store to GICD_SGIR to all others; each handles one."""
    p = pe.Program("sgir").irq_on().gic_write(GICD_BASE + SGIR, 1 << 24 | 5)
    p.label("go").compute(1_000).until(0, 1, "go").end()
    with p.on_irq(5):
        p.count(0)
    result, regs = run(p, "v2", vcpus=2)
    assert [int(r[0]) for r in regs] == [1, 1]
    assert result.counters["sgis_sent"] == 2


def test_an_access_outside_every_frame_is_a_guest_error():
    """Named, with the address."""
    p = pe.Program("nowhere").gic_read(0x1234_0000, 0).end()
    with pytest.raises(pe.errors.GuestError, match="0x12340000"):
        run(p, "v3")


def test_a_pending_spi_that_is_routed_elsewhere_goes_there():
    """GICD_ITARGETSR after GICD_ISPENDR; at the old vCPU's next exit (2.4 prune)."""
    bit, spi = 1 << 8, 40
    old = pe.Program("old").irq_off().gic_write(GICD_BASE + ISENABLER + 4, bit)
    old.gic_write(GICD_BASE + ISPENDR + 4, bit).compute(1_000)
    old.gic_write(GICD_BASE + ITARGETSR + spi, 0x0101_0102).hvc().irq_on()
    old.compute(50_000).end()
    new = pe.Program("new").irq_on()
    new.label("go").compute(1_000).until(0, 1, "go").end()
    for program in (old, new):
        with program.on_irq(spi):
            program.count(0)
    load = pe.loads.custom(pe.Workload.of([old.build(), new.build()]), "re-routed")
    host = pe.Host(pcpus=2, gic="v2", vhe=True, profile="unit", tick_hz=0)
    with pe.Machine(host, [pe.VM(vcpus=2)], policy="lazy", load=load) as m:
        assert m.run(until_cyc=10**8).reason == "done"
        regs = m.vcpu_stats()["regs"]
    assert [int(r[0]) for r in regs] == [0, 1]


@pytest.mark.parametrize(("gic", "bit"), [("v2", 1), ("v3", 2)])
def test_a_disabled_distributor_forwards_nothing(tmp_path, gic, bit):
    """A machine code guest's is off at reset: enable bits wait for GICD_CTLR."""
    path = tmp_path / "guest.bin"
    path.write_bytes((0x14000000).to_bytes(4, "little"))  # b .
    host = pe.Host(gic=gic, profile="unit")
    load = machine_code.load(str(path))
    with pe.Machine(host, policy="lazy", load=load) as m:
        m.run(until_cyc=1000)
        gics = m.bus.gics
        model = gics._made(0)

        def write(address, value):
            for effect in model.write(address, 4, value):
                if effect.kind == "dist_enable":
                    model.port.forward(bool(effect.value))

        def forwarded(intid):
            return m.core.irq_get(0, intid)["enabled"]

        write(private(gic) + ISENABLER, BIT27)
        assert model.read(private(gic) + ISENABLER, 4) & BIT27
        assert forwarded(27) == forwarded(3) == 0
        write(GICD_BASE, bit)
        assert forwarded(27) == forwarded(3) == 1  # SGIs are enabled at reset
        assert forwarded(26) == 0
        write(GICD_BASE, 0)
        assert model.read(private(gic) + ISENABLER, 4) & BIT27
        assert forwarded(27) == 0
