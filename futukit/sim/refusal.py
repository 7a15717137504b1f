"""How the simulator says no: an answer with retType -1, never a broken connection."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BAD_BODY",
    "BAD_PARAMETER",
    "BAD_PRICE",
    "BAD_QUANTITY",
    "LOCKED",
    "MARKET_CLOSED",
    "NOT_SIMULATED",
    "NOT_SUBSCRIBED",
    "NO_FUNDS",
    "NO_POSITION",
    "NO_QUOTA",
    "ORDER_DONE",
    "REPLAYED",
    "TOO_EARLY",
    "UNKNOWN_ACCOUNT",
    "UNKNOWN_ORDER",
    "UNKNOWN_PROTO_ID",
    "UNKNOWN_SECURITY",
    "WRONG_ACCOUNT",
    "WRONG_PASSWORD",
    "RefusalError",
]

# OpenD documents no list of error codes (they serve its own logs); these are ours, so that a
# test can tell the reasons apart without reading text.
BAD_PARAMETER: Final = 1
BAD_BODY: Final = 2
UNKNOWN_PROTO_ID: Final = 3
UNKNOWN_SECURITY: Final = 4
NOT_SUBSCRIBED: Final = 5
NO_QUOTA: Final = 6
TOO_EARLY: Final = 7
UNKNOWN_ACCOUNT: Final = 8
WRONG_ACCOUNT: Final = 9
LOCKED: Final = 10
WRONG_PASSWORD: Final = 11
NO_FUNDS: Final = 12
NO_POSITION: Final = 13
BAD_QUANTITY: Final = 14
BAD_PRICE: Final = 15
MARKET_CLOSED: Final = 16
NOT_SIMULATED: Final = 17
UNKNOWN_ORDER: Final = 18
ORDER_DONE: Final = 19
REPLAYED: Final = 20


class RefusalError(Exception):
    """A request is answered with an error. Raised by handlers, turned into a response by OpenD.

    ``reason`` becomes retMsg, ``err_code`` one of this module's numbers, ``ret_type`` a
    Common.RetType (-1 failed).
    """

    def __init__(self, reason: str, err_code: int = BAD_PARAMETER, ret_type: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.err_code = err_code
        self.ret_type = ret_type
