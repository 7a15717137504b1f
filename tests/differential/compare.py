"""What differs between two descriptions, and which differences are meant.

``differences.toml`` lists the deliberate ones, each narrow: the cases, the place in what was
returned, and why. Whoever compares notes which entries occurred; one that no longer does must go.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from tests.differential.cases import Case

_FILE: Final = Path(__file__).with_name("differences.toml")
_ALL_OF: Final = ("str", "bytes", "int", "float")
RET_OK: Final = ["int", "0"]

Requests = Mapping[int, Sequence[Any]]
"""Proto id → descriptions of requests."""

Verdict = Literal["same", "deliberate difference", "different", "not covered"]


class Difference(NamedTuple):
    """One place where two descriptions differ."""

    place: str
    official: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.place}: official {_short(self.official)}, ours {_short(self.ours)}"


@dataclass(frozen=True, kw_only=True)
class Deliberate:
    """An entry of differences.toml. ``cases`` and ``places`` are shell patterns."""

    cases: tuple[str, ...]
    places: tuple[str, ...]
    why: str
    official: str = "*"
    ours: str = "*"

    def is_about(self, group: str) -> bool:
        """Whether its cases are of that group, ``name/``."""
        return self.cases[0].startswith(group)

    def covers(self, case: str, difference: Difference) -> bool:
        """Whether it is about this difference."""
        return (
            any(fnmatchcase(case, pattern) for pattern in self.cases)
            and any(fnmatchcase(difference.place, pattern) for pattern in self.places)
            and fnmatchcase(_short(difference.official), self.official)
            and fnmatchcase(_short(difference.ours), self.ours)
        )


@cache
def deliberate() -> tuple[Deliberate, ...]:
    """The deliberate differences."""
    raw = tomllib.loads(_FILE.read_text("utf-8")).get("difference", [])
    return tuple(
        Deliberate(**{**entry, "cases": tuple(entry["cases"]), "places": tuple(entry["places"])})
        for entry in raw
    )


class Judgement(NamedTuple):
    """A case's outcome: what is not meant, and which entries explain the rest."""

    verdict: Verdict
    differences: tuple[Difference, ...]
    reasons: tuple[Deliberate, ...]


def judge(case: str, found: Iterator[Difference], missing: bool = False) -> Judgement:
    """Sort differences into meant and not meant."""
    if missing:
        return Judgement("not covered", (), ())
    unmeant: list[Difference] = []
    reasons: list[Deliberate] = []
    for difference in found:
        entry = next((each for each in deliberate() if each.covers(case, difference)), None)
        if entry is None:
            unmeant.append(difference)
        elif entry not in reasons:
            reasons.append(entry)
    verdict: Verdict = "different" if unmeant else "deliberate difference" if reasons else "same"
    return Judgement(verdict, tuple(unmeant), tuple(reasons))


def judge_case(
    case: Case, official: Any, ours: Any, sent: tuple[Requests, Requests] = ({}, {})
) -> Judgement:
    """Compare what a case returned on both sides, and what each asked the server."""
    missing = isinstance(ours, dict) and ours["kind"] == "missing"
    found = _refusals(case, official, ours) if case.refused else differences(official, ours)
    return judge(case.id, chain(found, _requests(*sent)), missing)


def return_code(description: Any) -> Any:
    """The return code of a described result; None if it has none."""
    if isinstance(description, dict):
        items = description.get("items")
        return items[0] if items else None
    return description


def differences(official: Any, ours: Any, place: str = "result") -> Iterator[Difference]:
    """Where two descriptions differ."""
    if isinstance(official, dict) and isinstance(ours, dict):
        if official["kind"] == ours["kind"]:
            yield from _of_one_kind(official, ours, place)
            return
    elif official == ours:
        return
    yield Difference(place, official, ours)


