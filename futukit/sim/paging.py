"""Pages: where an answer starts, how long it is, and how it says that there is more.

OpenD pages in five ways; which one a message uses shows in the names of its fields:

======================================  ==========================================
request                                 answer
======================================  ==========================================
begin, num / pageFrom, pageCount        lastPage, allCount
offset or dataFrom, count               allCount (3233: count)
nextKey, num                            nextKey, "-1" on the last page
page or nextPage, count                 nextPage (3431: page), absent on the last
nextPageKey / nextReqKey (bytes)        the same field, absent on the last page
======================================  ==========================================
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from futukit.sim.bounds import check_rows
from futukit.sim.refusal import RefusalError
from futukit.sim.schema import Field

__all__ = ["COUNT_FIELDS", "CURSOR_FIELDS", "PAGING_FIELDS", "Page", "close_page", "read_page"]

COUNT_FIELDS: Final = frozenset(
    {
        "num",
        "count",
        "max_count",
        "max_ret_num",
        "req_num",
        "max_ack_kl_num",
        "page_count",
        "period_count",
        "max_req_security_num",
    }
)
_OFFSET_FIELDS: Final = frozenset({"begin", "page_from", "offset", "data_from"})
CURSOR_FIELDS: Final = frozenset(
    {"next_key", "page", "next_page", "next_page_key", "next_req_key", "next_kl_time"}
)
PAGING_FIELDS: Final = COUNT_FIELDS | _OFFSET_FIELDS | CURSOR_FIELDS

_PAGE_ROWS: Final = 10
_LAST_KEY: Final = "-1"


class Page(NamedTuple):
    """Rows ``begin`` to ``begin + rows`` are asked for; ``paged`` if more can be fetched.

    ``rows`` is ``None`` where the request sets no bound.
    """

    begin: int
    rows: int | None
    paged: bool


def read_page(proto_id: int, fields: tuple[Field, ...], c2s: Any) -> Page:
    """Read the page that a request asks for. Raises RefusalError for an impossible one."""
    begin, rows, paged = 0, None, False
    for field in fields:
        if field.label == "repeated":
            continue
        value = getattr(c2s, field.attribute)
        if field.attribute in COUNT_FIELDS:
            if value is not None:
                check_rows(proto_id, value, field.name)
                rows = value
        elif field.attribute in _OFFSET_FIELDS and field.kind == "int32":
            paged = True
            begin = value or 0
            if begin < 0:
                raise RefusalError(f"{field.name} is {begin}: it cannot be negative")
        elif field.attribute in CURSOR_FIELDS and field.kind in ("string", "bytes"):
            paged = True
            begin = _offset_of(value, field.name)
    if paged and rows is None:
        rows = _PAGE_ROWS
    return Page(begin, rows, paged)


def close_page(field: Field, page: Page, total: int) -> tuple[bool, Any]:
    """The value of an answer's paging field, and whether ``field`` is one at all.

    ``total`` is the number of rows on all pages.
    """
    end = page.begin + (total if page.rows is None else page.rows)
    more = page.paged and end < total
    name = field.attribute
    if name == "all_count" or (name == "count" and page.paged):
        return True, total
    if name == "last_page":
        return True, (not more) if field.kind == "bool" else int(not more)
    if name in ("has_more", "has_next"):
        return True, more
    if name not in CURSOR_FIELDS:
        return False, None
    if field.kind == "bytes":
        return True, str(end).encode() if more else None
    if name == "next_key":
        return True, str(end) if more else _LAST_KEY
    return True, str(end) if more else None


def _offset_of(cursor: str | bytes | None, name: str) -> int:
    if not cursor:
        return 0
    text = cursor.decode("ascii", "replace") if isinstance(cursor, bytes) else cursor
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RefusalError(f"{name} is not a key that an earlier page gave")
    return int(text)
