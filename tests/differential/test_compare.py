"""What counts as a difference: the comparison finds each kind of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.differential.cases import Case
from tests.differential.compare import Deliberate, Difference, differences, judge_case
from tests.differential.describe import describe, raised

TABLE = pd.DataFrame({"code": ["HK.00700", "HK.00005"], "price": [1.5, float("nan")]})


class Text(str):
    """A text that knows more, as the messages of our face do."""

    __slots__ = ()


def places(official: Any, ours: Any) -> list[str]:
    return [found.place for found in differences(describe(official), describe(ours))]


@pytest.mark.parametrize(
    "value",
    [TABLE, None, True, 1, 1.5, float("nan"), "a", b"a", [1], (1, "b"), {"a": [TABLE]}, {1}],
)
def test_a_value_equals_its_copy(value: Any) -> None:
    copied = value.copy() if isinstance(value, pd.DataFrame) else value
    assert places(value, copied) == []


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        ("a", b"a"),
        ("a", Text("a")),
        (0.1, 0.1 + 0.2 - 0.2),
        ([1], (1,)),
        (0.0, -0.0),
        (None, float("nan")),
        ("N/A", float("nan")),
        (pd.NA, float("nan")),
        (TABLE["price"].iloc[0], 1.5),
    ],
)
def test_values_that_are_not_the_same(official: Any, ours: Any) -> None:
    assert places(official, ours) == ["result"]


@pytest.mark.parametrize(
    ("ours", "place"),
    [
        (TABLE[["price", "code"]], "result.columns"),
        (TABLE.astype({"price": object}), "result.price.dtype"),
        (TABLE.assign(price=[1.5, 2.5]), "result.price[1]"),
        (TABLE.assign(price=[1.5, 0.0]), "result.price[1]"),
        (TABLE.iloc[:1], "result.shape"),
        (TABLE.set_index(pd.Index([1, 2])), "result.index"),
        (pd.DataFrame(TABLE.to_dict("list"), index=[0, 1]), "result.index"),
    ],
)
def test_tables_that_are_not_the_same(ours: pd.DataFrame, place: str) -> None:
    assert place in places(TABLE, ours)


def test_attributes_of_a_table() -> None:
    other = TABLE.copy()
    other.attrs["next_key"] = "1"
    assert places(TABLE, other) == ["result.attrs"]


def test_the_order_of_a_dict_and_its_items() -> None:
    assert places({"a": 1, "b": 2}, {"b": 2, "a": 1}) == ["result.names"]
    assert places({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["result[b]"]
    assert places([1, 2], [1]) == ["result.length"]


def test_what_catches_the_official_exception_catches_ours() -> None:
    official, ours = raised(ValueError("theirs")), raised(UnicodeError("ours"))
    assert list(differences(official, ours)) == []
    assert [found.place for found in differences(ours, official)] == ["result"]


@pytest.mark.parametrize(
    ("refused", "official", "ours", "verdict"),
    [
        ("here", (-1, "theirs"), (-1, "ours"), "same"),
        ("here", (-1, "theirs"), (-1, Text("ours")), "same"),
        ("here", (-1, "theirs"), (-1, None), "different"),
        ("here", (-1, "theirs", None), (-1, "ours"), "different"),
        ("here", (-1, "theirs"), (0, "ours"), "different"),
        ("server", (-1, "theirs"), (-1, "ours"), "different"),
        ("server", (-1, "theirs"), (-1, Text("theirs")), "same"),
        (None, (-1, "theirs"), (-1, "ours"), "different"),
    ],
)
def test_refusals(refused: Any, official: Any, ours: Any, verdict: str) -> None:
    case = Case(group="g", on="c", call="m", name="n", refused=refused)
    assert judge_case(case, describe(official), describe(ours)).verdict == verdict


def test_requests_that_are_not_the_same() -> None:
    case = Case(group="g", on="c", call="m", name="n")
    answer = describe((0, 1))
    sent = {3001: [describe({"a": 1}), describe({"a": 2})], 2001: [describe({})]}
    fewer = {3001: [describe({"a": 1})]}
    assert judge_case(case, answer, answer, (sent, fewer)).verdict == "same"
    other = {3001: [describe({"a": 3})]}
    (found,) = judge_case(case, answer, answer, (sent, other)).differences
    assert found.place == "request 3001[0][a]"


def test_a_method_that_is_not_there() -> None:
    case = Case(group="g", on="c", call="m", name="n")
    assert judge_case(case, describe((0, 1)), {"kind": "missing"}).verdict == "not covered"


def test_a_deliberate_difference_is_narrow() -> None:
    entry = Deliberate(cases=("g/m: *",), places=("result?1?.open*",), ours="float nan", why="")
    found = Difference("result[1].open[3]", ["float", "1.5"], ["float", "nan"])
    assert entry.covers("g/m: n", found)
    assert not entry.covers("g/other: n", found)
    assert not entry.covers("g/m: n", found._replace(place="result[0]"))
    assert not entry.covers("g/m: n", found._replace(ours=["float", "2.5"]))
