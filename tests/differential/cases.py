"""The calls that both faces make, read from ``cases/*.toml``.

A group has a simulator of its own on each side, started with its ``settings``, and its
``contexts``; its cases run in order, so each sees what the ones before it left behind:

    call            the method, of the context ``on`` (without: the group's first), or of what an
                    earlier case returned (an argument that begins with ``from``)
    name            of the case; ``method: name`` is what other cases of the group refer to
    args, kwargs    as arguments.py reads them
    advance         seconds of simulated time that pass before the call
    refused         "here": the face refuses by itself, and texts may differ; "server": the
                    refusal is the server's, and so is its text; without: RET_OK is expected
    plain           the method returns no tuple that begins with a return code
    raises          the official method raises an exception instead of returning

A case without ``call`` only lets time pass. Groups in ``thin.toml`` run a second time, as
``thin-name``, on a server that leaves out optional fields; what a case expects does not hold there.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

_FOLDER: Final = Path(__file__).with_name("cases")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call."""

    group: str
    on: str | dict[str, Any]
    call: str
    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    refused: Literal["here", "server"] | None = None
    plain: bool = False
    raises: bool = False
    thin: bool = False

    @property
    def of_context(self) -> bool:
        """Whether the method is one of a context."""
        return isinstance(self.on, str)

    @property
    def reference(self) -> str:
        """What cases of the group refer to it by."""
        return f"{self.call}: {self.name}"

    @property
    def id(self) -> str:
        """Unique over all groups."""
        return f"{self.group}/{self.reference}"


@dataclass(frozen=True)
class Pause:
    """Simulated time that passes."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cases that share a simulator."""

    name: str
    contexts: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    steps: tuple[Case | Pause, ...]
    thin: bool = False

    @property
    def cases(self) -> tuple[Case, ...]:
        """Without the pauses."""
        return tuple(step for step in self.steps if isinstance(step, Case))


@cache
def groups() -> tuple[Group, ...]:
    """All groups. Raises ValueError for two cases of one name, or an unknown key."""
    found, again = [], []
    for path in sorted(_FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        found += [_group(raw) for raw in content.get("group", [])]
        again += [raw["group"] for raw in content.get("again", [])]
    found += [_thin(group) for group in found if group.name in again]
    ids = [case.id for group in found for case in group.cases]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"two cases have one name: {sorted(twice)}")
    return tuple(found)


def all_cases() -> tuple[Case, ...]:
    """The cases of all groups."""
    return tuple(case for group in groups() for case in group.cases)


def _thin(group: Group) -> Group:
    name = f"thin-{group.name}"
    steps = tuple(
        replace(step, group=name, thin=True) if isinstance(step, Case) else step
        for step in group.steps
    )
    return replace(group, name=name, steps=steps, thin=True)


def _group(raw: dict[str, Any]) -> Group:
    first = next(iter(raw["contexts"]))
    steps: list[Case | Pause] = []
    for step in raw["cases"]:
        if "advance" in step:
            steps.append(Pause(step["advance"]))
        details = {key: value for key, value in step.items() if key != "advance"}
        if details:
            steps.append(Case(group=raw["name"], **{"on": first, **details}))
    return Group(
        name=raw["name"],
        contexts=raw["contexts"],
        settings=raw.get("settings", {}),
        steps=tuple(steps),
    )
