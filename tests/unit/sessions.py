"""A client and a server session face to face, for the tests of the session."""

from __future__ import annotations

from math import inf
from typing import Any

from futukit import codec
from futukit._native.frame import Envelope, FrameReader, build_frame
from futukit.core.events import Event, Ready
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ConnectGreeting
from futukit.core.session.machine import INIT_CONNECT
from futukit.core.states import State
from futukit.messages import (
    get_user_info,
    init_connect,
    qot_sub,
    trd_common,
    trd_reconfirm_order,
)
from futukit.messages.common import PacketID, RetType

USER_INFO = 1005
ORDER = 2237
SUBSCRIBE = 3001
PUSH = 3011
INTERVAL = 10

HELLO = init_connect.C2S(client_ver=1, client_id="test")
WELCOME = init_connect.S2C(
    server_ver=1011,
    login_user_id=4711,
    conn_id=77,
    conn_aes_key="0123456789abcdef",
    keep_alive_interval=INTERVAL,
)
ASK = get_user_info.C2S()
ANSWER = get_user_info.Response(ret_type=RetType.SUCCEED, s2c=get_user_info.S2C())


def frames(data: bytes) -> list[Envelope]:
    reader = FrameReader()
    reader.feed(data)
    found = list(reader)
    reader.eof()
    return found


def receive(
    session: ClientSession | ServerSession, packets: bytes | list[Envelope], now: float = 0.0
) -> list[Event]:
    """Let a session have bytes, or packets, as a channel would bring them."""
    if not isinstance(packets, bytes):
        packets = b"".join(
            build_frame(packet.proto_id, packet.serial, packet.body, packet.body_format)
            for packet in packets
        )
    reader = session.link.reader
    assert isinstance(reader, FrameReader)
    reader.feed(packets)
    return session.receive(now)


class Pair:
    """A client and a server session with a wire between them that the test looks at."""

    def __init__(self, **options: Any) -> None:
        self.pushed: list[bytes] = []
        self.client = ClientSession(
            ConnectGreeting(HELLO), sinks={PUSH: self.pushed.append}, **options
        )
        self.server = ServerSession(WELCOME, now=0.0, idle_timeout=inf)

    def to_server(self, now: float = 0.0) -> list[Event]:
        return receive(self.server, self.client.take(), now)

    def to_client(self, now: float = 0.0) -> list[Event]:
        return receive(self.client, self.server.take(), now)

    def ready(self) -> Pair:
        self.client.connect(0.0)
        self.to_server()
        [ready] = self.to_client()
        assert isinstance(ready, Ready)
        return self


def order() -> trd_reconfirm_order.C2S:
    return trd_reconfirm_order.C2S(
        packet_id=PacketID(conn_id=0, serial_no=0),
        header=trd_common.TrdHeader(
            trd_env=trd_common.TrdEnv.SIMULATE, acc_id=1, trd_market=trd_common.TrdMarket.HK
        ),
        order_id=5,
        reconfirm_reason=1,
    )


CLIENT_STATES = [State.IDLE, State.GREETING, State.RESTORING, State.READY, State.CLOSED]
SERVER_STATES = [State.IDLE, State.READY, State.CLOSED]  # GREETING ends within one call


def client_in(state: State) -> ClientSession:
    restore = [(SUBSCRIBE, qot_sub.C2S(is_sub_or_un_sub=True))] if state is State.RESTORING else []
    pair = Pair(restore=restore)
    if state is State.IDLE:
        return pair.client
    pair.client.connect(0.0)
    if state is State.GREETING:
        return pair.client
    pair.to_server()
    pair.to_client()
    if state is State.CLOSED:
        pair.client.close()
    assert pair.client.state is state
    return pair.client


def server_in(state: State) -> ServerSession:
    pair = Pair()
    if state is not State.IDLE:
        pair.ready()
    if state is State.CLOSED:
        pair.server.close()
    assert pair.server.state is state
    return pair.server


def welcome_packet() -> Envelope:
    """The answer to InitConnect, as a client of ``client_in`` expects it."""
    body = codec.encode(init_connect.Response(ret_type=RetType.SUCCEED, s2c=WELCOME))
    return Envelope(INIT_CONNECT, 1, 0, body)
