"""The gdb stub: framing, every packet, hostile input, a session over a socket, gdb."""

import contextlib
import shutil
import socket
import subprocess
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyemu as pe
from pyemu.debug.packet import MOST, Event, Reader, frame
from pyemu.debug.server import serve
from pyemu.debug.session import Resume, Session
from pyemu.debug.target import XML

ENTRY = 0x8000_0000


def guest(scenario="a", n=5, **more):
    """Return the shipped guest."""
    regs = {"x1": ord(scenario), "x3": n, "x4": 12_500}
    return pe.Guest("eager-vs-lazy", board="vmm", regs=regs, **more)


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 50))
def test_packets_survive_any_cut_of_the_stream(contents, size):
    """frame and Reader are inverse, whatever the pieces."""
    stream = b"+".join(frame(content) for content in contents)
    reader = Reader()
    got = []
    for at in range(0, len(stream), size):
        got += reader.feed(stream[at : at + size])
    assert got == [Event("packet", content) for content in contents]


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_the_reader_takes_any_bytes(pieces):
    """No exception, no growth beyond what a packet may be."""
    reader = Reader()
    for piece in pieces:
        for event in reader.feed(piece):
            assert event.kind in ("packet", "bad", "again", "interrupt")


def test_a_packet_without_end_is_dropped():
    """Memory stays bounded; the next packet is understood."""
    reader = Reader()
    for _ in range(10):
        assert list(reader.feed(b"$" + b"a" * MOST)) == []
    events = list(reader.feed(b"#00" + frame(b"?")))
    assert Event("packet", b"?") in events


def test_a_wrong_checksum_is_told():
    """And an interrupt between packets is one."""
    reader = Reader()
    assert list(reader.feed(b"$?#00\x03-")) == [
        Event("bad"),
        Event("interrupt"),
        Event("again"),
    ]


@pytest.fixture(scope="module")
def session():
    """Return a session whose guest never runs."""
    with guest("J", vcpus=2, host=pe.Host(pcpus=2, profile="icount")) as one:
        yield Session(one)


KNOWN = b"? g G p P m M X Z z H T c s C S v q Q D k vCont; qRcmd,".split()


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(KNOWN) | st.binary(max_size=3),
    st.lists(
        st.sampled_from([b"0", b"1", b"ff", b",", b";", b":", b"=", b"-1", b"80000000"])
        | st.binary(max_size=6),
        max_size=6,
    ),
)
def test_any_packet_has_an_answer(session, start, rest):
    """Bytes that fit a packet, or something to run; never an exception."""
    answer = session.handle(start + b"".join(rest))
    if isinstance(answer, Resume):
        assert answer.what in ("run", "step", "detach", "kill")
        assert 0 <= answer.vcpu < 2
    else:
        assert len(answer) <= MOST


def test_registers_and_memory_by_packets():
    """g, G, p, P, m, M, X and their errors."""
    with guest() as one:
        talk = Session(one).handle
        everything = talk(b"g")
        assert len(everything) == 2 * (33 * 8 + 4)
        assert talk(b"G" + everything) == b"OK"
        assert talk(b"P1=" + (0x1234).to_bytes(8, "little").hex().encode()) == b"OK"
        assert one.reg("x1") == 0x1234
        assert talk(b"p20") == ENTRY.to_bytes(8, "little").hex().encode()
        assert len(talk(b"p21")) == 8  # cpsr has 32 bits
        assert talk(b"p99") == b"E01"
        assert talk(b"P21=10000000") == b"E01"  # AArch32
        assert talk(b"M80100000,3:616263") == b"OK"
        assert talk(b"X80100003,2:}#") == b"OK"
        assert talk(b"m80100000,5") == b"6162637d23"
        assert talk(b"m10,4") == b"E0e"
        assert talk(b"M10,1:00") == b"E0e"
        assert talk(b"M80100000,3:6162") == b"E01"
        assert talk(b"m80100000") == b"E01"


