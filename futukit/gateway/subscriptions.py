"""Who holds which topic, and what OpenD has to be asked for it.

Each topic is taken from OpenD once, whoever holds it, and given up when the last has let go. Nobody
may let go within a minute, neither a member nor the gateway itself: what was left early waits. No
clock and no request here: ``now`` is an argument, in seconds, and asking is the hub's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from futukit.core.push import Push
from futukit.gateway.asking import Need
from futukit.gateway.members import Member
from futukit.gateway.topics import Flags, Topic

__all__ = ["MINIMUM_SECONDS", "MOST_EARLY", "MOST_REFUSALS", "Entry", "Held", "TopicBook"]

MINIMUM_SECONDS: Final = 60.0
"""A subscription younger than this cannot be given up (OpenD's rule)."""

MOST_EARLY: Final = 1000
"""Pushes of a topic that are kept while OpenD is asked for it."""

MOST_REFUSALS: Final = 3
"""What OpenD has refused to end so often it will not end on this connection."""


@dataclass(slots=True)
class Held:
    """One topic of one member: since when, how, and which variants of its pushes it gets."""

    since: float
    flags: Flags
    variants: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Entry:
    """One topic as OpenD has it.

    ``variants`` are those whose pushes come, ``begun`` those whose first push was asked for, and
    ``last`` is the newest push of each. ``taken`` says that OpenD has confirmed it, ``doubtful``
    that it may have it. ``early`` is what came since it was asked for, while it is, and
    ``refusals`` how often OpenD would not end it.
    """

    since: float
    flags: Flags
    taken: bool = False
    doubtful: bool = False
    variants: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)
    last: dict[int, Push] = field(default_factory=dict)
    holders: dict[Member, Held] = field(default_factory=dict)
    early: list[tuple[int, Push]] | None = None
    refusals: int = 0


