"""Which failures of an order leave open whether it was carried out."""

from __future__ import annotations

from typing import Final

from futukit.errors import FutukitError, GatewayError, ServerError
from futukit.messages.common import RetType

__all__ = ["leaves_doubt"]

_SETTLED: Final = frozenset({RetType.SUCCEED, RetType.FAILED, RetType.INVALID})


def leaves_doubt(error: FutukitError) -> bool:
    """Whether an order whose call failed this way may have been carried out all the same.

    It was not where OpenD says that it failed (-1) or was invalid (-500), and where a gRPC server
    refused the call. Every other retType (-100, -200, -400) says that nobody knows, and so does
    an answer that cannot be read.
    """
    if isinstance(error, ServerError):
        return error.ret_type not in _SETTLED
    return type(error) is GatewayError or not isinstance(error, GatewayError)
