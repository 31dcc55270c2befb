"""One tiny guest session, written in every line shape the importer must read.

A record is (comm, pid, cpu, ns, event, kernel text, raw fields). The session: load,
one hypercall, a WFx that sleeps until its timer, a virtual timer interrupt in the
guest, an MMIO exit to user space, power-off.
"""

from __future__ import annotations

VCPU = ("CPU 0/KVM", 71)
IDLE = ("<idle>", 0)
T0 = 5_000_000_000


def _map() -> tuple[str, str, str]:
    return (
        "kvm_get_timer_map",
        "VCPU: 0, dv: 1, dp: 0, ep: -1",
        "vcpu_id=0 direct_vtimer=1 direct_ptimer=0 emul_ptimer=-1",
    )


def _state(what: str, ctl: int, cval: int, index: int) -> tuple[str, str, str]:
    lead = "   " if what == "save" else ""
    return (
        f"kvm_timer_{what}_state",
        f"{lead}CTL: {ctl:#08x} CVAL: {cval:#16x} arch_timer_ctx_index: {index}",
        f"ctl={ctl} cval={cval} timer_idx={index}",
    )


def _irq(name: str, irq: int, level: int) -> tuple[str, str, str]:
    colon = ":" if name.startswith("vgic") else ""
    return (
        name,
        f"VCPU: 0, IRQ {irq}, level{colon} {level}",
        f"vcpu_id=0 irq={irq} level={level}",
    )


def _entry() -> tuple[str, str, str]:
    return "kvm_entry", "PC: 0xffff800008000000", "vcpu_pc=0xffff800008000000"


def _exit(ret: int, ec: int, name: str) -> tuple[str, str, str]:
    word = {0: "IRQ", 2: "TRAP"}[ret]
    return (
        "kvm_exit",
        f"{word}: HSR_EC: {ec:#06x} ({name}), PC: 0xffff800008000000",
        f"ret={ret} esr_ec={ec} vcpu_pc=0xffff800008000000",
    )


def _same(name: str, text: str) -> tuple[str, str, str]:
    return name, text, text


def _switch(prev: str, prev_pid: int, state: str, nxt: str, next_pid: int):
    return (
        "sched_switch",
        f"prev_comm={prev} prev_pid={prev_pid} prev_prio=120 prev_state={state} ==> "
        f"next_comm={nxt} next_pid={next_pid} next_prio=120",
        f"prev_comm={prev} prev_pid={prev_pid} prev_prio=120 "
        f"prev_state={'0x0' if state == 'R' else '0x1'} "
        f"next_comm={nxt} next_pid={next_pid} next_prio=120",
    )


def _load(level: int, cval: int) -> list[tuple[str, str, str]]:
    return [
        _map(),
        _irq("kvm_timer_update_irq", 27, level),
        _irq("vgic_update_irq_pending", 27, level),
        _state("restore", 1 if cval else 0, cval, 1),
        _state("restore", 0, 0, 0),
    ]


def _put(cval: int) -> list[tuple[str, str, str]]:
    return [_map(), _state("save", 1 if cval else 0, cval, 1), _state("save", 0, 0, 0)]


def _sleep(soft: int) -> tuple[str, str, str]:
    return _same(
        "hrtimer_start",
        "hrtimer=00000000eb0fcbc8 function=kvm_bg_timer_expire "
        f"expires={soft} softexpires={soft} mode=ABS|HARD was_armed=0",
    )


