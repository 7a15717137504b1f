"""Answers made from the schema, for requests that no handler knows.

Every request id with a schema gets an answer that is valid, deterministic and in keeping with
the question: the response's fields are walked, and each gets a value that fits its kind and its
name. What was asked comes back (securities, headers, ids, one row per security or order), pages
follow each other without gap or overlap, times lie in the asked range.

The seed, the proto id and the request without its page decide every value, so row 17 is the
same row whichever page it stands on.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from futukit.sim.cast import Cast, key_of
from futukit.sim.chance import dice
from futukit.sim.facts import fact
from futukit.sim.paging import COUNT_FIELDS, close_page
from futukit.sim.question import Question, Universe, is_security, read_question
from futukit.sim.schema import Field, fields_of
from futukit.sim.values import Scene, scalar
from futukit.types import OpenEnum

__all__ = ["SchemaAnswers"]

_DEEPEST: Final = 6
_MARKETS_OF_PREFIX: Final = {
    "hk": (1, 2),
    "us": (11,),
    "cn": (21, 22),
    "a": (21, 22),
    "sg": (31,),
    "jp": (41,),
    "my": (61,),
}
_HIGH: Final = frozenset({"high", "highest", "upper", "max"})
_LOW: Final = frozenset({"low", "lowest", "lower", "min"})
_INSIDE: Final = frozenset({"open", "close", "average", "avg"})


class SchemaAnswers:
    """Makes the answers. ``seed`` and ``universe`` are those of the simulated market."""

    def __init__(self, seed: int, universe: Universe) -> None:
        self._seed = seed
        self._universe = universe

    def answer(self, proto_id: int, c2s: Struct, answer_type: type[Struct]) -> Struct:
        """Make an ``answer_type`` (an S2C or a flat response) for a C2S or a flat request.

        Raises RefusalError for a security, a page or a time that cannot be.
        """
        question = read_question(self._seed, self._universe, proto_id, c2s)
        question = Cast(self._universe, question).bounded(answer_type)
        return _Composer(question, self._universe).outermost(answer_type)


class _Composer:
    """One answer in the making."""

    def __init__(self, question: Question, universe: Universe) -> None:
        self._question = question
        self._cast = Cast(universe, question)

    def outermost(self, cls: type[Struct]) -> Struct:
        """The answer's outermost message."""
        scene = self._scene(0)
        values: dict[str, Any] = {}
        for field in fields_of(cls):
            if field.attribute == "ret_type":
                values[field.attribute] = field.target(0) if field.target else 0
            elif field.attribute not in ("ret_msg", "err_code"):
                done, value = close_page(field, self._question.page, self._question.total)
                values[field.attribute] = value if done else self._top(field, scene)
        return cls(**values)

    def _top(self, field: Field, scene: Scene) -> Any:
        """A field of the outermost message: what the request said itself is said again."""
        asked = self._question.fields.get(field.attribute)
        if asked is not None and asked.attribute not in COUNT_FIELDS and _alike(asked, field):
            value = self._question.value(field.attribute)
            if value not in (None, ()):
                return value
        path = f".{field.attribute}"
        if field.label == "repeated" and not _elsewhere(field, scene.listed.market):
            return self._rows(field, path)
        return self._field(field, path, scene, 0)

    def _rows(self, field: Field, path: str) -> tuple[Any, ...]:
        """A list of the outermost message: a row for each asked value, or a page of rows."""
        keys = _keys_of(field, self._question)
        if keys is not None:
            return self._keyed_rows(field, path, keys)
        page, total = self._question.page, self._question.total
        end = total if page.rows is None else page.begin + page.rows
        most = end if page.rows is not None else min(total, 5)
        indices = range(min(page.begin, total), min(end, most, total))
        return tuple(self._value(field, f"{path}[{i}]", self._scene(i), 0) for i in indices)

    def _keyed_rows(self, field: Field, path: str, keys: Field) -> tuple[Any, ...]:
        key = _repeating(field.target, keys)
        rows = []
        for index, value in enumerate(self._question.value(keys.attribute)):
            scene = self._scene(index)
            if is_security(keys.target):
                scene = scene._replace(listed=self._question.asked[index], settled=True)
            row = self._value(field, f"{path}[{index}]", scene, 0)
            rows.append(msgspec.structs.replace(row, **{key.attribute: value}) if key else row)
        return tuple(rows)

    def _scene(self, index: int) -> Scene:
        question = self._question
        subject, instant = question.subject(index), question.instant(index)
        return Scene(subject, instant, index, question.windowed, question.now)

    def _message(self, cls: type[Struct], path: str, scene: Scene, depth: int) -> Struct:
        scene = self._cast.row(cls, path.rpartition(".")[2].partition("[")[0], scene)
        values: dict[str, Any] = {}
        for field in fields_of(cls):
            inner = f"{path}.{field.attribute}"
            if _says_again(field, self._question):
                values[field.attribute] = self._question.value(field.attribute)
            elif field.label == "repeated":
                values[field.attribute] = self._inner_rows(field, inner, scene, depth)
            else:
                values[field.attribute] = self._field(field, inner, scene, depth)
        _order_prices(values)
        return cls(**values)

    def _inner_rows(self, field: Field, path: str, scene: Scene, depth: int) -> tuple[Any, ...]:
        if depth >= _DEEPEST or _elsewhere(field, scene.listed.market):
            return ()
        filters = field.attribute.replace("_data_list", "_filter_list")
        if filters != field.attribute and filters in self._question.fields:
            return self._filter_rows(field, path, scene, depth, self._question.value(filters))
        page = self._question.page
        most = page.rows if page.rows is not None and not page.paged else 3
        count = 1 + dice(f"{self._question.root}{path}#").randrange(min(most, 5))
        others = is_security(field.target) or key_of(field.target) is not None
        rows = []
        for index in range(count):
            row = scene._replace(row=index, instant=scene.instant - index * scene.step)
            if others:
                row = row._replace(listed=self._cast.others(scene, index))
            rows.append(self._value(field, f"{path}[{index}]", row, depth))
        return tuple(rows)

    def _filter_rows(
        self, field: Field, path: str, scene: Scene, depth: int, filters: tuple[Struct, ...]
    ) -> tuple[Any, ...]:
        """One figure for each filter of the request (3215): its name and parameters again."""
        rows = []
        for index, asked in enumerate(filters):
            row = self._value(field, f"{path}[{index}]", scene, depth)
            told = _told_again(asked, field.target)
            name = told.get("field_name")
            if isinstance(name, OpenEnum):
                inner = f"{path}[{index}].value"
                told["value"] = self._figure(name, field.target, asked, scene, inner)
            rows.append(msgspec.structs.replace(row, **told))
        return tuple(rows)

    def _figure(
        self, name: OpenEnum, row: type[Struct], asked: Any, scene: Scene, path: str
    ) -> float:
        """The figure that a filter names, by the words of that name, within its bounds."""
        field = next(field for field in fields_of(row) if field.attribute == "value")
        named = field._replace(attribute=name.name.lower())
        value: float = scalar(named, scene, dice(f"{self._question.root}{path}"))
        low, high = getattr(asked, "filter_min", None), getattr(asked, "filter_max", None)
        value = value if low is None else max(low, value)
        return value if high is None else min(high, value)

    def _field(self, field: Field, path: str, scene: Scene, depth: int) -> Any:
        if field.label != "required":
            if _elsewhere(field, scene.listed.market):
                return () if field.label == "repeated" else None
            if field.kind == "message" and depth >= _DEEPEST:
                return None
        return self._value(field, path, scene, depth)

    def _value(self, field: Field, path: str, scene: Scene, depth: int) -> Any:
        if field.kind != "message":
            return scalar(field, scene, dice(f"{self._question.root}{path}"))
        if is_security(field.target):
            return self._cast.security(field, path, scene)
        known = fact(field, scene.listed, scene.now)
        return known or self._message(field.target, path, scene, depth + 1)