def test_questions_of_a_client():
    """Features, the description in pieces, threads, monitor commands."""
    with guest("J", vcpus=2, host=pe.Host(pcpus=2, profile="icount")) as one:
        talk = Session(one).handle
        assert b"QStartNoAckMode+" in talk(b"qSupported:xmlRegisters=i386")
        text, at = b"", 0
        while True:
            part = talk(f"qXfer:features:read:target.xml:{at:x},80".encode())
            text, at = text + part[1:], at + 0x80
            if part[:1] == b"l":
                break
        assert text == XML
        assert talk(b"qXfer:features:read:other.xml:0,80") == b""
        assert talk(b"qfThreadInfo") == b"m1,2"
        assert talk(b"qsThreadInfo") == b"l"
        assert talk(b"Hg2") == b"OK"
        assert talk(b"qC") == b"QC2"
        assert talk(b"Hg3") == b"E01"
        assert talk(b"T2") == b"OK"
        assert talk(b"T3") == b"E01"
        assert b"vCPU 1 at" in bytes.fromhex(talk(b"qThreadExtraInfo,2").decode())
        assert talk(b"vCont;s:2;c") == Resume("step", 1)
        assert talk(b"vCont;c") == Resume("run")
        assert talk(b"vMustReplyEmpty") == b""
        assert talk(b"Z5,80000000,4") == b""
        for line, word in (
            ("report", b"Total"),
            ("translate 0x10", b"0x10"),
            ("x", b"report:"),
        ):
            said = talk(b"qRcmd," + line.encode().hex().encode())
            assert word in bytes.fromhex(said.decode())


