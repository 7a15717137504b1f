"""Who appears in an answer: the security that each row is about, and those it names beside it.

The names of the schema say it: a row whose security is called ``option`` is about an option, one
with an ``owner`` about what options are written on, a row of a ``plateList`` about a plate.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from futukit.sim.chance import dice
from futukit.sim.question import (
    EVENT_CONTRACT_MARKET,
    Listed,
    Question,
    Universe,
    is_security,
)
from futukit.sim.schema import Field, fields_of, full_name_of
from futukit.sim.values import Scene

__all__ = ["Cast", "key_of"]

_OWNERS: Final = frozenset({"owner", "underlying"})
_OPTIONS: Final = frozenset({"option", "options", "leg", "legs"})
_WARRANTS: Final = frozenset({"warrant", "warrants"})
_PLATES: Final = frozenset({"plate", "plates"})
_CODES: Final = frozenset({"code", "stock_code", "symbol"})
_CAPITALS: Final = re.compile(r"[A-Z][a-z]+")


class Cast:
    """The securities of one answer."""

    def __init__(self, universe: Universe, question: Question) -> None:
        self._universe = universe
        self._question = question

    def bounded(self, answer_type: type[Struct]) -> Question:
        """The question with no more rows than there are securities for them to be about."""
        for field in fields_of(answer_type):
            if field.label == "repeated" and key_of(field.target) is not None:
                kind = self._kind_of(field.target, field.attribute)
                known = len(self._question.choice if kind is None else kind)
                total = min(self._question.total, known)
                return dataclasses.replace(self._question, total=total)
        return self._question

    def row(self, cls: type[Struct], list_name: str, scene: Scene) -> Scene:
        """The scene of one message: whom it is about, and whether its ``name`` is theirs."""
        named = key_of(cls) is not None or any(row.attribute in _CODES for row in fields_of(cls))
        settled, scene = scene.settled, scene._replace(named=named, settled=False)
        if settled or self._question.about_events:
            return scene
        terms = scene.listed.terms
        if terms is not None and key_of(cls) is None and _words(list_name) & _OWNERS:
            return scene._replace(listed=terms.owner)
        kind = self._kind_of(cls, list_name)
        return scene._replace(listed=_nth(kind, scene.row)) if kind else scene

    def security(self, field: Field, path: str, scene: Scene) -> Any:
        """The value of a field that holds a security."""
        if self._question.about_events:
            return self._event_security(field, path)
        chosen = self._named(_words(field.attribute), scene) or scene.listed
        return field.target(market=chosen.market, code=chosen.code)

    def others(self, scene: Scene, index: int) -> Listed:
        """Whom row ``index`` of a list inside a row is about."""
        choice = self._universe.members(scene.listed) or self._question.choice
        return _nth(choice, scene.row + index)

    def _named(self, words: set[str], scene: Scene) -> Listed | None:
        """Who stands in a field by the words of its name; ``None``: whom the row is about."""
        terms = scene.listed.terms
        members = self._universe.members(scene.listed)
        if words & _OWNERS:
            return terms.owner if terms else next(iter(self._question.asked), None)
        if words & _PLATES:
            return None if members else _nth(self._plates(), scene.row)
        if words & _OPTIONS and terms is None:
            return _nth(self._options() or self._universe.options(None), scene.row)
        return _nth(members, scene.row) if "stock" in words and members else None

    def _kind_of(self, cls: type[Struct], list_name: str) -> Sequence[Listed] | None:
        """The securities that rows of a class may be about, ``None``: nothing in particular."""
        key = key_of(cls)
        if key is None:
            return None
        kind = self._pool(_words(key.attribute))
        if kind is not None:
            return kind
        own = {word.lower() for word in _CAPITALS.findall(full_name_of(cls).rpartition(".")[2])}
        kind = self._pool(_words(list_name) | own & (_OPTIONS | _WARRANTS))
        if kind is not None or key.attribute != "security" or not self._question.page.paged:
            return kind
        # A list of securities beside the one that was asked about, page after page.
        return self._question.choice

    def _pool(self, words: set[str]) -> Sequence[Listed] | None:
        if words & _OWNERS:
            return self._question.asked[:1] or self._owners()
        if words & _OPTIONS:
            return self._options()
        if words & _WARRANTS:
            return self._universe.warrants(self._question.market)
        return self._plates() if words & _PLATES else None

    def _plates(self) -> Sequence[Listed]:
        asked = [one for one in self._question.asked if self._universe.members(one)]
        market = self._question.market
        return asked or self._universe.plates(market) or self._universe.plates(None)

    def _options(self) -> Sequence[Listed]:
        """The options on what was asked for; with nothing asked, all of the market."""
        options = self._universe.options(self._question.market)
        wanted = {row[:2] for row in (*self._question.asked, *self._question.narrowed)}
        if not wanted:
            return options
        return [
            one
            for one in options
            if one[:2] in wanted or (one.terms is not None and one.terms.owner[:2] in wanted)
        ]

    def _owners(self) -> Sequence[Listed]:
        options = self._options()
        return tuple(dict.fromkeys(one.terms.owner for one in options if one.terms))

    def _event_security(self, field: Field, path: str) -> Any:
        """An event contract: the asked one where the names agree, else one of the same kind."""
        word = field.attribute.split("_")[0]
        for name in (word, field.attribute, "security"):
            asked = self._question.value(name)
            if is_security(type(asked)) and (name != "security" or word in ("code", "security")):
                return asked
        number = dice(f"{self._question.root}{path}").randrange(1000)
        return field.target(market=EVENT_CONTRACT_MARKET, code=f"{word.upper()}-{number:03d}")


def key_of(row: type[Struct] | Any) -> Field | None:
    """The first field of a message class that holds a security: whom it is about."""
    if not (isinstance(row, type) and issubclass(row, Struct)):
        return None
    return next(
        (
            field
            for field in fields_of(row)
            if field.label != "repeated" and is_security(field.target)
        ),
        None,
    )


def _words(name: str) -> set[str]:
    return set(name.split("_"))


def _nth(rows: Iterable[Listed], index: int) -> Listed | Any:
    found = tuple(rows)
    return found[index % len(found)] if found else None
