"""A small model of one vCPU that runs a policy's hooks, for counting operations.

Only what the tables need: one virtual timer, interrupt 27 in one list register, the
physical active bit, and the flow between hooks. It shares no code with the core.
"""

from __future__ import annotations

from collections import Counter

from pyemu.policy import PRIMS, Policy
from pyemu.policy.prims import OPS


class Model:
    """One vCPU on one pCPU; time is in abstract ticks and stands still in the host."""

    def __init__(self, policy: Policy, vhe: bool, gicv3: bool = True) -> None:
        self.policy = policy
        self.now = 0
        self.flags = {"forwarded", "eoimode1", "running"}
        self.flags |= {"vhe"} if vhe else set()
        self.flags |= {"gicv3"} if gicv3 else set()
        self.flags |= {"direct_p"} if vhe and policy.direct_ptimer else set()
        self.mem = [False, 0]  # can fire, CVAL
        self.hw = [False, 0]
        self.line = self.active = self.phys_active = False
        self.lr = ""  # "", "pending" or "active"
        self.irq_off = False
        self.in_guest = False
        self.ops: Counter[str] = Counter()
        self.hook("load")
        self.hook("first_run")
        self.enter()

    # flags that follow from state

    def state(self) -> frozenset[str]:
        derived = {
            "can_v": self.mem[0],
            "due_v": self.now >= self.mem[1],
            "hcan_v": self.hw[0],
            "hdue_v": self.now >= self.hw[1],
            "vact_v": self.active,
            "line_v": self.line,
            "ap": self.active or self.line,
            "lrs": self.lr != "",
        }
        return frozenset(self.flags | {name for name, on in derived.items() if on})

    def put(self, flag: str, on: bool) -> None:
        (self.flags.add if on else self.flags.discard)(flag)

    def hw_fires(self) -> bool:
        return bool(self.hw[0]) and self.now >= self.hw[1]

    # running

    def hook(self, name: str) -> str:
        """Run a hook; return why it ended early, if it did."""
        for step in self.policy.steps(name):
            if not step.guard.holds(self.state()):
                continue
            self.ops.update(PRIMS[step.prim].ops)
            self.ops[step.prim] += step.prim not in OPS
            why = self.step(step.prim)
            if why:
                return why
            self.interrupts()
        return ""

    def interrupts(self) -> None:
        if self.irq_off or self.phys_active or not self.hw_fires():
            return
        self.irq_off = True
        kept = self.flags & {"fire", "changed", "act"}
        self.phys_active = True
        self.ops["irq27"] += 1
        self.put("ack_forwarded", True)
        for name in ("irq_entry", "vtimer_isr", "irq_exit"):
            self.hook(name)
        self.flags = (self.flags - {"fire", "changed", "act"}) | kept
        self.irq_off = False

    def step(self, prim: str) -> str:
        """Apply one primitive; return "eret" or "abort" to end the hook."""
        if prim == "eret":
            return prim
        if prim == "check_requests":
            return "abort" if "req" in self.flags else ""
        table = {
            "requests": lambda: self.put("req", False),
            "cntv_ctl_r": lambda: self.move(self.mem, self.hw, 0),
            "cntv_cval_r": lambda: self.move(self.mem, self.hw, 1),
            "cntv_ctl_w": lambda: self.move(self.hw, self.mem, 0),
            "cntv_cval_w": lambda: self.move(self.hw, self.mem, 1),
            "cntv_ctl_w0": lambda: self.move(self.hw, [False, 0], 0),
            "eval_v": lambda: self.eval(self.mem[0] and self.now >= self.mem[1]),
            "eval_v_hw": lambda: self.eval(self.hw_fires()),
            "eval_v_ctl": lambda: self.eval(self.hw[0]),
            "eval_p": lambda: self.eval(False, "level_p"),
            "level_v": lambda: self.put("level_v", "fire" in self.flags),
            "level_v_set": lambda: self.put("level_v", True),
            "level_v_clear": lambda: self.put("level_v", False),
            "inject_v": lambda: self.inject("level_v" in self.flags),
            "inject_v_fire": lambda: self.inject("fire" in self.flags),
            "act_either": lambda: self.put(
                "act", self.active or "level_v" in self.flags
            ),
            "act_level": lambda: self.put("act", "level_v" in self.flags),
            "act_vact": lambda: self.put("act", self.active),
            "act_either_p": lambda: self.put("act", False),
            "active_set_v": lambda: setattr(self, "phys_active", True),
            "active_clear_v": lambda: setattr(self, "phys_active", False),
            "cache_set": lambda: self.put("cleared", True),
            "cache_clear": lambda: self.put("cleared", False),
            "enabled_set": lambda: self.put("enabled", True),
            "loaded_set": lambda: self.put("loaded", True),
            "loaded_clear": lambda: self.put("loaded", False),
            "irq_off": lambda: setattr(self, "irq_off", True),
            "irq_save": lambda: setattr(self, "irq_off", True),
            "irq_on": lambda: setattr(self, "irq_off", False),
            "irq_restore": lambda: setattr(self, "irq_off", False),
            "bg_arm": lambda: self.put("bg_armed", True),
            "bg_cancel": lambda: self.put("bg_armed", False),
            "bg_recheck": lambda: self.put("fire", True),
            "vgic_flush": self.flush,
            "vgic_sync": self.fold,
            "pending": lambda: self.put("wake", self.line or "wake" in self.flags),
            "wake_if": lambda: self.put("wake", True),
        }
        if prim in table:
            table[prim]()
        return ""

    @staticmethod
    def move(to: list[int | bool], source: list[int | bool], which: int) -> None:
        to[which] = source[which]

    def eval(self, fire: bool, level: str = "level_v") -> None:
        self.put("fire", bool(fire))
        self.put("changed", bool(fire) != (level in self.flags))

    def inject(self, level: bool) -> None:
        self.ops["inject"] += 1
        if level != self.line:
            self.line = level
            if level and "inject_request" in self.policy.switches:
                self.flags.add("req")

    def flush(self) -> None:
        if self.active:
            self.lr = "active"
        elif self.line:
            self.lr = "pending"
            if "lower_on_populate" in self.policy.switches:
                self.line = False

    def fold(self) -> None:
        if self.lr or self.active:
            self.active = self.lr == "active"
            if self.lr == "pending" and "resample_pending" in self.policy.switches:
                self.line = self.hw_fires()
        self.lr = ""

    # the core's flow

    def enter(self) -> None:
        while self.hook("enter") == "abort":
            self.ops["aborts"] += 1
            self.hook("abort")
        self.in_guest, self.irq_off = True, False

    def exit(self) -> None:
        self.in_guest, self.irq_off = False, True
        self.hook("exit")

    def hvc(self) -> None:
        self.exit()
        self.enter()

    def user_exit(self) -> None:
        self.exit()
        self.hook("user_exit")
        self.put("preempted", False)
        self.hook("put")
        self.hook("load")
        self.enter()

    def wfi(self) -> None:
        """Block until the guest's timer is due; the wake-up is the timer's."""
        self.exit()
        self.put("wake", False)
        self.hook("block")
        self.hook("check")
        assert "wake" not in self.flags
        self.flags |= {"waiting", "preempted"}
        self.hook("put")
        assert "bg_armed" in self.flags
        self.now = int(self.mem[1])
        self.put("bg_armed", False)
        self.hook("bg_expire")
        self.hook("load")
        self.hook("check")
        assert "wake" in self.flags
        self.flags -= {"waiting", "preempted", "wake"}
        self.hook("unblock")
        self.enter()

    def run_to_expiry(self) -> None:
        self.now = int(self.hw[1])
        assert not self.phys_active
        self.exit()
        self.enter()

    def handle_tick(self, period: int = 1000) -> None:
        """Guest: acknowledge 27, arm the next tick, EOI (2.3)."""
        assert self.lr == "pending"
        self.lr = ""
        self.hw = [True, self.now + period]
        self.phys_active = False

    def counted(self, turn: object, warm_up: int = 2) -> Counter[str]:
        """Return the operations of one turn in the steady state."""
        assert callable(turn)
        for _ in range(warm_up):
            turn()
        before = self.ops.copy()
        turn()
        after = self.ops.copy()
        after.subtract(before)
        return after