def session() -> list[tuple[str, int, int, int, str, str, str]]:
    """Return the records; K is T0 and CNTFRQ 62.5 MHz (16 ns a tick)."""
    out: list[tuple[str, int, int, int, str, str, str]] = []
    now = [T0]

    def put(who: tuple[str, int], what: tuple[str, str, str], step: int = 1000) -> None:
        now[0] += step
        out.append((*who, 1, now[0], *what))

    for what in _load(0, 0):
        put(VCPU, what)
    put(VCPU, _entry())
    put(VCPU, _exit(2, 0x16, "HVC64"), 50_000)
    put(
        VCPU,
        (
            "kvm_hvc_arm64",
            "HVC at 0xffff800008000000 (r0: 0x0000000084000000, imm: 0x0)",
            "vcpu_pc=0xffff800008000000 r0=0x84000000 imm=0",
        ),
    )
    put(VCPU, _entry())
    for cval in (62_500, 162_500):  # 1 ms and 2.6 ms
        soft = T0 + cval * 16
        put(VCPU, _exit(2, 0x01, "WFx"), 20_000)
        put(VCPU, _same("kvm_wfx_arm64", "guest executed wfi at: 0xffff800008000000"))
        put(VCPU, _switch("CPU 0/KVM", 71, "S", "swapper/1", 0))
        for what in _put(cval):
            put(VCPU, what)
        put(VCPU, _sleep(soft))
        now[0] = soft
        put(IDLE, _same("irq_handler_entry", "irq=13 name=arch_timer"))
        put(
            IDLE,
            _same(
                "hrtimer_expire_entry",
                "hrtimer=00000000eb0fcbc8 function=kvm_bg_timer_expire now=1",
            ),
        )
        put(
            IDLE,
            _same("sched_wakeup", "comm=CPU 0/KVM pid=71 prio=120 target_cpu=001"),
        )
        put(IDLE, _same("irq_handler_exit", "irq=13 ret=handled"))
        put(IDLE, _switch("swapper/1", 0, "R", "CPU 0/KVM", 71))
        for what in _load(1, cval):
            put(VCPU, what)
        put(VCPU, _same("kvm_vcpu_wakeup", "wait time 900000 ns, polling valid"))
        put(VCPU, _entry())
    put(VCPU, _same("irq_handler_entry", "irq=12 name=kvm guest vtimer"), 900_000)
    put(VCPU, _irq("kvm_timer_update_irq", 27, 1))
    put(VCPU, _irq("vgic_update_irq_pending", 27, 1))
    put(VCPU, _same("irq_handler_exit", "irq=12 ret=handled"))
    put(VCPU, _exit(0, 0, "UNKNOWN"))
    put(VCPU, _entry())
    put(VCPU, _exit(2, 0x24, "DABT_LOW"), 30_000)
    put(
        VCPU,
        (
            "kvm_guest_fault",
            "ipa 0x1010000, hsr 0x93800045, hxfar 0x1010010, pc 0x40080000",
            "vcpu_pc=0x40080000 hsr=0x93800045 hxfar=0x1010010 ipa=0x1010000",
        ),
    )
    put(
        VCPU,
        (
            "kvm_mmio",
            "mmio write len 4 gpa 0x1010010 val 0xe0e",
            "type=2 len=4 gpa=0x1010010 val=0xe0e",
        ),
    )
    for what in _put(0):
        put(VCPU, what)
    put(
        VCPU,
        ("kvm_userspace_exit", "reason KVM_EXIT_MMIO (6)", "reason=6 errno=0"),
    )
    for what in _load(0, 0):
        put(VCPU, what, 2000)
    put(VCPU, _entry())
    put(VCPU, _exit(2, 0x16, "HVC64"), 10_000)
    put(
        VCPU,
        (
            "kvm_hvc_arm64",
            "HVC at 0xffff800008000000 (r0: 0x0000000084000008, imm: 0x0)",
            "vcpu_pc=0xffff800008000000 r0=0x84000008 imm=0",
        ),
    )
    for what in _put(0):
        put(VCPU, what)
    put(
        VCPU,
        (
            "kvm_userspace_exit",
            "reason KVM_EXIT_SYSTEM_EVENT (24)",
            "reason=24 errno=0",
        ),
    )
    return out


def _us(ns: int) -> str:
    return f"{ns // 10**9}.{ns % 10**9 // 1000:06d}"


def _ns(ns: int) -> str:
    return f"{ns // 10**9}.{ns % 10**9:09d}"


def _system(event: str) -> str:
    for start, name in (("kvm", "kvm"), ("vgic", "kvm"), ("irq", "irq")):
        if event.startswith(start):
            return name
    return "sched" if event.startswith("sched") else "timer"


