"""The simulated OpenD itself: requests in, responses out, pushes to whom they concern.

It knows no socket and no frame. A channel brings a client in with ``join``, hands over each
request's body with ``answer`` and takes pushes through the peer's sink; so every channel serves
the same market, the same subscriptions and the same quota.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from futukit import codec
from futukit.core.push import Push, PushSink
from futukit.errors import DecodeError, UsageError
from futukit.messages import common, init_connect, qot_common, registry
from futukit.sim.answers import SchemaAnswers
from futukit.sim.faults import FaultPlan
from futukit.sim.history import HistoryQuota
from futukit.sim.keys import KeyMaker
from futukit.sim.market import Event, Market
from futukit.sim.peer import Peer
from futukit.sim.personal import PriceReminders, WatchLists
from futukit.sim.publisher import Publisher
from futukit.sim.refusal import BAD_BODY, UNKNOWN_PROTO_ID, UNKNOWN_SECURITY, RefusalError
from futukit.sim.registry import HandlerTable
from futukit.sim.schema import fields_of
from futukit.sim.settings import Settings
from futukit.sim.subscriptions import SubscriptionBook
from futukit.sim.timetable import Timetable
from futukit.sim.trading import TradingDesk
from futukit.sim.universe import MarketUniverse
from futukit.types import market_of

__all__ = ["Call", "OpenD"]

SERVER_VERSION: Final = 1011
"""What ``serverVer`` says: the release of OpenD whose schema is served, 10.11."""

_NOTIFY: Final = 1003
_FAILURE: Final = init_connect.Response
"""Every Response has retType, retMsg and errCode at the same numbers: this one stands for all."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through a handler."""

    opend: OpenD
    peer: Peer
    proto_id: int

    def key_of(self, security: qot_common.Security) -> str:
        """The market's key of a security. Raises RefusalError when there is no such security."""
        return self.opend.key_of(security)


