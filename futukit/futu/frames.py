"""Columns → pandas DataFrames, and rows as dicts.

pandas is imported with the first DataFrame. Columns of one type each, the usual case, go straight
into blocks by pandas' own door for that (``pandas.api.internals``, pandas 3), which saves most of
the constructor's time; whatever that does not take, and every older pandas, goes through the
constructor. Whether both make the same frame is tried once, at the first one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from futukit.futu.conversions import MISSING

if TYPE_CHECKING:
    import pandas

__all__ = [
    "BlockColumn",
    "Columns",
    "doubles",
    "frame",
    "reals",
    "records",
    "require_pandas",
    "texts",
    "with_attrs",
]

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""Column → its values, one for each row: a list, or an array that ``doubles`` or ``texts`` made."""

_SAMPLES: Final[tuple[Columns, ...]] = tuple(
    {
        "a": ["x", "y"][:rows],
        "b": [1.5, float("nan")][:rows],
        "c": [1, -(2**62)][:rows],
        "d": [True, False][:rows],
        "e": ["", "\u96ea"][:rows],
        "f": [0.0, 2.0][:rows],
    }
    for rows in (1, 2)
)


def require_pandas() -> None:
    """Raise ImportError, in one line, where there is no pandas. Does not import it."""
    if importlib.util.find_spec("pandas") is None:
        raise ImportError("futukit.futu needs pandas: pip install 'futukit[pandas]'")


def frame(columns: Columns) -> pandas.DataFrame:
    """A DataFrame of the columns, dtypes as pandas infers them."""
    return _builder()(columns)


def with_attrs(table: pandas.DataFrame, **attrs: Any) -> pandas.DataFrame:
    """The table, with facts of its answer in ``attrs``."""
    table.attrs.update(attrs)
    return table


def reals(rows: Sequence[Any], attributes: tuple[str, ...]) -> dict[str, Any]:
    """Fields of type double of all rows, as float64; those that some row lacks are left out."""
    from futukit._native.wire import plan_of, real_columns

    if not rows:
        return {}
    columns = real_columns(plan_of(type(rows[0])), rows, attributes)
    return {
        attribute: doubles(column, 1)[0]
        for attribute, column in zip(attributes, columns, strict=True)
        if column is not None
    }


class BlockColumn(NamedTuple):
    """A row of a two-dimensional array of float64 as a column."""

    block: Any
    row: int

    @property
    def values(self) -> Any:
        """The column as an array."""
        return self.block[self.row]


def doubles(data: bytearray, rows: int) -> Any:
    """Native doubles as an array of so many rows of float64, without a copy."""
    import numpy

    return numpy.frombuffer(data, dtype=numpy.float64).reshape(rows, -1)


def texts(values: Sequence[str], count: int) -> Any:
    """Texts as an array; a single one ``count`` times."""
    import numpy

    if len(values) == 1:
        array = numpy.empty(count, dtype=object)
        array.fill(values[0])  # the text itself; numpy.full would make a new one for each row
        return array
    return numpy.array(values, dtype=object)


def records(columns: Columns) -> list[dict[str, Any]]:
    """The rows as dicts; what a row does not have is left out."""
    names = tuple(columns)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not MISSING}
        for row in zip(*columns.values(), strict=True)
    ]


@cache
def _builder() -> Callable[[Columns], pandas.DataFrame]:
    assembler = _assembler()
    if assembler is None:
        return _construct
    try:
        same = all(_alike(assembler(sample), _construct(sample)) for sample in _SAMPLES)
    except Exception:  # noqa: BLE001 - another pandas may refuse it in any way
        same = False
    return assembler if same else _construct