def _garbage(event: str, text: str) -> str:
    if event == "kvm_entry":
        return f'CAN\'T FIND FIELD "vcpu_id"<CANT FIND FIELD rip>{text}'
    if event == "kvm_exit":
        return f'reason CAN\'T FIND FIELD "isa" {text}'
    return text


def _short(event: str, text: str) -> str:
    """Return sched records as libtraceevent's plugin prints them."""
    if event == "sched_switch":
        words = text.split()
        prev, pid = words[0].split("=")[1], 0
        if "CPU 0/KVM prev_pid" in text:
            prev, pid = "CPU 0/KVM", 71
        if "next_comm=CPU 0/KVM" in text:
            nxt, next_pid = "CPU 0/KVM", 71
        else:
            nxt, next_pid = "swapper/1", 0
        state = "S" if "prev_state=S" in text else "R"
        return f"{prev}:{pid} [120] {state} ==> {nxt}:{next_pid} [120]"
    if event == "sched_wakeup":
        return "CPU 0/KVM:71 [120]<CANT FIND FIELD success> CPU:001"
    return text


HEADER = """# tracer: nop
#
# entries-in-buffer/entries-written: {n}/{n}   #P:2
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""


def render(shape: str) -> str:
    """Return the session in one of `SHAPES`."""
    rows = session()
    lines = []
    last = T0
    for comm, pid, cpu, ns, event, text, raw in rows:
        ftrace = f"{comm:>16s}-{pid:<7d}"
        cmd = f"{comm:>16s}-{pid:<5d}"
        diff = f"(+{(ns - last) // 1000})"
        last = ns
        lines.append(
            {
                "ftrace5": f"{ftrace} [{cpu:03d}] d.... {_us(ns)}: {event}: {text}",
                "ftrace4": f"{ftrace} [{cpu:03d}] d..1 {_us(ns)}: {event}: {text}",
                "tgid": f"{ftrace} (     70) [{cpu:03d}] d.... {_us(ns)}: {event}: "
                f"{text}",
                "notgid": f"{ftrace} (-------) [{cpu:03d}] .N.1. {_us(ns)}: {event}: "
                f"{text}",
                "trace-cmd": f"{cmd} [{cpu:03d}]  {_us(ns)}: {event}:          {text}",
                "trace-cmd-flags": f"{cmd} [{cpu:03d}] d..2.  {_us(ns)}: {event}: "
                f"        {_short(event, text)}",
                "trace-cmd-t": f"{cmd} [{cpu:03d}]  {_ns(ns)}: {event}: {text}",
                "ts-diff": f"{cmd} [{cpu:03d}]  {_us(ns)}: {diff} {event}: {text}",
                "raw": f"{cmd} [{cpu:03d}]  {_ns(ns)}: {event}:  {raw}",
                "garbage": f"{cmd} [{cpu:03d}]  {_us(ns)}: {event}: "
                f"{_garbage(event, text)}",
                "perf-us": f"{comm:>16s} {pid:5d} [{cpu:03d}] {_us(ns):>15s}: "
                f"{_system(event)}:{event}: {text}",
                "perf-ns": f"{comm:>16s} {pid:5d} [{cpu:03d}] {_ns(ns):>15s}: "
                f"{_system(event):>20s}:{event}: {text}",
                "integer": f"{ftrace} [{cpu:03d}] d.... {ns}: {event}: {text}",
            }[shape]
        )
    head = HEADER.format(n=len(rows)) if shape.startswith("ftrace") else ""
    if shape.startswith("trace-cmd") or shape in ("raw", "garbage", "ts-diff"):
        head = "cpus=2\n"
    return head + "\n".join(lines) + "\n"


SHAPES = (
    *("ftrace5", "ftrace4", "tgid", "notgid", "trace-cmd", "trace-cmd-flags"),
    *("trace-cmd-t", "ts-diff", "raw", "garbage", "perf-us", "perf-ns", "integer"),
)
