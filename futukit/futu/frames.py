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
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from futukit.futu.conversions import MISSING

if TYPE_CHECKING:
    import pandas

__all__ = ["Columns", "frame", "records", "require_pandas", "with_attrs"]

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""Column → its values, one for each row."""

_SAMPLE: Final[Columns] = {
    "a": ["x", "y"],
    "b": [1.5, float("nan")],
    "c": [1, -(2**62)],
    "d": [True, False],
    "e": ["", "z"],
    "f": [0.0, 2.0],
}


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


def records(columns: Columns) -> list[dict[str, Any]]:
    """The rows as dicts; what a row does not have is left out."""
    names = tuple(columns)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not MISSING}
        for row in zip(*columns.values(), strict=True)
    ]


@cache
def _builder() -> Callable[[Columns], pandas.DataFrame]:
    import pandas

    def construct(columns: Columns) -> pandas.DataFrame:
        if not any(columns.values()):  # nothing to infer a type from
            return pandas.DataFrame(columns=list(columns))
        return pandas.DataFrame(dict(columns))

    assemble = _assembler(construct)
    try:
        same = assemble is not None and _alike(assemble(_SAMPLE), construct(_SAMPLE))
    except Exception:  # noqa: BLE001 - another pandas may refuse it in any way
        same = False
    return assemble if assemble is not None and same else construct


def _alike(one: pandas.DataFrame, other: pandas.DataFrame) -> bool:
    return bool(
        one.equals(other)
        and (one.dtypes == other.dtypes).all()
        and one.columns.equals(other.columns)
        and one.columns.dtype == other.columns.dtype
        and one.index.equals(other.index)
    )


def _assembler(
    construct: Callable[[Columns], pandas.DataFrame],
) -> Callable[[Columns], pandas.DataFrame] | None:
    """The maker of frames from blocks, None where pandas has no such door."""
    import numpy
    import pandas

    try:
        from pandas.api.internals import create_dataframe_from_blocks
    except ImportError:
        return None
    words = pandas.Series(["x"]).array
    text_array, text_dtype = type(words), words.dtype
    numeric: dict[type, Any] = {float: numpy.float64, int: numpy.int64, bool: numpy.bool_}

    @lru_cache(maxsize=256)
    def names_of(names: tuple[str, ...]) -> pandas.Index:
        return pandas.Index(list(names))

    def assemble(columns: Columns) -> pandas.DataFrame:
        blocks: list[tuple[Any, Any]] = []
        gathered: dict[type, list[int]] = {}
        data = list(columns.values())
        for position, values in enumerate(data):
            kinds = set(map(type, values))
            if len(kinds) != 1:
                return construct(columns)  # mixed or empty: what pandas infers is its own affair
            kind = kinds.pop()
            if kind is str:
                array = text_array._from_sequence(values, dtype=text_dtype)
                blocks.append((array, numpy.array([position], dtype=numpy.intp)))
            elif kind in numeric:
                gathered.setdefault(kind, []).append(position)
            else:
                return construct(columns)
        for kind, positions in gathered.items():
            rows = [data[position] for position in positions]
            try:
                block: Any = numpy.array(rows, dtype=numeric[kind])
            except OverflowError:  # numbers beyond int64
                return construct(columns)
            blocks.append((block, numpy.array(positions, dtype=numpy.intp)))
        # A view: the index is kept, and its name is for each frame's owner to change.
        names = names_of(tuple(columns)).view()
        return create_dataframe_from_blocks(
            blocks, index=pandas.RangeIndex(len(data[0])), columns=names
        )

    return assemble
