"""Switches: every choice of a simulated vendor that can be set at start and at run time, as data.

A simulator has those of common_switches.py and those of its vendor's table. A switch knows its default (per edition
where editions differ), what it may be set to, and where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dispatcher.errors import ConfigError

Value = Any  # bool, int, float, str, or a table of them: whatever TOML and JSON can carry


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch. `values` are the documented ones, each with a test; `accepts` says what else may be set, in words and
    as a check.
    """

    name: str
    default: Value
    source: str
    meaning: str
    values: tuple[Value, ...] = ()
    also: str = ""
    accepts: Callable[[Value], bool] | None = None
    by_edition: Mapping[str, Value] = field(default_factory=dict)

    def check(self, value: Value) -> Value:
        """`value`, if this switch may be set to it; else ConfigError.

        A documented value may be written in another type: 200 for "200", "500" for 500, true for "on".
        """
        for allowed in self.values:
            if value == allowed and isinstance(value, bool) == isinstance(allowed, bool):
                return value
        if self.accepts is not None and self.accepts(value):
            return value
        for allowed in self.values:
            if isinstance(value, bool | int | str) and _spelt(value) == _spelt(allowed):
                return allowed
        allowed = ", ".join(map(repr, self.values))
        if self.also:
            allowed = f"{allowed} or {self.also}" if allowed else self.also
        raise ConfigError(f"simulator switch {self.name}: {value!r} is not possible. Set it to {allowed}.")


def _spelt(value: Value) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def whole(least: int, most: int | None = None) -> dict[str, Any]:
    """Any whole number from `least` on, up to `most`."""
    return {
        "also": f"any whole number from {least}" + ("" if most is None else f" to {most}"),
        "accepts": lambda v: (
            isinstance(v, int) and not isinstance(v, bool) and v >= least and (most is None or v <= most)
        ),
    }


def seconds(least: float = 0.0, above: bool = False) -> dict[str, Any]:
    """Any number from (or above) `least`."""

    def accepts(v: Value) -> bool:
        return isinstance(v, int | float) and not isinstance(v, bool) and (v > least if above else v >= least)

    return {"also": f"any number {'above' if above else 'from'} {least:g}", "accepts": accepts}


def share() -> dict[str, Any]:
    """A probability."""
    return {
        "also": "any share from 0 to 1",
        "accepts": lambda v: isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1,
    }


def text() -> dict[str, Any]:
    """Any text."""
    return {"also": "any text", "accepts": lambda v: isinstance(v, str)}


def words() -> dict[str, Any]:
    """A list of texts."""
    return {
        "also": "any list of texts",
        "accepts": lambda v: isinstance(v, list | tuple) and all(isinstance(w, str) for w in v),
    }


def weights() -> dict[str, Any]:
    """A table of text to weight, not all zero."""

    def accepts(v: Value) -> bool:
        return (
            isinstance(v, Mapping)
            and all(isinstance(k, str) and isinstance(w, int | float) and w >= 0 for k, w in v.items())
            and sum(v.values()) > 0
        )

    return {"also": "any table of status = weight, the weights not all 0", "accepts": accepts}


def texts_by_text() -> dict[str, Any]:
    """A table of text to text."""
    return {
        "also": "any table of number = status",
        "accepts": lambda v: isinstance(v, Mapping) and all(isinstance(w, str) for kv in v.items() for w in kv),
    }


class Switches:
    """The switches of one simulator, as attributes: `switches.max_chars`. Of two with one name the last counts."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, table: Iterable[Switch], settings: Mapping[str, Value] | None = None) -> None:
        self._table = {s.name: s for s in table}
        self._set: dict[str, Value] = {}
        self.update(settings or {})

    def update(self, settings: Mapping[str, Value]) -> None:
        """Set some switches, all or none: ConfigError names the first that cannot be."""
        checked: dict[str, Value] = {}
        for name, value in settings.items():
            switch = self._table.get(name)
            if switch is None:
                raise ConfigError(f"the simulator has no switch {name!r}. Look at GET /_sim/config for all of them.")
            checked[name] = switch.check(value)
        self._set |= checked
        edition = self._set.get("edition") or (self._table["edition"].default if "edition" in self._table else "")
        for switch in self._table.values():
            default = switch.by_edition.get(edition, switch.default)
            object.__setattr__(self, switch.name, self._set.get(switch.name, default))

    def forget(self) -> None:
        """Back to the defaults."""
        self._set.clear()
        self.update({})

    def describe(self) -> list[dict[str, Value]]:
        """Every switch with its value, what it may be, its source and meaning."""
        return [
            {
                "name": s.name,
                "value": getattr(self, s.name),
                "default": s.default,
                **({"default_by_edition": dict(s.by_edition)} if s.by_edition else {}),
                "values": list(s.values),
                "also": s.also,
                "source": s.source,
                "meaning": s.meaning,
            }
            for s in self._table.values()
        ]

    @property
    def table(self) -> Mapping[str, Switch]:
        """The switches by name."""
        return self._table
