"""Columns → DataFrames and dicts: the short way must make what pandas' constructor makes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pandas
import pandas.api.internals
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from futukit.futu import frames
from futukit.futu.conversions import MISSING
from futukit.futu.frames import Columns, frame, reals, records, require_pandas, with_attrs
from futukit.messages.qot_common import KLine

_FLOATS = st.floats()
_SMALL = st.integers(-(2**63), 2**63 - 1)
_BIG = st.integers(-(2**80), 2**80)
_VALUES = (
    _FLOATS,
    _SMALL,
    _BIG,
    st.booleans(),
    st.text(max_size=5),
    st.none(),
    st.one_of(st.text(max_size=3), st.none()),
    st.one_of(_FLOATS, st.just("N/A")),
    st.one_of(_SMALL, _FLOATS, st.booleans(), st.none(), st.text(max_size=2)),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=1), st.integers(), max_size=1),
    st.binary(max_size=3),
)


@st.composite
def _columns(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(st.integers(0, 4))
    names = draw(st.lists(st.text(max_size=4), max_size=6, unique=True))
    kinds = [draw(st.sampled_from(_VALUES)) for _ in names]
    return {
        name: draw(st.lists(kind, min_size=rows, max_size=rows))
        for name, kind in zip(names, kinds, strict=True)
    }


def _constructed(columns: dict[str, list[Any]]) -> pandas.DataFrame:
    if not any(columns.values()):
        return pandas.DataFrame([], columns=list(columns))
    return pandas.DataFrame(columns)


@given(_columns())
@settings(max_examples=150, deadline=None)
def test_a_frame_is_what_the_constructor_makes(columns: dict[str, list[Any]]) -> None:
    made, wanted = frame(columns), _constructed(columns)
    assert_frame_equal(made, wanted, check_exact=True, check_column_type=True)
    assert type(made.index) is type(wanted.index)
    assert made.columns.dtype == wanted.columns.dtype
    assert list(made.dtypes) == list(wanted.dtypes)
    assert made.columns.names == wanted.columns.names


@pytest.mark.parametrize(
    "columns",
    [
        {"code": ["HK.00700", "香港"], "price": [1.5, float("nan")], "volume": [1, -(2**63)]},
        {"volume": [2**63, 1]},
        {"volume": [2**64, -1]},
        {"price": [1, 2.5]},
        {"up": [True, None]},
        {"name": ["a", None]},
        {"name": ["a", float("nan")]},
        {"name": [MISSING, MISSING], "x": [1, 2]},
        {"detail": [{}, {"a": 1}]},
        {},
    ],
)
def test_types_are_inferred_as_by_the_constructor(columns: dict[str, list[Any]]) -> None:
    assert_frame_equal(frame(columns), _constructed(columns), check_column_type=True)


def test_reals_are_arrays_of_what_every_row_has() -> None:
    rows = [
        KLine(time="a", is_blank=False, open_price=1.5, volume=7),
        KLine(time="b", is_blank=False, open_price=2.5),
    ]
    columns = reals(rows, ("open_price", "close_price"))
    assert list(columns) == ["open_price"]
    rows.append(KLine(time="c", is_blank=True))
    assert reals(rows, ("open_price",)) == {}
    assert reals((), ("open_price",)) == {}
    made = frame({"time": ["a", "b"], **columns, "n": [1, 2]})
    assert_frame_equal(
        made, pandas.DataFrame({"time": ["a", "b"], "open_price": [1.5, 2.5], "n": [1, 2]})
    )
    made.loc[0, "open_price"] = 9.0
    assert columns["open_price"][0] == 1.5


def test_without_rows_every_column_is_of_objects() -> None:
    made = frame({"code": [], "price": ()})
    assert_frame_equal(made, pandas.DataFrame([], columns=["code", "price"]))
    assert list(made.dtypes) == [object, object]


def test_frames_share_nothing() -> None:
    columns: Columns = {
        "code": ["a", "b"],
        "price": [1.0, 2.0],
        "volume": [1, 2],
        "up": [True, False],
    }
    first = frame(columns)
    first.columns.name = "what"
    first.index.name = "row"
    first.attrs["seen"] = True
    first.loc[0, "price"] = 9.0
    first.loc[0, "code"] = "z"
    first["volume"] += 1
    first.insert(0, "more", 1)
    assert_frame_equal(frame(columns), pandas.DataFrame(columns), check_names=True)
    assert frame(columns).attrs == {}
    assert columns["price"] == [1.0, 2.0]
    second = frame(columns)
    second.columns = ["A", "B", "C", "D"]
    assert list(frame(columns).columns) == list(columns)


def test_a_frame_can_be_changed_like_any_other() -> None:
    made = frame({"price": [1.0, 2.0], "volume": [1, 2], "amount": [3.0, 4.0]})
    made["price"] = made["price"] * 2
    made.loc[1, "amount"] = 5.0
    made.loc[2] = [1.0, 3, 2.0]
    assert made.to_dict("list") == {
        "price": [2.0, 4.0, 1.0],
        "volume": [1, 2, 3],
        "amount": [3.0, 5.0, 2.0],
    }


@pytest.fixture
def rebuilt() -> Iterator[None]:
    """Which way frames are made is decided anew, before and after."""
    frames._builder.cache_clear()
    yield
    frames._builder.cache_clear()


@pytest.mark.usefixtures("rebuilt")
@pytest.mark.parametrize("fault", ["absent", "raises", "wrong"])
def test_another_pandas_gets_the_constructor(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> pandas.DataFrame:
        raise NotImplementedError

    def mistaken(*args: Any, **kwargs: Any) -> pandas.DataFrame:
        return pandas.DataFrame({"a": [1]})

    name = "create_dataframe_from_blocks"
    if fault == "absent":
        monkeypatch.delattr(pandas.api.internals, name)
    else:
        monkeypatch.setattr(pandas.api.internals, name, refuse if fault == "raises" else mistaken)
    columns: Columns = {"a": ["x"], "b": [1]}
    assert_frame_equal(frame(columns), pandas.DataFrame(columns))


def test_attributes_go_with_a_frame() -> None:
    made = with_attrs(frame({"a": [1]}), total=7)
    assert made.attrs == {"total": 7}


def test_records_leave_out_what_a_row_does_not_have() -> None:
    rows = records({"a": [1, MISSING], "b": [MISSING, None], "c": ["N/A", ""]})
    assert rows == [{"a": 1, "c": "N/A"}, {"b": None, "c": ""}]
    assert records({"a": [], "b": []}) == []


def test_a_number_that_is_none_stays_in_a_record() -> None:
    ((name, value),) = records({"a": [float("nan")]})[0].items()
    assert (name, value != value) == ("a", True)


def test_columns_of_different_lengths_are_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="shorter"):
        records({"a": [1, 2], "b": [1]})


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_pandas()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'futukit\[pandas\]'") as refused:
        require_pandas()
    assert "\n" not in str(refused.value)