class TopicBook:
    """The topics of one gateway, with their holders."""

    def __init__(self) -> None:
        self._entries: dict[Topic, Entry] = {}
        self._held: dict[Member, dict[Topic, Held]] = {}
        self._free: dict[Topic, float] = {}

    def __len__(self) -> int:
        return len(self._entries)

    # What OpenD has.

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._entries

    def need(
        self, topic: Topic, flags: Flags | None, numbers: set[int], *, first: bool
    ) -> Need | None:
        """What OpenD must be asked before a topic can be held like that; None for nothing.

        ``numbers`` are the variants to push, ``flags`` None leaves them as they are. With
        ``first`` there has to be a first push of each variant, or one on its way.
        """
        entry = self._entries.get(topic)
        if entry is None or not (entry.taken or entry.holders):
            return Need(flags or Flags(), tuple(sorted(numbers)), first)
        joined = entry.flags if flags is None else entry.flags.joined(flags)
        if not entry.taken or joined != entry.flags:
            return Need(joined, tuple(sorted(numbers | entry.variants)), first)
        lacking = numbers - entry.variants
        if first:
            lacking |= numbers - entry.begun - entry.last.keys()
        return Need(joined, tuple(sorted(lacking)), first) if lacking else None

    def expect(self, topics: Iterable[Topic], now: float) -> None:
        """These are about to be asked for: pushes may come before the answer, and are kept."""
        for topic in topics:
            entry = self._entries.get(topic)
            if entry is None or not (entry.taken or entry.holders):
                # What was known of it was of another subscription.
                doubtful = entry is not None and entry.doubtful
                entry = self._entries[topic] = Entry(now, Flags(), doubtful=doubtful)
            if entry.early is None:
                entry.early = []

    def settle(self, topics: Iterable[Topic]) -> None:
        """The asking is over, and what came meanwhile has been given out."""
        for topic in topics:
            if topic in self._entries:
                self._entries[topic].early = None

    def confirm(
        self, topics: Iterable[Topic], flags: Flags, variants: set[int], now: float, *, first: bool
    ) -> None:
        """OpenD has these now; who does not get a holder is given up when it is old enough."""
        for topic in topics:
            entry = self._entries[topic]
            if not entry.taken:
                entry.since, entry.variants, entry.begun = now, set(), set()
            entry.taken, entry.doubtful = True, False
            entry.flags = flags
            entry.variants |= variants
            if first:
                entry.begun |= variants
            self._free_unheld(topic, entry.since)

    def fail(self, topics: Iterable[Topic]) -> None:
        """OpenD refused: what it did not have before and nobody holds is forgotten."""
        for topic in topics:
            entry = self._entries[topic]
            if not (entry.taken or entry.doubtful or entry.holders):
                self.forget((topic,))

    def doubt(self, topics: Iterable[Topic], now: float) -> None:
        """OpenD was asked and did not answer: it may have these.

        Who wants them asks again; what nobody wants is ended when it is old enough.
        """
        for topic in topics:
            entry = self._entries[topic]
            if not entry.taken:
                entry.doubtful = True
                self._free_unheld(topic, now)

    def _free_unheld(self, topic: Topic, since: float) -> None:
        if not self._entries[topic].holders:
            self._free[topic] = since + MINIMUM_SECONDS

    def renewed(self, now: float, *, restored: bool) -> None:
        """There is a new connection to OpenD; ``restored`` says whether it took all of it again."""
        for topic, entry in self._entries.items():
            entry.since = now
            if not restored:
                entry.taken, entry.doubtful = False, entry.taken or entry.doubtful
            entry.refusals = 0
            self._free_unheld(topic, now)

    def missing(self) -> tuple[tuple[Topic, Entry], ...]:
        """What is held and OpenD does not have."""
        entries = self._entries.items()
        return tuple((topic, one) for topic, one in entries if one.holders and not one.taken)

    def due(self, now: float) -> tuple[Topic, ...]:
        """What nobody holds and OpenD can be asked to end."""
        return tuple(topic for topic, free in self._free.items() if free <= now)

    def header_of(self, topic: Topic) -> Any:
        """The QotHeader that a topic was taken with."""
        return self._entries[topic].flags.header

    @property
    def next_due(self) -> float:
        """When something is due next; ``inf`` for never."""
        return min(self._free.values(), default=inf)

    def ending(self, topics: Iterable[Topic]) -> list[Topic]:
        """Those of these that OpenD has to be asked to end; the others it does not have.

        From here on it is not known whether it has them: nobody can hold them without asking.
        """
        asked = []
        for topic in topics:
            entry = self._entries[topic]
            if entry.taken or entry.doubtful:
                entry.taken, entry.doubtful = False, True
                asked.append(topic)
            else:
                self.forget((topic,))
        return asked

    def postpone(self, topics: Iterable[Topic], until: float, *, refused: bool) -> list[Topic]:
        """Ending these did not work: try again later.

        Gives those that were refused too often: they wait for the next connection.
        """
        hopeless = []
        for topic in topics:
            entry = self._entries[topic]
            entry.refusals += refused
            self._free[topic] = until
            if entry.refusals >= MOST_REFUSALS:
                del self._free[topic]
                hopeless.append(topic)
        return hopeless

    def forget(self, topics: Iterable[Topic]) -> None:
        """OpenD does not have these, and nobody holds them."""
        for topic in topics:
            self._free.pop(topic, None)
            del self._entries[topic]

    # Who holds what.

    def hold(self, member: Member, topics: Iterable[Topic], flags: Flags, now: float) -> None:
        """Let a member have topics."""
        mine = self._held.setdefault(member, {})
        for topic in topics:
            held = mine.setdefault(topic, Held(now, flags))
            held.flags = flags
            self._entries[topic].holders[member] = held
            self._free.pop(topic, None)

    def register(self, member: Member, wanted: dict[Topic, set[int]], *, first: bool) -> list[Push]:
        """Push these variants of held topics to a member; gives what it is to get at once.

        That is what came since they were asked for, and with ``first`` the newest push of what
        came before.
        """
        missed: list[Push] = []
        for topic, numbers in wanted.items():
            held = self._held.get(member, {}).get(topic)
            if held is None:
                continue
            entry = self._entries[topic]
            for number in sorted(numbers):
                came = [push for variant, push in entry.early or () if variant == number]
                if came:
                    # Who had the variant before has got them, as every holder.
                    missed += [] if number in held.variants else came
                elif first and number in entry.last:
                    missed.append(entry.last[number])
            held.variants |= numbers
        return missed

    def unregister(self, member: Member, topics: Iterable[Topic]) -> None:
        """Push nothing of these topics to a member any more; they stay subscribed."""
        for topic in topics:
            held = self._held.get(member, {}).get(topic)
            if held is not None:
                held.variants.clear()

    def young(self, member: Member, topics: Iterable[Topic], now: float) -> tuple[Topic, float]:
        """The youngest of these topics and the seconds until its holder may let go; 0 is now."""
        mine = self._held.get(member, {})
        ages = [(mine[topic].since, topic) for topic in topics if topic in mine]
        since, topic = max(ages, default=(-inf, Topic(0, "", 0)))
        return topic, max(0.0, since + MINIMUM_SECONDS - now)

    def release(self, member: Member, topics: Iterable[Topic]) -> None:
        """A member lets go."""
        mine = self._held.get(member, {})
        for topic in topics:
            if mine.pop(topic, None) is not None:
                entry = self._entries[topic]
                del entry.holders[member]
                self._free_unheld(topic, entry.since)
        if not mine:
            self._held.pop(member, None)

    def held_by(self, member: Member) -> dict[Topic, Held]:
        """What a member holds, oldest first."""
        return dict(self._held.get(member, {}))

    # Pushes.

    def take(self, topic: Topic, variant: int, push: Push) -> Iterator[Member]:
        """Note the newest push of a topic; gives the members that get it."""
        entry = self._entries.get(topic)
        if entry is not None:
            entry.last[variant] = push
            if entry.early is not None and len(entry.early) < MOST_EARLY:
                entry.early.append((variant, push))
            for member, held in entry.holders.items():
                if variant in held.variants:
                    yield member

    def last(self, topic: Topic, variant: int) -> Push | None:
        """The newest push of a topic, if there was one."""
        entry = self._entries.get(topic)
        return None if entry is None else entry.last.get(variant)

    @property
    def holders(self) -> int:
        """How many holdings there are: topics, each counted for each member that has it."""
        return sum(map(len, self._held.values()))
