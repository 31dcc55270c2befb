"""A frame of registers: decode, access sizes, and the arrays of one field an interrupt.

Distributor, redistributor and CPU interface are frames; each adds the rules that only
it has as methods ``read_<rule>`` and ``write_<rule>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import ConfigError
from .port import Effect, VgicPort, is_pending
from .regmap import Register, find

__all__ = ["Frame"]

_SPECIAL = 1020  # INTIDs from here on are never interrupts (v2 3.2, v3 2.2)


class Frame:
    """Registers over a holder of interrupt state.

    Parameters
    ----------
    port
        Holder of the state.
    """

    table: Sequence[Register] = ()
    n_bytes: int = 0

    def __init__(self, port: VgicPort) -> None:
        self.port = port

    # decode

    def read(self, offset: int, size: int, *, vcpu: int = 0) -> int:
        """Return what a load by a vCPU sees.

        Reserved bytes, write-only registers and accesses of a wrong size or alignment
        read as zero.

        Raises
        ------
        ConfigError
            For an offset outside the frame, a size of no load, an unknown vCPU.
        """
        register = self._decode(offset, size, vcpu)
        if register is None:
            return 0
        if register.bits and register.rule != "raz":
            return self._read_array(register, offset, size, vcpu)
        shift = 8 * (offset - register.offset)
        whole = self._read_one(register, vcpu)
        return whole >> shift & ((1 << 8 * size) - 1)

    def write(
        self, offset: int, size: int, value: int, *, vcpu: int = 0
    ) -> list[Effect]:
        """Do what a store by a vCPU does and return the effects in order.

        Raises
        ------
        ConfigError
            As `read`, and for a value that does not fit the size.
        """
        register = self._decode(offset, size, vcpu)
        if not 0 <= value < 1 << 8 * size:
            raise ConfigError("gic.value", value, f"an unsigned number of {size} bytes")
        if register is None or register.rule in ("raz", "const"):
            return []
        if register.bits:
            return self._write_array(register, offset, size, value, vcpu)
        write = getattr(self, f"write_{register.rule}", None)
        effects: list[Effect] = write(value, vcpu) if write else []
        return effects

    def _decode(self, offset: int, size: int, vcpu: int) -> Register | None:
        if size not in (1, 2, 4, 8):
            raise ConfigError("gic.size", size, "1, 2, 4 or 8 bytes")
        if not 0 <= offset <= self.n_bytes - size:
            raise ConfigError("gic.offset", offset, f"below {self.n_bytes:#x}")
        if not 0 <= vcpu < self.port.n_vcpus:
            raise ConfigError("gic.vcpu", vcpu, f"0 to {self.port.n_vcpus - 1}")
        register = find(self.table, offset)
        if register is None or size not in register.sizes or offset % size:
            return None
        return register

    def _read_one(self, register: Register, vcpu: int) -> int:
        if register.rule == "const":
            return register.reset
        read = getattr(self, f"read_{register.rule}", None)
        return int(read(vcpu)) if read else 0

    # arrays: `bits` for each interrupt

    def first_intid(self, register: Register) -> int:
        """Return the INTID of an array's first field."""
        return 0

    def hidden(self, intid: int) -> bool:
        """Return whether this frame does not show an interrupt (RAZ/WI)."""
        return intid >= min(self.port.n_irqs, _SPECIAL)

    def _fields(
        self, register: Register, offset: int, size: int
    ) -> Iterator[tuple[int, int]]:
        """Yield (INTID, lowest bit in the access) of each shown interrupt."""
        first = self.first_intid(register)
        first += (offset - register.offset) * 8 // register.bits
        for n in range(max(1, 8 * size // register.bits)):
            if not self.hidden(first + n):
                yield first + n, n * register.bits

    def _read_array(self, register: Register, offset: int, size: int, vcpu: int) -> int:
        value = 0
        for intid, low in self._fields(register, offset, size):
            value |= self.get_field(register, intid, vcpu) << low
        shift = 8 * (offset % 8) if register.bits == 64 else 0
        return value >> shift & ((1 << 8 * size) - 1)

    def _write_array(
        self, register: Register, offset: int, size: int, value: int, vcpu: int
    ) -> list[Effect]:
        effects = []
        for intid, low in self._fields(register, offset, size):
            if register.bits == 64:
                shift = 8 * (offset % 8)
                keep = ~(((1 << 8 * size) - 1) << shift)
                one = self.get_field(register, intid, vcpu) & keep | value << shift
            else:
                one = value >> low & ((1 << register.bits) - 1)
            effects += self.set_field(register, intid, vcpu, one)
        return effects

    def get_field(self, register: Register, intid: int, vcpu: int) -> int:
        """Return one interrupt's field of an array."""
        if register.field == "pending":
            return int(is_pending(self.port, vcpu, intid))
        value = self.port.get(vcpu, intid, register.field)
        if register.rule == "config":
            return value << 1  # bit 0 is reserved or the 1-N model, RES0 here
        return value & register.mask if register.bits == 8 else value

    def set_field(
        self, register: Register, intid: int, vcpu: int, value: int
    ) -> list[Effect]:
        """Write one interrupt's field of an array."""
        rule, field = register.rule, register.field
        if rule in ("set", "clear"):
            if value == 0:
                return []
            return self.set_bits(field, intid, vcpu, value, rule == "set")
        if rule == "config":
            # v2 4.3.13: SGIs are edge; KVM's PPIs keep what their device needs.
            return [] if intid < 32 else self.change("edge", intid, vcpu, value >> 1)
        return self.change(field, intid, vcpu, value & register.mask)

    def set_bits(
        self, field: str, intid: int, vcpu: int, bits: int, on: bool
    ) -> list[Effect]:
        """Write 1 to set or clear; a level line stays pending whatever is cleared."""
        fact = "latch" if field == "pending" else field
        old = self.port.get(vcpu, intid, fact)
        return self.change(fact, intid, vcpu, old | bits if on else old & ~bits)

    def change(self, field: str, intid: int, vcpu: int, value: int) -> list[Effect]:
        """Change a fact if it differs, and report it."""
        if self.port.get(vcpu, intid, field) == value:
            return []
        self.port.set(vcpu, intid, field, value)
        return [Effect(field, vcpu, intid, value)]