class Client:
    """A client that speaks the protocol; `served` is how the session ended."""

    def __init__(self, one, **more):
        ready = threading.Event()
        self.port = 0

        def listening(port):
            self.port = port
            ready.set()

        def run():
            self.served = serve(one, 0, listening=listening, **more)

        self.served = None
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        assert ready.wait(10)
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.reader = Reader()
        self.events = []

    def raw(self, data):
        self.socket.sendall(data)

    def reply(self):
        while True:
            while not self.events:
                data = self.socket.recv(4096)
                assert data, "the stub has closed the line"
                self.events += self.reader.feed(data)
            event = self.events.pop(0)
            if event.kind == "packet":
                return event.data

    def ask(self, content):
        self.raw(frame(content))
        return self.reply()

    def end(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.served


@contextlib.contextmanager
def client(one, **more):
    """Attach to a guest; leave the line closed."""
    there = Client(one, **more)
    try:
        yield there
    finally:
        there.socket.close()
        there.thread.join(20)


def pc_of(there):
    return int.from_bytes(bytes.fromhex(there.ask(b"p20").decode()), "little")


def test_a_session_from_attach_to_the_guests_end():
    """Stop, step, breakpoint, continue, and the report after it."""
    with guest() as one:
        with client(one) as there:
            assert there.ask(b"?") == b"T05thread:1;"
            assert there.ask(b"QStartNoAckMode") == b"OK"
            assert there.ask(b"s") == b"T05thread:1;"
            assert pc_of(there) == ENTRY + 4
            assert there.ask(b"Z0,8000000c,4") == b"OK"
            assert there.ask(b"vCont;c") == b"T05thread:1;swbreak:;"
            assert pc_of(there) == ENTRY + 12
            assert there.ask(b"z0,8000000c,4") == b"OK"
            assert there.ask(b"c") == b"W00"
            assert there.end() == "done"
        assert one.report().result.exits["HVC64"] == 5


def test_acknowledgements_and_repeats():
    """+ for a packet, - for a damaged one; - from the client brings the reply again."""
    with guest() as one, client(one) as there:
        there.raw(b"$?#00")
        assert there.socket.recv(1) == b"-"
        assert there.ask(b"qC") == b"QC1"
        there.raw(b"-")
        assert there.reply() == b"QC1"
        there.ask(b"k")
        assert there.end() == "kill"


@pytest.fixture
def endless(tmp_path):
    """Return a guest that computes for ever."""
    path = tmp_path / "endless.bin"
    path.write_bytes(b"\x00\x04\x00\x91\xff\xff\xff\x17")  # add x0, x0, #1; b .-4
    with pe.Guest(path, board="vmm") as one:
        yield one


def test_ctrl_c_of_the_client_stops_the_guest(endless):
    """Within a second; it can go on afterwards."""
    with client(endless) as there:
        for _ in range(2):
            there.raw(frame(b"c"))
            time.sleep(0.2)
            begun = time.monotonic()
            there.raw(b"\x03")
            assert there.reply() == b"T02thread:1;"
            assert time.monotonic() - begun < 5
        there.ask(b"k")


def test_a_client_that_goes_away_ends_the_session(endless):
    """While the guest runs, and while it stands; breakpoints are gone, then, too."""
    for running in (True, False):
        with client(endless) as there:
            assert there.ask(b"Z0,80001000,4") == b"OK"
            if running:
                there.raw(frame(b"c"))
                time.sleep(0.1)
            there.socket.close()
            assert there.end() == "gone"
        assert endless.breakpoints == []
    assert endless.reg("x0") > 0
    assert "IRQ" in str(endless.report().result.exits)


def test_the_limit_ends_the_session(endless):
    """The guest's own limit holds under gdb, too."""
    with client(endless, until_cyc=200_000) as there:
        assert there.ask(b"c") == b"W00"
        assert there.end() == "limit"


def test_an_access_to_nothing_is_a_signal(tmp_path):
    """The client is told the address and may look around."""
    path = tmp_path / "bad.bin"
    path.write_bytes(b"\x20\x00\x00\xb9")  # str w0, [x1]
    with (
        pe.Guest(path, board="vmm", regs={"x1": 0x0A00_0000}) as one,
        client(one) as there,
    ):
        said = there.ask(b"c")
        assert b"0xa000000" in bytes.fromhex(said[1:].decode())
        assert there.reply() == b"T0bthread:1;"
        assert pc_of(there) == ENTRY
        assert there.ask(b"D") == b"OK"
        assert there.end() == "detach"


def test_the_port_must_be_free():
    """An error by number, not a hang."""
    with socket.socket() as taken, guest() as one:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(pe.ConfigError, match=str(port)):
            serve(one, port)
    with guest() as one, pytest.raises(pe.ConfigError, match="65535"):
        serve(one, 70_000)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_noise_on_the_line_does_not_end_the_session(noise):
    """Whatever comes, a good packet is answered afterwards."""
    with guest() as one, client(one) as there:
        for piece in noise:
            there.raw(frame(b"x" + piece).replace(b"#", b"#z"))
            there.raw(b"#" + piece.replace(b"$", b"").replace(b"\x03", b""))
        there.raw(b"#00" + frame(b"qC"))
        while there.reply() != b"QC1":
            pass


def gdb_says(one, commands):
    """Return what a gdb prints that executes commands, and how its session ended."""
    there = Client.__new__(Client)
    there.served, ready = None, threading.Event()

    def run():
        there.served = serve(
            one,
            0,
            listening=lambda port: (setattr(there, "port", port), ready.set()),
        )

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    argv = ["gdb-multiarch", "-q", "-batch", "-nx"]
    for line in (
        "set confirm off",
        "set architecture aarch64",
        f"target remote 127.0.0.1:{there.port}",
        *commands,
    ):
        argv += ["-ex", line]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=120, check=False
    )
    thread.join(20)
    return done.stdout + done.stderr, there.served


needs_gdb = pytest.mark.skipif(
    shutil.which("gdb-multiarch") is None, reason="no gdb-multiarch"
)