def _construct(columns: Columns) -> pandas.DataFrame:
    import pandas

    if not _length(columns):  # nothing to infer a type from
        return pandas.DataFrame(columns=list(columns))
    return pandas.DataFrame(
        {name: each.values if type(each) is BlockColumn else each for name, each in columns.items()}
    )


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _alike(one: pandas.DataFrame, other: pandas.DataFrame) -> bool:
    return bool(
        one.equals(other)
        and (one.dtypes == other.dtypes).all()
        and one.columns.equals(other.columns)
        and one.columns.dtype == other.columns.dtype
        and one.index.equals(other.index)
    )


def _same_column(one: Any, other: BlockColumn) -> bool:
    """Whether both are the same row of the same array."""
    return type(one) is BlockColumn and one.block is other.block and one.row == other.row


class _Layout(NamedTuple):
    """Where columns of some names and types stand in the blocks of a DataFrame.

    Texts have a block each, numbers one for each type; with each stands its place for pandas.
    """

    names: pandas.Index
    texts: list[tuple[int, Any]]
    numbers: list[tuple[Any, list[int], Any]]


def _assembler() -> Callable[[Columns], pandas.DataFrame] | None:
    """The maker of frames from blocks, None where pandas has no such door."""
    import numpy
    import pandas

    try:
        from pandas.api.internals import create_dataframe_from_blocks
    except ImportError:
        return None
    words: Any = pandas.Series(["x"]).array
    # How pandas itself makes a text array of a checked one of objects: a quarter of the time of
    # its public door. Where there is no such method, the samples fail and nothing is lost.
    text_array = words._from_backing_data
    dtypes: dict[type, Any] = {float: numpy.float64, int: numpy.int64, bool: numpy.bool_}

    @lru_cache(maxsize=256)
    def layout_of(names: tuple[str, ...], kinds: tuple[type, ...]) -> _Layout | None:
        if not {*kinds} <= {str, *dtypes}:
            return None
        texts = [(at, numpy.array([at])) for at, kind in enumerate(kinds) if kind is str]
        gathered: dict[type, list[int]] = {}
        for at, kind in enumerate(kinds):
            if kind is not str:
                gathered.setdefault(kind, []).append(at)
        numbers = [(dtypes[kind], where, numpy.array(where)) for kind, where in gathered.items()]
        return _Layout(pandas.Index(list(names)), texts, numbers)

    def kinds_of(data: list[Any]) -> tuple[type, ...]:
        """The type of each column; ``object`` for one of several types."""
        kinds: list[type] = []
        for values in data:
            if type(values) is BlockColumn:
                kinds.append(float)
                continue
            if type(values) is numpy.ndarray:
                kinds.append(str if values.dtype == object else float)
                continue
            found = set(map(type, values))
            kinds.append(found.pop() if len(found) == 1 else object)
        return tuple(kinds)

    def stacked(chosen: list[Any], dtype: Any) -> Any:
        """Columns of numbers as a block; those that are a block in its order are that block."""
        first = chosen[0]
        if type(first) is BlockColumn and len(first.block) == len(chosen):
            whole = [BlockColumn(first.block, row) for row in range(len(chosen))]
            if all(map(_same_column, chosen, whole)):
                return first.block
        plain = [each.values if type(each) is BlockColumn else each for each in chosen]
        return numpy.array(plain, dtype=dtype)

    def assemble(columns: Columns) -> pandas.DataFrame:
        data: list[Any] = list(columns.values())
        if not _length(columns):
            return _construct(columns)
        layout = layout_of(tuple(columns), kinds_of(data))
        if layout is None:  # mixed or empty: what pandas infers then is its own affair
            return _construct(columns)
        blocks = [
            (text_array(numpy.array(data[at], dtype=object)), place) for at, place in layout.texts
        ]
        try:
            for dtype, where, place in layout.numbers:
                blocks.append((stacked([data[at] for at in where], dtype), place))
        except OverflowError:  # numbers beyond int64
            return _construct(columns)
        # A view: the index is kept, and its name is for each frame's owner to change.
        names = layout.names.view()
        index = pandas.RangeIndex(_length(columns))
        return create_dataframe_from_blocks(blocks, index=index, columns=names)

    return assemble
