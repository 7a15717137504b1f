"""Securities as text and as the message ``Qot_Common.Security``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from futukit.errors import UsageError
from futukit.messages.qot_common import QotMarket, Security
from futukit.types import join_security, split_security

__all__ = ["SecurityLike", "security_text", "to_securities", "to_security"]


SecurityLike: TypeAlias = str | Security
"""A security as callers may write it: ``"HK.00700"`` or the message."""


def to_security(value: SecurityLike) -> Security:
    """Make a Security of ``"HK.00700"``; a Security passes as it is. Raises UsageError."""
    if isinstance(value, Security):
        return value
    if not isinstance(value, str):
        raise UsageError(f"{value!r} is not a security; write it as MARKET.CODE, like HK.00700")
    market, code = split_security(value)
    return Security(market=QotMarket(market), code=code)


def to_securities(values: Iterable[SecurityLike]) -> tuple[Security, ...]:
    """Make Securities of several texts. A single text is refused: it would go letter by letter."""
    if isinstance(values, str | Security):
        raise UsageError(f"a list of securities is wanted, not the single {values!r}")
    return tuple([to_security(value) for value in values])


def security_text(security: Security) -> str:
    """Write a Security as ``"HK.00700"``."""
    return join_security(security.market, security.code)
