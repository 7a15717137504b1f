"""Who holds which topic, and what OpenD has to be asked for it.

Each topic is taken from OpenD once, whoever holds it, and given up when the last has let go. Nobody
may let go within a minute, neither a member nor the gateway itself: what was left early waits. No
clock and no request here: ``now`` is an argument, in seconds, and asking is the hub's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Final

from futukit.core.push import Push
from futukit.gateway.members import Member
from futukit.gateway.topics import Flags, Topic

__all__ = ["MINIMUM_SECONDS", "Entry", "Held", "TopicBook"]

MINIMUM_SECONDS: Final = 60.0
"""A subscription younger than this cannot be given up (OpenD's rule)."""


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
    ``last`` is the newest push of each. ``taken`` is false until OpenD has confirmed it.
    """

    since: float
    flags: Flags
    taken: bool = False
    variants: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)
    last: dict[int, Push] = field(default_factory=dict)
    holders: dict[Member, Held] = field(default_factory=dict)


class TopicBook:
    """The topics of one gateway, with their holders."""

    def __init__(self) -> None:
        self._entries: dict[Topic, Entry] = {}
        self._held: dict[Member, dict[Topic, Held]] = {}
        self._free: dict[Topic, float] = {}

    def __len__(self) -> int:
        return len(self._entries)

    # What OpenD has.

    def lacks(
        self, topics: Iterable[Topic], flags: Flags, wanted: dict[Topic, set[int]], *, first: bool
    ) -> bool:
        """Whether OpenD must be asked before these topics can be held like that.

        With ``first`` there has to be a first push of what is ``wanted``, or one on its way.
        """
        for topic in topics:
            entry = self._entries.get(topic)
            if entry is None or not entry.taken or entry.flags.joined(flags) != entry.flags:
                return True
            numbers = wanted.get(topic, set())
            if not numbers <= entry.variants:
                return True
            if first and not numbers <= entry.begun | entry.last.keys():
                return True
        return False

    def joined(self, topics: Iterable[Topic], flags: Flags) -> Flags:
        """Flags that serve the holders of these topics, and a new one with ``flags``."""
        for topic in topics:
            if topic in self._entries:
                flags = flags.joined(self._entries[topic].flags)
        return flags

    def expect(self, topics: Iterable[Topic], now: float) -> None:
        """These are about to be asked for: their first pushes may come before the answer."""
        for topic in topics:
            if topic not in self._entries:
                self._entries[topic] = Entry(now, Flags())

    def confirm(
        self,
        topics: Iterable[Topic],
        flags: Flags,
        wanted: dict[Topic, set[int]],
        now: float,
        *,
        first: bool,
    ) -> None:
        """OpenD has these now; who does not get a holder is given up when it is old enough."""
        for topic in topics:
            entry = self._entries.setdefault(topic, Entry(now, flags))
            if not entry.taken:
                entry.since = now
            entry.taken = True
            entry.flags = flags
            entry.variants |= wanted.get(topic, set())
            if first:
                entry.begun |= wanted.get(topic, set())
            if not entry.holders:
                self._free[topic] = entry.since + MINIMUM_SECONDS

    def fail(self, topics: Iterable[Topic]) -> None:
        """OpenD refused: what it did not have before is forgotten."""
        for topic in topics:
            entry = self._entries.get(topic)
            if entry is not None and not entry.taken:
                del self._entries[topic]

    def renewed(self, now: float) -> None:
        """There is a new connection to OpenD: what was taken is a new subscription there."""
        for topic, entry in self._entries.items():
            entry.since = now
            if topic in self._free:
                self._free[topic] = now + MINIMUM_SECONDS

    def due(self, now: float) -> tuple[Topic, ...]:
        """What nobody holds and OpenD can be asked to end."""
        return tuple(topic for topic, free in self._free.items() if free <= now)

    @property
    def next_due(self) -> float:
        """When something is due next; ``inf`` for never."""
        return min(self._free.values(), default=inf)

    def ending(self, topics: Iterable[Topic]) -> None:
        """OpenD is about to be asked to end these: nobody can hold them without asking, too."""
        for topic in topics:
            self._entries[topic].taken = False

    def postpone(self, topics: Iterable[Topic], until: float) -> None:
        """Ending these did not work: try again later."""
        for topic in topics:
            self._entries[topic].taken = True
            self._free[topic] = until

    def forget(self, topics: Iterable[Topic]) -> None:
        """OpenD has ended these."""
        for topic in topics:
            del self._free[topic]
            del self._entries[topic]

    # Who holds what.

    def hold(
        self,
        member: Member,
        topics: Iterable[Topic],
        flags: Flags,
        wanted: dict[Topic, set[int]] | None,
        now: float,
    ) -> list[tuple[Topic, int]]:
        """Let a member have topics; gives those whose pushes are new to it, with their variants.

        ``wanted`` are the variants to push; None leaves those that there are.
        """
        mine = self._held.setdefault(member, {})
        for topic in topics:
            held = mine.get(topic)
            if held is None:
                held = mine[topic] = self._entries[topic].holders[member] = Held(now, flags)
            held.flags = flags
            self._free.pop(topic, None)
        return [] if wanted is None else self.register(member, wanted)

    def register(self, member: Member, wanted: dict[Topic, set[int]]) -> list[tuple[Topic, int]]:
        """Push these variants to a member; gives those that are new to it."""
        new = []
        for topic, numbers in wanted.items():
            held = self._held.get(member, {}).get(topic)
            if held is not None:
                new += [(topic, number) for number in sorted(numbers - held.variants)]
                held.variants |= numbers
        return new

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
                if not entry.holders:
                    self._free[topic] = entry.since + MINIMUM_SECONDS
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

    def wanted(self) -> Iterator[tuple[Topic, Entry]]:
        """Every topic that somebody holds, with what OpenD should have of it."""
        for topic, entry in self._entries.items():
            if entry.holders:
                yield topic, entry
