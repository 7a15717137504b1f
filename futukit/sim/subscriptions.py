"""Who is subscribed to what: quota, the one-minute rule and the routes of pushes.

The rules are OpenD's. One code with one type is one unit of quota; an option counts by its
chain and has a quota of its own. The quota belongs to the account: all connections share it, a
topic that two connections hold counts once and is free again when the last has let go. Nobody
may let go within a minute; a connection that goes away leaves its young subscriptions behind
until they are a minute old.

No clock here: ``now`` is an argument, in seconds of the simulated clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from futukit.sim.refusal import NO_QUOTA, NOT_SUBSCRIBED, TOO_EARLY, RefusalError

__all__ = [
    "MINIMUM_SECONDS",
    "OPTION_QUOTA",
    "Route",
    "SecurityKey",
    "Subscription",
    "SubscriptionBook",
    "Topic",
]

MINIMUM_SECONDS = 60.0
"""A subscription younger than this cannot be given up."""

OPTION_QUOTA = {100: 20, 300: 60, 1000: 200, 2000: 400}
"""Tier (units of subscription quota) → units of option quota."""

SecurityKey = str
"""A security as text: ``"HK.00700"``."""


class Topic(NamedTuple):
    """One security with one type of data (Qot_Common.SubType): a unit of quota."""

    security: SecurityKey
    sub_type: int

    def __str__(self) -> str:
        return f"{self.security} type {self.sub_type}"


class Route(NamedTuple):
    """What one connection wants pushed: a topic, and for K-lines which adjustment of prices."""

    topic: Topic
    rehab_type: int


@dataclass(slots=True)
class Subscription:
    """One topic of one connection.

    ``since`` is the simulated time it began, ``session`` the part of the US trading day it
    covers (Common.Session), ``detail`` whether the order book's single orders were asked for.
    """

    since: float
    session: int
    detail: bool = False


class _Unit(NamedTuple):
    """What quota counts: a security, or the chain of an option, with one type of data."""

    option: bool
    security: SecurityKey
    sub_type: int


_Pushes = dict[int, dict[int, dict[int, None]]]
"""SubType → connection id → the RehabTypes it registered. Dicts, for they keep their order."""


class SubscriptionBook:
    """The subscriptions of all connections of one OpenD.

    ``quota`` is the tier, ``option_quota`` the units for option chains; ``chain_of`` gives the
    underlying of an option and ``None`` for everything else.
    """

    def __init__(
        self,
        quota: int,
        option_quota: int,
        chain_of: Callable[[SecurityKey], SecurityKey | None],
    ) -> None:
        self.quota = quota
        self.option_quota = option_quota
        self._chain_of = chain_of
        self._held: dict[int, dict[Topic, Subscription]] = {}
        self._orphans: dict[Topic, float] = {}
        self._units: dict[_Unit, int] = {}
        self._pushes: dict[SecurityKey, _Pushes] = {}

    def open(self, connection_id: int) -> None:
        """A connection came."""
        self._held[connection_id] = {}

    def close(self, connection_id: int, now: float) -> None:
        """A connection went: its pushes end, its young subscriptions live on to their minute."""
        for topic, subscription in self._held.pop(connection_id, {}).items():
            self._end_pushes(topic, connection_id)
            ends = subscription.since + MINIMUM_SECONDS
            if ends <= now:
                self._release(topic)
            elif topic in self._orphans:
                self._orphans[topic] = max(ends, self._orphans[topic])
                self._release(topic)
            else:
                self._orphans[topic] = ends

    def expire(self, now: float) -> None:
        """End what closed connections left behind and what is a minute old by ``now``."""
        for topic in [topic for topic, ends in self._orphans.items() if ends <= now]:
            del self._orphans[topic]
            self._release(topic)

    def subscribe(
        self,
        connection_id: int,
        topics: Iterable[Topic],
        now: float,
        session: int,
        detail: bool = False,
    ) -> None:
        """Add topics, all or none. A topic held already keeps its age and takes the new flags.

        Raises RefusalError when the quota does not reach.
        """
        self.expire(now)
        mine = self._held[connection_id]
        wanted = dict.fromkeys(topics)
        self._check_quota(wanted)
        for topic in wanted:
            held = mine.get(topic)
            if held is not None:
                held.session, held.detail = session, detail
                continue
            mine[topic] = Subscription(now, session, detail)
            unit = self._unit_of(topic)
            self._units[unit] = self._units.get(unit, 0) + 1

    def unsubscribe(self, connection_id: int, topics: Iterable[Topic], now: float) -> None:
        """Give topics up, all or none, and their pushes with them; topics not held are passed over.

        Raises RefusalError when one of them is younger than a minute.
        """
        self.expire(now)
        mine = self._held[connection_id]
        held = [topic for topic in dict.fromkeys(topics) if topic in mine]
        for topic in held:
            age = now - mine[topic].since
            if age < MINIMUM_SECONDS:
                left = MINIMUM_SECONDS - age
                raise RefusalError(
                    f"{topic} was subscribed less than a minute ago: it can be unsubscribed "
                    f"in {left:.1f} seconds",
                    TOO_EARLY,
                )
        for topic in held:
            del mine[topic]
            self._end_pushes(topic, connection_id)
            self._release(topic)

    def unsubscribe_all(self, connection_id: int, now: float) -> None:
        """Give up everything this connection holds. Raises RefusalError as ``unsubscribe`` does."""
        self.unsubscribe(connection_id, tuple(self._held[connection_id]), now)

    def register(self, connection_id: int, routes: Iterable[Route]) -> None:
        """Have routes pushed, all or none. Raises RefusalError where a subscription lacks."""
        wanted = list(dict.fromkeys(routes))
        for route in wanted:
            self.require(connection_id, route.topic)
        for (security, sub_type), rehab_type in wanted:
            by_type = self._pushes.setdefault(security, {})
            by_type.setdefault(sub_type, {}).setdefault(connection_id, {})[rehab_type] = None

    def unregister(self, connection_id: int, topics: Iterable[Topic]) -> None:
        """End the pushes of topics; the subscriptions stay."""
        for topic in dict.fromkeys(topics):
            self._end_pushes(topic, connection_id)

    def require(self, connection_id: int, topic: Topic) -> Subscription:
        """The connection's subscription to ``topic``. Raises RefusalError when there is none."""
        found = self._held[connection_id].get(topic)
        if found is None:
            raise RefusalError(
                f"{topic} is not subscribed on this connection: subscribe first (3001)",
                NOT_SUBSCRIBED,
            )
        return found

    def types_pushed(self, security: SecurityKey) -> tuple[int, ...]:
        """The SubTypes of one security that somebody wants pushed."""
        return tuple(self._pushes.get(security, ()))

    def pushed_securities(self) -> tuple[SecurityKey, ...]:
        """The securities of which somebody wants something pushed."""
        return tuple(self._pushes)

    def receivers(self, topic: Topic) -> Iterator[tuple[int, int, Subscription]]:
        """Connection id, RehabType and subscription of everybody who wants ``topic`` pushed."""
        by_connection = self._pushes.get(topic.security, {}).get(topic.sub_type, {})
        for connection_id, rehab_types in by_connection.items():
            subscription = self._held[connection_id][topic]
            for rehab_type in rehab_types:
                yield connection_id, rehab_type, subscription

    def held_by(self, connection_id: int) -> dict[Topic, Subscription]:
        """What one connection is subscribed to, oldest first."""
        return self._held[connection_id]

    def connections(self) -> tuple[int, ...]:
        """The ids of the open connections, oldest first."""
        return tuple(self._held)

    @property
    def orphans(self) -> int:
        """How many subscriptions of closed connections still run to their minute."""
        return len(self._orphans)

    def used_by(self, topics: Iterable[Topic]) -> tuple[int, int]:
        """Units of quota and of option quota that ``topics`` take by themselves."""
        return _count({self._unit_of(topic) for topic in topics})

    def used(self) -> tuple[int, int]:
        """Units of quota and of option quota in use by all connections together."""
        return _count(self._units)

    def _check_quota(self, wanted: Iterable[Topic]) -> None:
        fresh = {self._unit_of(topic) for topic in wanted} - self._units.keys()
        for name, new, in_use, limit in zip(
            ("subscription", "option subscription"),
            _count(fresh),
            self.used(),
            (self.quota, self.option_quota),
            strict=True,
        ):
            if new and in_use + new > limit:
                raise RefusalError(
                    f"{name} quota exceeded: {new} needed, {limit - in_use} of {limit} left",
                    NO_QUOTA,
                )

    def _unit_of(self, topic: Topic) -> _Unit:
        chain = self._chain_of(topic.security)
        if chain is None:
            return _Unit(False, topic.security, topic.sub_type)
        return _Unit(True, chain, topic.sub_type)

    def _release(self, topic: Topic) -> None:
        unit = self._unit_of(topic)
        self._units[unit] -= 1
        if not self._units[unit]:
            del self._units[unit]

    def _end_pushes(self, topic: Topic, connection_id: int) -> None:
        by_type = self._pushes.get(topic.security, {})
        by_connection = by_type.get(topic.sub_type, {})
        if by_connection.pop(connection_id, None) is None:
            return
        if not by_connection:
            del by_type[topic.sub_type]
        if not by_type:
            del self._pushes[topic.security]


def _count(units: Collection[_Unit]) -> tuple[int, int]:
    options = sum(unit.option for unit in units)
    return len(units) - options, options