class OpenD:
    """One simulated OpenD with its market, its clients and its faults."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        seed = self.settings.seed
        self.market = Market(seed, self.settings.start, self.settings.intensity)
        self.book = SubscriptionBook(
            self.settings.quota, self.settings.option_quota, self._chain_of
        )
        self.history_quota = HistoryQuota(self.settings.quota)
        # The market has keys, but is no mapping.
        instruments = {key: self.market.instrument(key) for key in self.market.keys()}  # noqa: SIM118
        self.watch_lists = WatchLists(seed, instruments)
        self.reminders = PriceReminders()
        self.handlers = HandlerTable()
        self.faults = FaultPlan()
        self.timetable = Timetable()
        self.trading = TradingDesk(self.market, seed, self.settings.trade_password, self.timetable)
        self.peers: dict[int, Peer] = {}
        self.requests: Counter[int] = Counter()
        self.pushes: Counter[int] = Counter()
        self.publisher = Publisher(self)
        self._universe = MarketUniverse(self.market)
        self._schema_answers = SchemaAnswers(seed, self._universe)
        self._keys = KeyMaker(seed if self.settings.insecure_fixed_keys else None)
        self._connection_ids: set[int] = set()

    # Clients.

    def welcome(self) -> init_connect.S2C:
        """What InitConnect tells a new client; its connection id is taken until ``forget``."""
        connection_id = self._keys.connection_id(self._connection_ids)
        self._connection_ids.add(connection_id)
        return init_connect.S2C(
            server_ver=SERVER_VERSION,
            login_user_id=self.login_user_id,
            conn_id=connection_id,
            conn_aes_key=self._keys.aes_key(),
            keep_alive_interval=self.settings.keep_alive_interval,
            user_attribution=common.UserAttribution.HK,
        )

    def new_iv(self) -> str:
        """An initialisation vector for a new connection."""
        return self._keys.iv()

    @property
    def login_user_id(self) -> int:
        """The account that this OpenD is logged in with."""
        return 10_000_000 + self.settings.seed % 1_000_000

    def join(self, welcome: init_connect.S2C, hello: init_connect.C2S, sink: PushSink) -> Peer:
        """A client has introduced itself: from now on it can ask and be pushed to."""
        peer = Peer(welcome.conn_id, bool(hello.recv_notify), sink)
        self.peers[peer.connection_id] = peer
        self.book.open(peer.connection_id)
        return peer

    def forget(self, connection_id: int) -> None:
        """A connection is gone, introduced or not: its pushes end, its quota follows the rules."""
        self._connection_ids.discard(connection_id)
        if self.peers.pop(connection_id, None) is not None:
            self.book.close(connection_id, self.now)
            self.trading.access.forget(connection_id)

    # Requests.

    def answer(self, peer: Peer, proto_id: int, body: bytes, body_format: int = 0) -> Struct:
        """The response to a request's plain body. Never raises for what a client sends.

        Whoever calls this runs ``after_reply`` of the peer once the response is on its way.
        """
        self.requests[proto_id] += 1
        try:
            request_type = self._request_type(proto_id)
        except RefusalError as unknown:
            return _failure(_FAILURE, unknown)
        try:
            request: Struct = codec.decode_body(request_type, body, body_format)
        except DecodeError as error:
            refusal = RefusalError(f"the request cannot be read: {error}", BAD_BODY)
            return _failure(registry.response_class(proto_id), refusal)
        return self.call(peer, proto_id, request)

    def call(self, peer: Peer, proto_id: int, request: Struct) -> Struct:
        """The response to a request message of a known id."""
        response_type = registry.response_class(proto_id)
        try:
            self._refuse_by_fault(peer, proto_id)
            return self._respond(Call(self, peer, proto_id), request, response_type)
        except RefusalError as refusal:
            return _failure(response_type, refusal)
        except UsageError as error:
            # The market's own complaints: written for whoever asked.
            return _failure(response_type, RefusalError(str(error)))

    def key_of(self, security: qot_common.Security) -> str:
        """The market's key of a security. Raises RefusalError when there is no such security."""
        try:
            key = self.market.key_of(security)
        except UsageError as error:
            raise RefusalError(str(error), UNKNOWN_SECURITY) from error
        return key

    def _respond(self, call: Call, request: Struct, response_type: type[Struct]) -> Struct:
        c2s: Any = getattr(request, "c2s", None)
        if c2s is None:
            return self._schema_answers.answer(call.proto_id, request, response_type)
        handler = self.handlers.find(call.proto_id)
        s2c = handler(call, c2s) if handler else self.schema_answer(call.proto_id, c2s)
        return response_type(ret_type=common.RetType.SUCCEED, s2c=s2c)

    def schema_answer(self, proto_id: int, c2s: Struct) -> Struct:
        """The S2C that the schema gives for a C2S: what ids without a handler are answered with."""
        fields = {field.attribute: field for field in fields_of(registry.response_class(proto_id))}
        return self._schema_answers.answer(proto_id, c2s, fields["s2c"].target)

    def _refuse_by_fault(self, peer: Peer, proto_id: int) -> None:
        fault = self.faults.take_refusal(peer.connection_id, proto_id)
        if fault is not None:
            raise RefusalError(fault.message, ret_type=fault.ret_type)

    def _request_type(self, proto_id: int) -> type[Struct]:
        if proto_id in registry.REQUEST_IDS and registry.row(proto_id).module is not None:
            request_type: type[Struct] = registry.request_class(proto_id)
            return request_type
        raise RefusalError(f"unknown proto id {proto_id}", UNKNOWN_PROTO_ID)

    # Pushes.

    def push(self, connection_ids: Iterable[int], push: Push) -> None:
        """Send one push to some clients."""
        for connection_id in connection_ids:
            self.pushes[push.proto_id] += 1
            self.peers[connection_id].sink.send_push(push)

    def notify(self, message: Struct) -> int:
        """Push a Notify message (1003) to all clients that asked for it; returns how many did."""
        asked = [peer.connection_id for peer in self.peers.values() if peer.recv_notify]
        self.push(asked, Push(_NOTIFY, message))
        return len(asked)

    # Time.

    @property
    def now(self) -> float:
        """The simulated time, epoch seconds."""
        return self.market.now

    def local_text(self, epoch: float, market: int) -> str:
        """A time on the clock of a market (Qot_Common.QotMarket), as OpenD writes it."""
        zone = ZoneInfo(market_of(market).zone or "UTC")
        return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M:%S}"

    def happened(self, events: Iterable[Event]) -> None:
        """The market moved: publish what it did and do what has become due."""
        events = tuple(events)
        self.publisher.publish(events)
        self.trading.happened(events)
        self.timetable.run(self.now)
        self.book.expire(self.now)
        self.publisher.publish_orders(self.trading.take_news())

    def traded(self) -> None:
        """A request has changed orders: publish that, and what it did to the order books."""
        self.happened(self.market.advance(0.0))

    def _chain_of(self, key: str) -> str | None:
        return self.publisher.chain_of(key)


def _failure(response_type: type[Struct], refusal: RefusalError) -> Struct:
    return response_type(
        ret_type=common.RetType(refusal.ret_type),
        ret_msg=refusal.reason,
        err_code=refusal.err_code,
    )