def _told_again(asked: Struct, row: type[Struct]) -> dict[str, Any]:
    """What a row repeats of its filter: fields of the same name, or named ``first…`` there."""
    theirs = {field.attribute: field for field in fields_of(type(asked))}
    told = {}
    for field in fields_of(row):
        mine = theirs.get(field.attribute) or theirs.get(f"first_{field.attribute}")
        if mine is not None and _alike(mine, field):
            told[field.attribute] = getattr(asked, mine.attribute)
    return told


def _alike(one: Field, other: Field) -> bool:
    return (
        one.kind == other.kind
        and one.target is other.target
        and (one.label == "repeated") == (other.label == "repeated")
    )


def _says_again(field: Field, question: Question) -> bool:
    """Whether a row repeats an enum that the request narrowed its question by."""
    asked = question.fields.get(field.attribute)
    if asked is None or not _alike(asked, field) or field.label == "repeated":
        return False
    value = question.value(field.attribute)
    return isinstance(value, OpenEnum) and value.listed and int(value) != 0


def _elsewhere(field: Field, market: int) -> bool:
    """Whether a field belongs to another market: ``hkExData``, ``usItemList``, ``cnExData``."""
    if field.kind != "message":
        return False
    own = _MARKETS_OF_PREFIX.get(field.attribute.split("_")[0])
    return own is not None and market not in own


def _keys_of(field: Field, question: Question) -> Field | None:
    """The request's list whose values the rows of ``field`` stand for, one each."""
    if field.kind != "message" or question.page.paged:
        return None
    for keys in question.fields.values():
        if (
            keys.label == "repeated"
            and question.value(keys.attribute)
            and (is_security(keys.target) or keys.kind != "message")
            and _repeating(field.target, keys) is not None
        ):
            return keys
    return None


def _repeating(row: type[Struct] | Any, keys: Field) -> Field | None:
    """The field of a row that repeats one value of ``keys``."""
    if is_security(keys.target):
        return key_of(row)
    if not (isinstance(row, type) and issubclass(row, Struct)):
        return None
    return next(
        (
            field
            for field in fields_of(row)
            if field.label != "repeated"
            and field.kind == keys.kind
            and keys.attribute in (f"{field.attribute}_list", f"{field.attribute}s")
        ),
        None,
    )


def _order_prices(values: dict[str, Any]) -> None:
    """Let no close lie above its high nor any open below its low."""
    roles: dict[str, list[str]] = {"high": [], "low": [], "inside": []}
    for name, value in values.items():
        if not isinstance(value, float) or "last" in name:
            continue
        words = set(name.split("_"))
        if words & _HIGH:
            roles["high"].append(name)
        elif words & _LOW:
            roles["low"].append(name)
        elif words & _INSIDE:
            roles["inside"].append(name)
    if len(roles["high"]) != 1 or len(roles["low"]) != 1:
        return
    names = [*roles["low"], *roles["inside"], *roles["high"]]
    drawn = sorted(values[name] for name in names)
    values.update(zip(names, drawn, strict=True))
