"""What a user keeps in the app and may change through OpenD: watch lists and price reminders.

Every simulator has its own; the first content of the watch lists is drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Final

from msgspec.structs import replace

from futukit.messages.qot_get_price_reminder import PriceReminderItem
from futukit.messages.qot_set_price_reminder import C2S, SetPriceReminderOp
from futukit.sim.chance import dice
from futukit.sim.market import Instrument
from futukit.sim.refusal import RefusalError

__all__ = ["MAX_REMINDERS", "NOTE_CHARACTERS", "PriceReminders", "WatchLists"]

_STARRED: Final = 8
_GROUPED: Final = 3
_CHINA: Final = ("SH", "SZ")

_SYSTEM: Final[Mapping[str, Callable[[Instrument], bool]]] = {
    "All": lambda _: True,
    "HK": lambda one: one.market == "HK",
    "US": lambda one: one.market == "US",
    "CN": lambda one: one.market in _CHINA,
    "Options": lambda one: one.is_option,
    "Futures": lambda one: one.kind == "future",
}
_CUSTOM: Final = ("A", "B")

MAX_REMINDERS: Final = 10
"""Reminders of one type on one security."""

NOTE_CHARACTERS: Final = 20


class WatchLists:
    """The groups of a user: system groups follow from what is watched, custom ones are filled.

    Groups cannot be made through OpenD: there are the custom groups A and B.
    """

    def __init__(self, seed: int, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        stocks = [key for key, one in instruments.items() if one.kind in ("stock", "etf")]
        first = dice(f"{seed}|watch list").sample(stocks, min(_STARRED, len(stocks)))
        self._watched = dict.fromkeys(sorted(first, key=stocks.index))
        self._custom: dict[str, dict[str, None]] = {name: {} for name in _CUSTOM}
        self._custom[_CUSTOM[0]].update(dict.fromkeys(first[:_GROUPED]))

    @property
    def custom_groups(self) -> tuple[str, ...]:
        """The groups that can be changed."""
        return tuple(self._custom)

    @property
    def system_groups(self) -> tuple[str, ...]:
        """The groups that follow from what is watched."""
        return tuple(_SYSTEM)

    def __contains__(self, key: str) -> bool:
        return key in self._watched

    def group(self, name: str) -> tuple[str, ...]:
        """The keys in a group. Raises RefusalError when there is no such group."""
        if name in self._custom:
            return tuple(self._custom[name])
        belongs = _SYSTEM.get(name)
        if belongs is None:
            known = ", ".join((*_SYSTEM, *self._custom))
            raise RefusalError(f"no group {name!r}: there are {known}")
        return tuple(key for key in self._watched if belongs(self._instruments[key]))

    def add(self, name: str, keys: Iterable[str]) -> None:
        """Put securities into a custom group, and so on the watch list."""
        new = dict.fromkeys(keys)
        self._changeable(name).update(new)
        self._watched.update(new)

    def move_out(self, name: str, keys: Iterable[str]) -> None:
        """Take securities out of a custom group; they stay on the watch list."""
        group = self._changeable(name)
        for key in keys:
            group.pop(key, None)

    def delete(self, name: str, keys: Iterable[str]) -> None:
        """Take securities off the watch list and out of all groups."""
        self._changeable(name)
        for key in keys:
            for group in (self._watched, *self._custom.values()):
                group.pop(key, None)

    def _changeable(self, name: str) -> dict[str, None]:
        if name not in self._custom:
            self.group(name)
            raise RefusalError(f"group {name!r} is the system's: it cannot be changed")
        return self._custom[name]


class PriceReminders:
    """The reminders of a user, by security. They are kept and shown; none ever goes off."""

    def __init__(self) -> None:
        self._items: dict[str, dict[int, PriceReminderItem]] = {}
        self._last_key = 0

    def of(self, security: str) -> tuple[PriceReminderItem, ...]:
        """The reminders on one security, oldest first."""
        return tuple(self._items.get(security, {}).values())

    def change(self, security: str, c2s: C2S) -> int:
        """Do what a request says; returns the key of the reminder, 0 for all of them.

        Raises RefusalError for an unknown key, a missing field and more than a security may have.
        """
        op = SetPriceReminderOp
        items = self._items.setdefault(security, {})
        if c2s.op == op.ADD:
            return self._put(items, self._made(c2s))
        if c2s.op == op.DEL_ALL:
            items.clear()
            return 0
        if c2s.op not in (op.DEL_, op.ENABLE, op.DISABLE, op.MODIFY):
            raise RefusalError(f"op {int(c2s.op)} is no operation on a reminder")
        item = items.get(c2s.key or 0)
        if item is None:
            raise RefusalError(f"{security} has no reminder with key {c2s.key}")
        if c2s.op == op.DEL_:
            del items[item.key]
            return item.key
        if c2s.op == op.MODIFY:
            return self._put(items, _modified(item, c2s))
        return self._put(items, replace(item, is_enable=c2s.op == op.ENABLE))

    def _made(self, c2s: C2S) -> PriceReminderItem:
        if not c2s.type or not c2s.freq or c2s.value is None:
            raise RefusalError("a new reminder needs type, freq and value")
        return PriceReminderItem(
            key=self._last_key + 1,
            type=c2s.type,
            value=c2s.value,
            note=c2s.note or "",
            freq=c2s.freq,
            is_enable=True,
            reminder_session_list=c2s.reminder_session_list,
        )

    def _put(self, items: dict[int, PriceReminderItem], item: PriceReminderItem) -> int:
        if not (item.type.listed and item.freq.listed and isfinite(item.value)):
            raise RefusalError("type, freq or value is none that a reminder can have")
        if len(item.note) > NOTE_CHARACTERS:
            raise RefusalError(f"note has at most {NOTE_CHARACTERS} characters")
        alike = sum(one.type == item.type for one in items.values() if one.key != item.key)
        if alike >= MAX_REMINDERS:
            raise RefusalError(f"a security has at most {MAX_REMINDERS} reminders of one type")
        items[item.key] = item
        self._last_key = max(self._last_key, item.key)
        return item.key


def _modified(item: PriceReminderItem, c2s: C2S) -> PriceReminderItem:
    """The reminder with what the request names in place of what it was."""
    return replace(
        item,
        type=c2s.type or item.type,
        freq=c2s.freq or item.freq,
        value=item.value if c2s.value is None else c2s.value,
        note=item.note if c2s.note is None else c2s.note,
        reminder_session_list=c2s.reminder_session_list or item.reminder_session_list,
    )
