"""Windows between pCPUs are an economy of the emulator: nothing may depend on them."""

import pytest

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.guest import machine_code
from pyemu.guest.ops import PPI_VTIMER


def ticking():
    """A busy guest with a periodic timer; the host ticks, too."""
    p = pe.Program("ticking").irq_off().timer_set(3_000).irq_on()
    p.label("go").compute(1_000).until(0, 200, "go").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_next(3_000, skip_missed=False)
    return pe.loads.custom(pe.Workload.of([p.build()]), "ticking")


def outcome(load, pcpus, latency, vcpus=1):
    """Run and return hash and counters."""
    host = pe.Host(pcpus=pcpus, profile="icount", gic="v3", vhe=False)
    with pe.Machine(
        host,
        [pe.VM(vcpus=vcpus)],
        policy="eager",
        load=load,
        cost_override={"ipi_latency": latency},
        trace=10**6,
    ) as m:
        m.run(until_cyc=10**9)
        return m.n_events, m.result("w").counters


@pytest.mark.parametrize("pcpus", [1, 2, 5])
@pytest.mark.parametrize("latency", [1, 300, 3_000_000])
def test_a_guest_alone_runs_alike_whatever_the_window(pcpus, latency):
    """A deadline at the very end of a window is noticed as in the middle of one."""
    assert outcome(ticking(), pcpus, latency) == outcome(ticking(), 1, 777)


def test_two_sources_of_one_sgi_are_both_delivered():
    """GICv2: one source an entry; the no-pending maintenance interrupt asks for more.

    Without it the second source waits for an unrelated exit (B26).
    """
    receive = pe.Program("receive").irq_off().compute(50_000).irq_on()
    receive.label("go").compute(1_000).until(0, 2, "go").end()
    with receive.on_irq(5):
        receive.count(0)
    send = pe.Program("send").compute(1_000).sgi(5, 0).end()
    load = pe.loads.custom(
        pe.Workload.of([receive.build(), send.build(), send.build()]), "two sources"
    )
    host = pe.Host(pcpus=3, profile="unit", gic="v2", vhe=True, tick_hz=0)
    with pe.Machine(host, [pe.VM(vcpus=3)], policy="lazy", load=load) as m:
        stop = m.run(until_cyc=10**7)
        result = m.result("two sources")
    assert stop.reason == "done"
    assert result.counters["sgis_sent"] == 2
    assert result.exits["IRQ/maint"] >= 1


@pytest.mark.parametrize(
    ("gic", "want"),
    [
        # HW, active, prio 0xa0 >> 3 = 20, pINTID and vINTID 27
        ("v2", 1 << 31 | 2 << 28 | 20 << 23 | 27 << 10 | 27),
        ("v3", 2 << 62 | 1 << 61 | 1 << 60 | 0xA0 << 48 | 27 << 32 | 27),
    ],
)
def test_list_register_words_have_the_architectures_format(gic, want):
    """The timer's active HW list register as GICH_LR and ICH_LR_EL2 (2.3)."""
    p = pe.Program("active").irq_off().timer_set(100).irq_on()
    p.label("go").compute(1_000).until(0, 1, "go").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).compute(1_000_000)
    load = pe.loads.custom(pe.Workload.of([p.build()]), "active")
    host = pe.Host(profile="unit", gic=gic, vhe=True, tick_hz=0)
    with pe.Machine(host, [pe.VM()], policy="lazy", load=load) as m:
        m.run(until_cyc=500_000)
        assert m.vcpus[0].list_registers[0] == want


# _start: CPU_ON(1, 1f); 1: x3 = 3000; 2: ldxr, add 1, stxr, cbnz 2b; subs x3; b.ne 2b;
# 3: until the word is 6000; SYSTEM_OFF. Two vCPUs race for one word.
ADDERS = [
    *(0x580002C0, 0xD2800021, 0x10000062, 0xD2800003, 0xD4000002, 0x100001E1),
    *(0xD2817703, 0xC85F7C22, 0x91000442, 0xC8047C22, 0x35FFFFA4, 0xF1000463),
    *(0x54FFFF61, 0xD282EE05, 0xF9400022, 0xEB05005F, 0x54FFFFC1, 0x580000E0),
    *(0xD4000002, 0x14000000, 0x00000000, 0x00000000, 0xC4000003, 0x00000000),
    *(0x84000008, 0x00000000),
]


def adders(tmp_path, monkeypatch, quantum, trace):
    """Run them, coming back every `quantum` cycles; return all that can differ."""
    image = tmp_path / "adders.bin"
    image.write_bytes(b"".join(word.to_bytes(4, "little") for word in ADDERS))
    monkeypatch.setattr("pyemu.machine.FIRST_QUANTUM_CYC", quantum)
    monkeypatch.setattr("pyemu.machine.SHORT_S", -1)
    load = machine_code.load(str(image), vcpus=2)
    host = pe.Host(pcpus=2, profile="icount")
    with pe.Machine(host, [pe.VM(vcpus=2)], policy="lazy", load=load, trace=trace) as m:
        assert m.run(until_cyc=10**8).reason == "done"
        insns = [CodeCore(m.core).insns(n) for n in range(2)]
        return m.trace_hash, m.n_events, m.now_cyc, insns


@pytest.mark.parametrize("quantum", [33, 777, 10_007, 10**9])
def test_shared_memory_does_not_see_when_a_run_pauses(tmp_path, monkeypatch, quantum):
    """Quanta follow the host's speed: they must not decide who wins a race."""
    want = adders(tmp_path, monkeypatch, 10**6, 10**6)
    assert adders(tmp_path, monkeypatch, quantum, 10**6) == want
    assert adders(tmp_path, monkeypatch, quantum, 10) == want
