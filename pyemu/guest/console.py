"""A guest's console: its bytes, handed on line by line to whoever looks."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Console"]


class Console(bytearray):
    r"""Every byte a guest has printed.

    Attributes
    ----------
    on_line
        Called with each line when it is complete, end included.
    until
        Text that ends the run; empty for none.
    found
        Whether it has been printed.

    Examples
    --------
    >>> console, lines = Console(), []
    >>> console.on_line.append(lines.append)
    >>> for byte in b"one\ntwo":
    ...     console.put(byte)
    >>> console.flush()
    >>> lines
    [b'one\n', b'two']
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_line: list[Callable[[bytes], None]] = []
        self.until = b""
        self.found = False
        self._begun = 0

    def put(self, byte: int) -> None:
        """Take a byte from the guest."""
        self.append(byte)
        if self.until and self.endswith(self.until):
            self.found = True
        if byte == 0x0A:
            self.flush()

    @property
    def handed_on(self) -> int:
        """How many bytes `on_line` has had."""
        return self._begun

    def put_back(self, text: bytes, handed_on: int) -> None:
        """Restore what has been printed, so many bytes of it handed on."""
        self[:] = text
        self._begun = handed_on

    def flush(self) -> None:
        """Hand on what stands in the last line, as if it were complete."""
        line = bytes(self[self._begun :])
        self._begun = len(self)
        if line:
            for take in self.on_line:
                take(line)
