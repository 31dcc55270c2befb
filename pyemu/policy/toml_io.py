"""Policies as TOML files: readable, editable, written whole or not at all.

A file looks like this; with ``base`` only what differs need stand in it::

    name = "mine"
    base = "lazy"

    [hooks]
    put = ["cntv_ctl_r if enabled loaded", "cntv_ctl_w0 if loaded", ...]

    [switches]
    no_ap_level = true

A step is a primitive, optionally with ``if`` flags that must all hold, or ``unless``
flags that must not all hold. ``!flag`` is the opposite of a flag; ``nvhe``, ``gicv2``
and ``kernel_irqchip`` are the opposites of ``vhe``, ``gicv3`` and ``user_irqchip``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError, TraceError, unknown_name
from ..files import write_whole
from .guards import ALWAYS, parse_flag
from .hooks import HOOKS
from .prims import PRIMS
from .registry import get, names
from .steps import Step
from .table import SWITCHES, Policy

__all__ = ["load_policy", "parse", "parse_step", "save", "step_line", "to_toml"]

_KEYS: Final = (
    *("name", "title", "versions", "base", "sections", "hooks", "switches"),
)


def parse_step(text: str, field: str = "step", line: int | None = None) -> Step:
    """Return the step that a string such as ``"isb if loaded nvhe"`` describes.

    Raises
    ------
    ConfigError
        For an unknown primitive or flag, or a word other than if and unless.

    Examples
    --------
    >>> parse_step("cntvoff_w0 unless vhe")
    Step('cntvoff_w0 if nvhe')
    """
    words = text.split() if isinstance(text, str) else []
    if not words:
        raise ConfigError(field, text, "a primitive, optionally if or unless", line)
    prim, rest = words[0], words[1:]
    if prim not in PRIMS or not PRIMS[prim].hooks:
        known = [name for name, one in PRIMS.items() if one.hooks]
        raise unknown_name(f"{field}: primitive", prim, known, line)
    if not rest:
        return Step(prim)
    if rest[0] not in ("if", "unless") or not rest[1:]:
        words_ok = f"{prim} if FLAG ..., or {prim} unless FLAG ..."
        raise ConfigError(field, text, words_ok, line)
    guard = ALWAYS
    for word in rest[1:]:
        if word not in ("and", "&"):
            try:
                guard = guard & parse_flag(word, line)
            except ConfigError as exc:
                raise ConfigError(
                    f"{field}: {exc.field}", exc.value, exc.allowed, line
                ) from None
    return Step(prim, ~guard if rest[0] == "unless" else guard)


class _File:
    """The text of a policy file, to name the line of an error."""

    def __init__(self, text: str, path: str) -> None:
        self.lines = text.splitlines()
        self.path = path

    def at(self, *parts: str) -> str:
        return ": ".join((self.path, ".".join(parts)))

    def key(self, *parts: str) -> int | None:
        """Return the line of a key, or of its table's header."""
        start = 0
        found: int | None = None
        for part in parts:
            pattern = re.compile(rf"^\s*(\[\s*)?[\"']?{re.escape(part)}[\"']?\s*[\]=.]")
            for number in range(start, len(self.lines)):
                if pattern.search(self.lines[number]):
                    start, found = number, number + 1
                    break
            else:
                return found
        return found

    def item(self, hook: str, text: object, nth: int) -> int | None:
        """Return the line of the nth occurrence of a string in a hook's list."""
        start = self.key("hooks", hook)
        if start is None:
            return None
        for number in range(start - 1, len(self.lines)):
            code = self.lines[number]
            for quoted in re.findall(r"\"[^\"]*\"|'[^']*'", code):
                if quoted[1:-1] == text:
                    if nth == 0:
                        return number + 1
                    nth -= 1
        return start


def _hook(file: _File, hook: str, value: object) -> tuple[Step, ...]:
    if hook not in HOOKS:
        raise unknown_name(file.at("hooks"), hook, HOOKS, file.key("hooks", hook))
    if not isinstance(value, list):
        line = file.key("hooks", hook)
        raise ConfigError(file.at("hooks", hook), value, "a list of steps", line)
    steps = []
    for index, text in enumerate(value):
        line = file.item(hook, text, value[:index].count(text))
        steps.append(parse_step(text, f"{file.at('hooks', hook)}[{index}]", line))
        allowed = PRIMS[steps[-1].prim].hooks
        if hook not in allowed:
            raise ConfigError(
                f"{file.at('hooks', hook)}[{index}]",
                text,
                f"{steps[-1].prim} may stand only in {', '.join(sorted(allowed))}",
                line,
            )
    return tuple(steps)


