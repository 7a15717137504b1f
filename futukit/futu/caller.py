"""What the generated methods need of the context that they are methods of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["Caller"]


class Caller(ABC):
    """A context as its methods see it."""

    @abstractmethod
    def _call(self, proto_id: int, request: Any) -> Any:
        """Send a request and return its S2C. Raises FutukitError."""

    def _quote_header(self) -> Any:
        """The header of quote requests (Qot_Common.QotHeader)."""
        raise NotImplementedError

    def _trade_header(
        self,
        trd_env: Any = "REAL",
        acc_id: Any = 0,
        acc_index: Any = 0,
        code: Any = None,
        *,
        checked: bool = True,
    ) -> Any:
        """The header of an account's requests (Trd_Common.TrdHeader).

        ``code`` decides the market, where it is given: a security, or a list of them or of
        objects that have one. ``checked`` refuses an environment that the market does not have.
        Raises UsageError where there is no such account.
        """
        raise NotImplementedError
