"""What stands in the body of a gRPC request, and what is told about a push beside its body.

The reference contradicts itself about bodies: its comments say a bare C2S, its sample sends a
whole Request. So a body is a whole Request if it parses strictly as one, else a bare C2S if it
parses strictly as that (no bytes are an empty C2S), else it is refused. Some requests have a C2S
that could look like a whole Request (``futu_service.WHOLE_ONLY``): of these only the whole form is
taken, so that nothing is ever guessed.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from msgspec import Struct, structs

from futukit import codec
from futukit.codec.strict import decode_strict
from futukit.core.requests import request_kind
from futukit.errors import DecodeError
from futukit.messages.futu_service import WHOLE_ONLY
from futukit.messages.qot_common import Security, SubType

__all__ = ["PushFacts", "facts_of_push", "sec_key", "single_rows", "whole_request"]

_NOTIFY: Final = 1003
_FIRST_QUOTE_ID: Final = 3000
_FIRST_TRADE_ID: Final = 2000
_UPDATE_KL: Final = 3007
_SUB_TYPES: Final = {
    3005: SubType.BASIC,
    3009: SubType.RT,
    3011: SubType.TICKER,
    3013: SubType.ORDER_BOOK,
    3015: SubType.BROKER,
    3450: SubType.ORDER_BOOK,
    3452: SubType.TICKER,
}
# Pushes that carry rows: which list, and what names the security of a row.
_ROWS: Final = {
    3005: ("basic_qot_list", "security"),
    3450: ("order_book_list", "code"),
    3451: ("kline_list", "code"),
    3452: ("ticker_list", "code"),
}
# K-line type → subscription: the same names but for these.
_KL_NAMES: Final = {"QUARTER": "QURATER"}


def whole_request(proto_id: int, body: bytes) -> bytes:
    """The bytes of the whole Request that a gRPC body stands for.

    An id without a schema carries raw bytes, which stay as they are. Raises UsageError for an id
    that is no request's, DecodeError for a body that is neither form.
    """
    kind = request_kind(proto_id)
    if kind.request is None:
        return body
    try:
        decode_strict(kind.request, body)
    except DecodeError as error:
        if kind.c2s is None or proto_id in WHOLE_ONLY:
            raise
        not_whole = error
    else:
        return body
    try:
        c2s = decode_strict(kind.c2s, body)
    except DecodeError as error:
        reason = f"neither a whole request ({not_whole}) nor a bare C2S ({error})"
        raise DecodeError(reason, "", proto_id) from error
    return codec.encode(kind.request(c2s=c2s))


class PushFacts(NamedTuple):
    """What a PushEvent tells beside the body. Empty or 0 is what there is not."""

    event_type: str
    sec_key: str
    sub_type: int
    acc_id: int


def facts_of_push(proto_id: int, response: Struct) -> PushFacts:
    """Read the facts off a push's Response."""
    s2c: Any = getattr(response, "s2c", None)
    if proto_id == _NOTIFY:
        return PushFacts("notify", "", 0, 0)
    if _FIRST_TRADE_ID <= proto_id < _FIRST_QUOTE_ID:
        header = getattr(s2c, "header", None)
        return PushFacts("trade", "", 0, header.acc_id if header is not None else 0)
    return PushFacts("quote", _security_of(proto_id, s2c), _sub_type_of(proto_id, s2c), 0)


def _security_of(proto_id: int, s2c: Any) -> str:
    security = getattr(s2c, "security", None)
    if proto_id in _ROWS:
        rows, name = _ROWS[proto_id]
        row = next(iter(getattr(s2c, rows, ())), None)
        security = getattr(row, name, None)
    return "" if security is None else sec_key(security)


def sec_key(security: Security) -> str:
    """A security as the service writes it, ``market_code``: ``1_00700``."""
    return f"{int(security.market)}_{security.code}"


def single_rows(proto_id: int, response: Any) -> tuple[Any, ...]:
    """A push that carries rows of several securities, as pushes of one row each."""
    rows, _ = _ROWS.get(proto_id, ("", ""))
    found = getattr(response.s2c, rows, ())
    if len(found) < 2:
        return (response,)
    return tuple(
        structs.replace(response, s2c=structs.replace(response.s2c, **{rows: (row,)}))
        for row in found
    )


def _sub_type_of(proto_id: int, s2c: Any) -> int:
    if proto_id != _UPDATE_KL:
        return int(_SUB_TYPES.get(proto_id, 0))
    if s2c is None:
        return 0  # a push that is an error, or nothing at all
    name = s2c.kl_type.name.removeprefix("K_")
    found = SubType.__members__.get(f"KL_{_KL_NAMES.get(name, name)}")
    return 0 if found is None else int(found)