def _table(file: _File, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(file.at(key), value, "a table", file.key(key))
    return value


def _text(file: _File, data: Mapping[str, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise ConfigError(file.at(key), value, "a string", file.key(key))
    return value


def _switches(file: _File, data: Mapping[str, Any], base: Policy) -> frozenset[str]:
    on = set(base.switches)
    for name, value in _table(file, data, "switches").items():
        line = file.key("switches", name)
        if name not in SWITCHES:
            raise unknown_name(file.at("switches"), name, SWITCHES, line)
        if not isinstance(value, bool):
            raise ConfigError(file.at("switches", name), value, "true or false", line)
        on = on | {name} if value else on - {name}
    return frozenset(on)


def _base(file: _File, data: Mapping[str, Any]) -> Policy:
    if "base" not in data:
        return Policy("none")
    name = _text(file, data, "base", "")
    if name not in names():
        raise unknown_name(file.at("base"), name, names(), file.key("base"))
    return get(name)


def parse(text: str, path: str = "policy.toml") -> Policy:
    """Return the policy a TOML text describes, checked.

    Parameters
    ----------
    text
        The file's contents.
    path
        Its name, for error messages; without ``name`` in the file, also its name.

    Raises
    ------
    ConfigError
        Naming file, line, key and what is allowed.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(path, str(exc), "a TOML file") from None
    file = _File(text, path)
    for key in data:
        if key not in _KEYS:
            raise unknown_name(file.at("key"), key, _KEYS, file.key(key))
    base = _base(file, data)
    hooks = dict(base.hooks)
    for hook, value in _table(file, data, "hooks").items():
        hooks[hook] = _hook(file, hook, value)
    sections = dict(base.sections)
    for hook, cite in _table(file, data, "sections").items():
        if hook not in HOOKS:
            line = file.key("sections", hook)
            raise unknown_name(file.at("sections"), hook, HOOKS, line)
        sections[hook] = str(cite)
    policy = Policy(
        _text(file, data, "name", Path(path).stem),
        _text(file, data, "title", base.title),
        _text(file, data, "versions", base.versions),
        sections,
        hooks,
        _switches(file, data, base),
    )
    try:
        policy.check()
    except ConfigError as exc:
        hook = exc.field.rsplit(": ", 1)[-1].partition("[")[0]
        line = file.key("hooks", hook) if hook in HOOKS else None
        raise ConfigError(file.at(exc.field), exc.value, exc.allowed, line) from None
    return policy


def load_policy(name_or_path: str | os.PathLike[str]) -> Policy:
    """Return a shipped policy by name, or the one in a TOML file.

    Raises
    ------
    ConfigError
        For a name that is neither shipped nor a file, or a file with a mistake.
    TraceError
        For a file that cannot be read as text.
    """
    text = os.fspath(name_or_path)
    if text in names():
        return get(text)
    path = Path(text)
    if path.suffix != ".toml" and not path.is_file():
        raise unknown_name("policy", text, names())
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise TraceError(path, f"cannot be read: {exc}") from None
    return parse(source, text)


def step_line(path: str | os.PathLike[str], hook: str, index: int) -> int | None:
    """Return the line of a step of a policy file; None if its base has that hook."""
    text = Path(path).read_text(encoding="utf-8")
    steps = tomllib.loads(text).get("hooks", {}).get(hook)
    if steps is None:
        return None
    nth = steps[:index].count(steps[index])
    return _File(text, str(path)).item(hook, steps[index], nth)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", _escape, escaped) + '"'


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def to_toml(policy: Policy) -> str:
    """Return a policy as an editable TOML file that `parse` reads back as equal."""
    lines = [
        "# A pyemu policy: hooks are ordered lists of guarded primitives.",
        '# "prim", "prim if flag !flag ..." or "prim unless flag ...".',
        "",
        f"name = {_quote(policy.name)}",
        f"title = {_quote(policy.title)}",
        f"versions = {_quote(policy.versions)}",
        "",
        "[sections]",
        *(f"{hook} = {_quote(cite)}" for hook, cite in policy.sections.items()),
        "",
        "[switches]",
    ]
    for name, rule in SWITCHES.items():
        value = str(name in policy.switches).lower()
        lines.append(f"{name} = {value}  # {rule}")
    lines += ["", "[hooks]"]
    for hook, about in HOOKS.items():
        steps = policy.steps(hook)
        cite = policy.sections.get(hook, about.sections)
        lines.append(f"# {about.kernel} ({cite})")
        if not steps:
            lines += [f"{hook} = []", ""]
            continue
        body = (f"  {_quote(str(step))}," for step in steps)
        lines += [f"{hook} = [", *body, "]", ""]
    return "\n".join(lines).rstrip() + "\n"


def save(policy: Policy, path: str | os.PathLike[str]) -> None:
    """Write a policy as TOML; the file appears complete or stays as it was.

    Raises
    ------
    ConfigError
        If the directory does not exist or cannot be written.
    """
    write_whole(path, to_toml(policy))
