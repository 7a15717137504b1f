"""Whose calculation a result belongs to: 3260 asks for one and is told its id, 3261 brings it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from futukit.core.push import Push
from futukit.gateway.members import Member
from futukit.gateway.records import Call

__all__ = ["CALCULATE", "CALCULATED", "Calculations"]

CALCULATE: Final = 3260
CALCULATED: Final = 3261

_MOST_OWNERS: Final = 10_000
_MOST_RESULTS: Final = 100


class Calculations:
    """The calculations under way and their owners, the newest of them.

    A result may stand right behind the answer that tells its id, before anybody has read that;
    while a request is under way, results without an owner wait for one.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[str, Member] = OrderedDict()
        self._under_way = 0
        self._results: list[tuple[str, Push]] = []

    @contextmanager
    def asked(self, proto_id: int) -> Iterator[None]:
        """A request is under way; only those for a calculation count."""
        count = proto_id == CALCULATE
        self._under_way += count
        try:
            yield
        finally:
            self._under_way -= count
            if not self._under_way:
                self._results.clear()

    def note(self, call: Call, s2c: Any) -> None:
        """OpenD has begun a calculation: its owner gets the results that have come already."""
        if call.proto_id != CALCULATE:
            return
        self._owners[s2c.calc_id] = call.member
        if len(self._owners) > _MOST_OWNERS:
            self._owners.popitem(last=False)
        found = [push for calc_id, push in self._results if calc_id == s2c.calc_id]
        self._results = [each for each in self._results if each[0] != s2c.calc_id]
        for push in found:
            # Behind the answer, which tells the id.
            asyncio.get_running_loop().call_soon(_give, call.member, push)

    def owner(self, calc_id: str, push: Push) -> tuple[Member, ...]:
        """Who gets a result: its owner if that is still there, or nobody yet."""
        owner = self._owners.get(calc_id)
        if owner is not None:
            return () if owner.gone else (owner,)
        if self._under_way and len(self._results) < _MOST_RESULTS:
            self._results.append((calc_id, push))
        return ()


def _give(member: Member, push: Push) -> None:
    if not member.gone:
        member.sink.send_push(push)
