"""Machine code guests: boards, images, devices, bad input, determinism."""

import json

import pytest

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.cli import main
from pyemu.guest import board, machine_code
from pyemu.guest.devices import Outcome, RecorderDev, Uart8250, Wires

HVC_LOOP = {"x1": ord("a"), "x3": 200}


def run(policy="lazy", **more):
    """Run the shipped guest; return machine facts after the end."""
    load = machine_code.load("eager-vs-lazy", regs=HVC_LOOP)
    host = pe.Host(profile="icount", **more)
    with pe.Machine(host, policy=policy, load=load, trace=10_000) as machine:
        stop = machine.run(until_cyc=10**10)
        insns = CodeCore(machine.core).insns(0)
        return stop, machine.region, machine.bus.outcomes[0], insns, machine.trace_hash


def test_the_shipped_guest_runs_to_its_exit():
    """200 hypercalls in the region; it reports its counters and powers off."""
    stop, region, outcome, insns, _ = run()
    assert stop.reason == "done"
    assert region.exits["HVC64"] == 200
    assert outcome.exit_code == 0
    assert outcome.results[1] > outcome.results[0]
    assert insns > 1000


@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_the_same_run_twice_is_the_same_run(gic):
    """Trace, results and instruction count repeat."""
    first, second = run(gic=gic), run(gic=gic)
    assert first[4] == second[4]
    assert first[3] == second[3]
    assert first[2].results == second[2].results


def test_the_step_interpreter_gives_the_same_run():
    """Fused trips change nothing but host time."""
    load = machine_code.load("eager-vs-lazy", regs=HVC_LOOP)
    seen = []
    for plain in (False, True):
        options = pe.Options(plain=plain)
        with pe.Machine(policy="lazy", load=load, options=options) as machine:
            machine.run(until_cyc=10**10)
            region = machine.region
            seen.append((dict(region.exits), dict(region.ops), machine.now_cyc))
    assert seen[0] == seen[1]


def test_quanta_do_not_show():
    """Stopping at arbitrary cycles changes nothing."""
    load = machine_code.load("eager-vs-lazy", regs={"x1": ord("e"), "x3": 20})
    ends = []
    for step in (10**9, 77_777):
        with pe.Machine(policy="eager", load=load, trace=10_000) as machine:
            at = 0
            while machine.run(until_cyc=(at := at + step)).reason == "limit":
                pass
            ends.append((machine.trace_hash, CodeCore(machine.core).insns(0)))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("policy", ["eager", "lazy", "v6.1"])
@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_no_wakeup_is_lost_between_the_check_and_the_sleep(policy, gic):
    """Two vCPUs that exchange SGIs in WFI: an SGI falls into the other's way down."""
    regs = {"x1": ord("J"), "x3": 100}
    load = machine_code.load("eager-vs-lazy", regs=regs, vcpus=2)
    host = pe.Host(profile="icount", pcpus=2, gic=gic)
    with pe.Machine(host, [pe.VM(vcpus=2)], policy=policy, load=load) as machine:
        assert machine.run(until_cyc=10**9).reason == "done"
        assert machine.bus.outcomes[0].results[4] == 100


def test_memory_and_registers_can_be_read():
    """The image is at its address, the start values in the registers."""
    load = machine_code.load("eager-vs-lazy", regs={"x7": 0x1234})
    with pe.Machine(policy="lazy", load=load) as machine:
        image = machine_code.image_bytes("eager-vs-lazy")
        assert CodeCore(machine.core).read(0, 0x8000_0000, 64) == image[:64]
        assert CodeCore(machine.core).get(0, 7) == 0x1234
        assert CodeCore(machine.core).get(0, 32) == 0x8000_0000
        with pytest.raises(pe.ConfigError, match="no memory"):
            CodeCore(machine.core).read(0, 0x1000, 4)


def flat(tmp_path, *words):
    """Write an image of instruction words."""
    path = tmp_path / "guest.bin"
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    return str(path)


def test_an_access_to_nothing_is_an_error_by_address(tmp_path):
    """str w0, [x1] where the board has no device."""
    load = machine_code.load(flat(tmp_path, 0xB9000020), regs={"x1": 0x0F00_0000})
    with (
        pe.Machine(policy="lazy", load=load) as machine,
        pytest.raises(pe.GuestError, match="0xf000000"),
    ):
        machine.run(until_cyc=10**9)


def test_an_endless_exception_loop_ends_at_the_limit(tmp_path):
    """An undefined word with VBAR at an undefined word."""
    load = machine_code.load(flat(tmp_path, 0))
    with pe.Machine(policy="lazy", load=load) as machine:
        assert machine.run(until_cyc=10**6).reason == "limit"


def test_psci_off_and_unknown_calls(tmp_path):
    """SYSTEM_OFF ends the VM; an unknown function answers -1 first."""
    words = [
        0xD2800000,  # mov x0, #0
        0xD4000002,  # hvc #0
        0xAA0003E9,  # mov x9, x0
        0xD2800100,  # mov x0, #8
        0xF2B08000,  # movk x0, #0x8400, lsl #16
        0xD4000002,  # hvc #0
    ]
    load = machine_code.load(flat(tmp_path, *words))
    with pe.Machine(policy="lazy", load=load) as machine:
        assert machine.run(until_cyc=10**9).reason == "done"
        assert CodeCore(machine.core).get(0, 9) == 2**64 - 1


def test_bad_descriptions_are_refused_by_name(tmp_path):
    """Boards, registers, images too large or absent."""
    with pytest.raises(pe.ConfigError, match="did you mean"):
        machine_code.load("eager-vs-lazy", board="vm")
    with pytest.raises(pe.ConfigError, match="x0 to x30"):
        machine_code.load("eager-vs-lazy", regs={"q0": 1})
    with pytest.raises(pe.TraceError, match="no readable image"):
        machine_code.load("no-such-image")
    with pytest.raises(pe.ConfigError, match="inside RAM"):
        machine_code.load("eager-vs-lazy", mem_bytes=4096)
    bad = tmp_path / "b.toml"
    bad.write_text("name = 'x'\ncolour = 1\n", encoding="utf-8")
    with pytest.raises(pe.ConfigError, match="colour"):
        board.get(str(bad))


def wires():
    """Return wires that write down what they carry."""
    said = []
    return said, Wires(
        Outcome(),
        lambda: said.append("off"),
        lambda intid, level: said.append((intid, level)),
        said.append,
    )


def test_the_recorders_devices():
    """Marks, lines and exit of the test device; a UART that is always ready."""
    said, line = wires()
    device = RecorderDev(line)
    device.write(RecorderDev.LOG, 4, RecorderDev.BEGIN)
    device.write(RecorderDev.RAISE, 4, 40)
    device.write(RecorderDev.EXIT, 4, 3)
    assert said == [True, (40, 1), "off"]
    assert line.outcome.exit_code == 3
    assert Uart8250(line).read(Uart8250.LSR, 1) == 0x60


def test_the_command_line_prints_the_promised_keys(capsys):
    """``pyemu guest run --json``."""
    argv = ["guest", "run", "eager-vs-lazy", "--reg", "x1=97", "--reg", "x3=10"]
    assert main([*argv, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    wanted = {"mips", "epmc", "guest_insns", "exits", "ops", "counters", "results"}
    assert wanted <= set(data)
    assert data["exits"]["HVC64"] == 10
    assert main(["guest", "list"]) == 0
    assert main(["guest", "run", "eager-vs-lazy", "--reg", "x1"]) == 2
