"""The quota of history K-lines: each security counts for seven days from its first request."""

from __future__ import annotations

from typing import Final, NamedTuple

from futukit.sim.refusal import NO_QUOTA, RefusalError

__all__ = ["HistoryQuota", "Used"]

_SECONDS_KEPT: Final = 7 * 24 * 3600.0


class Used(NamedTuple):
    """A unit in use: the security and when it was first asked for (epoch seconds)."""

    security: str
    since: float


class HistoryQuota:
    """Units of history quota of one account. ``now`` is the simulated time, epoch seconds."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._since: dict[str, float] = {}

    def take(self, security: str, now: float) -> None:
        """Count a security, once in seven days. Raises RefusalError when no unit is left."""
        self._expire(now)
        if security in self._since:
            return
        if len(self._since) >= self.quota:
            raise RefusalError(
                f"history K-line quota exceeded: all {self.quota} units are in use", NO_QUOTA
            )
        self._since[security] = now

    def used(self, now: float) -> tuple[Used, ...]:
        """The units in use, oldest first."""
        self._expire(now)
        return tuple(Used(*item) for item in self._since.items())

    def _expire(self, now: float) -> None:
        for security, since in list(self._since.items()):
            if now - since >= _SECONDS_KEPT:
                del self._since[security]