def _requests(official: Requests, ours: Requests) -> Iterator[Difference]:
    """Requests that both sides sent; one may need a question that the other need not, or twice."""
    for proto_id in sorted(official.keys() & ours.keys()):
        pairs = zip(official[proto_id], ours[proto_id], strict=False)
        for at, (theirs, own) in enumerate(pairs):
            yield from differences(theirs, own, f"request {proto_id}[{at}]")


def _refusals(case: Case, official: Any, ours: Any) -> Iterator[Difference]:
    """The same return code, and texts in the same places; the same texts, if the server's."""
    if not (_is_tuple(official) and _is_tuple(ours)):
        yield from differences(official, ours)
        return
    # A text may be of a class of its own, which tells more.
    parts = 2 if case.refused == "server" else 1
    both = [[_cut(item, parts) for item in side["items"]] for side in (official, ours)]
    yield from _sequences(both[0], both[1], "result")


def _cut(item: Any, parts: int) -> Any:
    """Of a text, the first parts of its description: that it is one, and what it says."""
    return item[:parts] if isinstance(item, list) and item[0] == "str" else item


def _is_tuple(description: Any) -> bool:
    return isinstance(description, dict) and description["kind"] == "tuple"


def _of_one_kind(official: Any, ours: Any, place: str) -> Iterator[Difference]:
    match official["kind"]:
        case "frame":
            yield from _frames(official, ours, place)
        case "tuple" | "list" | "set":
            yield from _sequences(official["items"], ours["items"], place)
        case "dict":
            yield from _named(official["keys"], ours["keys"], official, ours, place)
        case "object":
            if official["class"] != ours["class"]:
                yield Difference(f"{place}.class", official["class"], ours["class"])
            yield from _named(official["names"], ours["names"], official, ours, place)
        case "raised":
            # Who catches what the official SDK raises has to catch ours; texts are our own.
            if official["classes"][0] not in ours["classes"]:
                yield Difference(place, official, ours)
        case _:
            if official != ours:
                yield Difference(place, official, ours)


def _sequences(official: list[Any], ours: list[Any], place: str) -> Iterator[Difference]:
    if len(official) != len(ours):
        yield Difference(f"{place}.length", len(official), len(ours))
        return
    for at, (theirs, own) in enumerate(zip(official, ours, strict=True)):
        yield from differences(theirs, own, f"{place}[{at}]")


def _named(
    their_names: list[Any], own_names: list[Any], official: Any, ours: Any, place: str
) -> Iterator[Difference]:
    if their_names != own_names:
        yield Difference(f"{place}.names", their_names, own_names)
        return
    for name, theirs, own in zip(their_names, official["values"], ours["values"], strict=True):
        yield from differences(theirs, own, f"{place}[{_word(name)}]")


def _frames(official: Any, ours: Any, place: str) -> Iterator[Difference]:
    for part in ("columns", "shape", "index", "attrs"):
        if official[part] != ours[part]:
            yield Difference(f"{place}.{part}", official[part], ours[part])
    if official["columns"] != ours["columns"]:
        return
    for at, name in enumerate(map(_word, official["columns"])):
        dtypes = official["dtypes"][at], ours["dtypes"][at]
        if dtypes[0] != dtypes[1]:
            yield Difference(f"{place}.{name}.dtype", *dtypes)
        cells = official["cells"][at], ours["cells"][at]
        if len(cells[0]) == len(cells[1]):
            yield from _sequences(*cells, f"{place}.{name}")


def _word(description: Any) -> str:
    """A name as it was written; ``'code'`` → ``code``."""
    if isinstance(description, str):
        return description
    kind, text = description[:2]
    return str(text[1:-1]) if kind == "str" else str(text)


def _short(description: Any) -> str:
    """A description for reading, and for the patterns of differences.toml."""
    if isinstance(description, list) and description and description[0] in _ALL_OF:
        return " ".join([str(description[0]), *map(str, description[1:])])
    text = str(description)
    return text if len(text) < 400 else f"{text[:400]}…"
