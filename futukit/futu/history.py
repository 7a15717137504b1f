"""Pages of K-line history → columns, straight from the bytes where that can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from futukit.codec.table import decode_table
from futukit.core.requests import Answer, request_kind
from futukit.endpoint import BODIES
from futukit.futu import _tables
from futukit.futu.conversions import NOT_AVAILABLE, code
from futukit.futu.frames import BlockColumn, Columns, doubles, texts
from futukit.messages import qot_request_history_kl

__all__ = ["Page", "joined", "page_of"]

_HISTORY: Final = 3103
_PROTOBUF: Final = BODIES.index("protobuf")
_ROWS: Final = ("s2c", "kl_list")
_REALS: Final = {
    "open": "open_price",
    "close": "close_price",
    "high": "high_price",
    "low": "low_price",
    "pe_ratio": "pe",
    "turnover_rate": "turnover_rate",
    "volume": "hp_volume",
    "turnover": "turnover",
    "change_rate": "change_rate",
    "last_close": "last_close_price",
}
_ATTRIBUTES: Final = ("time", "is_blank", *_REALS.values())


class Page(NamedTuple):
    """One answer: its columns, how many K-lines these hold, and the key of the next page."""

    columns: Columns
    rows: int
    next_key: bytes | None


def page_of(answer: Answer) -> Page:
    """The page in an answer. Raises what the answer stands for, if it is no page."""
    if answer.body_format == _PROTOBUF:
        page = _page_of_columns(answer.body)
        if page is not None:
            return page
    s2c = request_kind(_HISTORY).result(*answer)
    rows = [row for row in s2c.kl_list if not row.is_blank]
    return Page(_tables.history_kline(rows, s2c), len(rows), s2c.next_req_key)


def _page_of_columns(body: bytes) -> Page | None:
    """The page without an object for each row; None where a row is out of the ordinary."""
    table = decode_table(qot_request_history_kl.Response, body, _ROWS, _ATTRIBUTES)
    if table is None:
        return None
    response, found, reals = table
    if response.ret_type or response.s2c is None:
        return None
    if None in found.values() or 1 in found["is_blank"]:
        return None
    s2c = response.s2c
    count = len(found["time"])
    block = doubles(reals, len(_REALS))
    columns = {
        "code": texts([code(s2c.security)], count),
        "name": texts([NOT_AVAILABLE if s2c.name is None else s2c.name], count),
        "time_key": texts(found["time"], count),
        **{column: BlockColumn(block, found[attribute]) for column, attribute in _REALS.items()},
    }
    return Page(columns, count, s2c.next_req_key)


def joined(pages: Sequence[Page]) -> Columns:
    """The columns of several pages, one after the other."""
    if len(pages) == 1:
        return pages[0].columns
    return {
        name: [value for page in pages for value in _plain(page.columns[name])]
        for name in pages[0].columns
    }


def _plain(column: Any) -> list[Any]:
    """A column as a list of plain values."""
    if isinstance(column, list):
        return column
    values: list[Any] = (column.values if isinstance(column, BlockColumn) else column).tolist()
    return values