@needs_gdb
def test_gdb_itself():
    """Attach, step, break, registers, memory, monitor, threads, the guest's end."""
    commands = [
        *("info threads", "stepi", 'printf "pc %lx\\n", $pc', "break *0x8000000c"),
        *("continue", 'printf "pc %lx\\n", $pc', "set $x20 = 0x77"),
        *('printf "x20 %lx\\n", $x20', 'printf "sctlr %lx\\n", $sctlr_el1'),
        *(
            "set {long}0x80100000 = 0x55aa",
            'printf "mem %lx\\n", *(long *)0x80100000',
        ),
        *("monitor translate 0x80000000", "delete", "continue"),
    ]
    with guest() as one:
        with client(one) as there:
            there.socket.close()
            assert there.end() == "gone"
        out, served = gdb_says(one, commands)
    for words in (
        "vCPU 0 at",
        "pc 80000004",
        "pc 8000000c",
        "x20 77",
        "mem 55aa",
        "0x80000000",
    ):
        assert words in out, out
    assert "sctlr " in out
    assert "exited" in out
    assert served == "done"


def accessing(tmp_path):
    """A guest: add x0; str x0, [x1]; ldr x2, [x1]; round again, with x1 = DATA."""
    path = tmp_path / "accesses.bin"
    words = (0x91000400, 0xF9000020, 0xF9400022, 0x17FFFFFD)
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    return pe.Guest(path, board="vmm", regs={"x0": 0, "x1": DATA})


DATA = 0x8001_0000


@needs_gdb
def test_gdb_watches_data(tmp_path):
    """A value's change is shown with old and new; a read stops, too."""
    commands = [
        *(f"watch *(long *){DATA:#x}", "continue", "continue", "delete"),
        *(f"rwatch *(long *){DATA:#x}", "continue", 'printf "pc %lx\\n", $pc'),
        "kill",
    ]
    with accessing(tmp_path) as one:
        out, served = gdb_says(one, commands)
    for words in ("Old value = 0\nNew value = 1", "Old value = 1\nNew value = 2"):
        assert words in out, out
    assert "Hardware read watchpoint 2" in out and "Value = 2" in out, out
    assert served == "kill"


def test_watchpoints_by_packets(tmp_path):
    """Z2 to Z4 and what their stops say; setting one twice is fine."""
    with accessing(tmp_path) as one:
        talk = Session(one)
        for kind, word in ((2, "watch"), (3, "rwatch"), (4, "awatch")):
            packet = f"{kind},{DATA:x},8".encode()
            assert talk.handle(b"Z" + packet) == talk.handle(b"Z" + packet) == b"OK"
            stop = one.run(until_cyc=one.machine.now_cyc + 10**6)
            assert stop.reason == "watch"
            said = talk.stopped("watch").decode()
            assert said == f"T05thread:1;{word}:{DATA:x};"
            assert talk.handle(b"z" + packet) == talk.handle(b"z" + packet) == b"OK"
        assert talk.handle(f"Z2,{DATA:x},0".encode()) == b"E01"


def test_a_watchpoint_stops_before_the_access_on_any_vcpu(tmp_path):
    """From Python; what the guest does is the same with and without it."""
    with accessing(tmp_path) as one:
        one.watch(DATA + 4, 2)
        for turn in (1, 2, 3):
            assert one.run().reason == "watch"
            assert (one.vcpu, one.watched, one.reg("x0")) == (0, DATA + 4, turn)
            assert one.read(DATA, 8) == (turn - 1).to_bytes(8, "little")
        one.unwatch(DATA + 4, 2)
        one.run(until_cyc=10**6)
        seen = one.reg("x0"), one.insns
        with pytest.raises(pe.ConfigError, match="no watchpoint"):
            one.unwatch(DATA + 4, 2)
        with pytest.raises(pe.ConfigError, match="read"):
            one.watch(DATA, 8, "reed")
    with accessing(tmp_path) as one:
        one.run(until_cyc=10**6)
        assert (one.reg("x0"), one.insns) == seen
