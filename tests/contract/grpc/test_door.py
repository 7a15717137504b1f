"""The simulator's gRPC door, asked with plain grpcio."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from futukit import codec, sync
from futukit.enums import SubType
from futukit.errors import ConnectError, RequestTimeout, Unauthenticated, UsageError
from futukit.messages import (
    get_global_state,
    init_connect,
    keep_alive,
    notify,
    qot_get_basic_qot,
    qot_sub,
    qot_update_ticker,
)
from futukit.messages.futu_service import (
    REQUEST,
    SUBSCRIBE_PUSH,
    FutuRequest,
    FutuResponse,
    PushEvent,
)
from futukit.messages.qot_common import QotMarket, Security
from futukit.sim import SimulatedOpenD
from tests.contract.grpc.conftest import Connect
from tests.support.certificates import Certificates

SECURITY = Security(market=QotMarket.HK_SECURITY, code="00700")
SUB = qot_sub.Request(
    c2s=qot_sub.C2S(
        security_list=(SECURITY,),
        sub_type_list=(SubType.TICKER,),
        is_sub_or_un_sub=True,
        is_reg_or_un_reg_push=True,
        is_first_push=False,
    )
)
SECONDS = 5.0


class RawClient:
    """Bytes over plain grpcio."""

    def __init__(self, url: str, key: str | None = None) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(url.removeprefix("grpc://"), options)
        self.metadata = () if key is None else (("authorization", key),)
        self._request = self.channel.unary_unary(REQUEST)

    def send(self, data: bytes) -> FutuResponse:
        answer = self._request(data, metadata=self.metadata, timeout=SECONDS)
        return codec.decode(FutuResponse, answer)

    def ask(self, proto_id: int, message: Any = b"") -> FutuResponse:
        body = message if isinstance(message, bytes) else codec.encode(message)
        return self.send(codec.encode(FutuRequest(proto_id=proto_id, body=body)))

    def events(self) -> queue.Queue[PushEvent]:
        """The pushes from now on; the stream ends with the channel."""
        found: queue.Queue[PushEvent] = queue.Queue()
        stream = self.channel.unary_stream(SUBSCRIBE_PUSH)(b"", metadata=self.metadata)

        def read() -> None:
            try:
                for data in stream:
                    found.put(codec.decode(PushEvent, data))
            except grpc.RpcError:
                return

        threading.Thread(target=read, daemon=True).start()
        stream.initial_metadata()  # comes when the server has the stream
        return found


@pytest.fixture(scope="module")
def opend() -> Iterator[SimulatedOpenD]:
    with SimulatedOpenD(freeze=True, grpc=0) as serving:
        yield serving


@pytest.fixture
def raw(opend: SimulatedOpenD) -> Iterator[RawClient]:
    client = RawClient(opend.urls["grpc"])
    yield client
    client.channel.close()


def status_of(caught: pytest.ExceptionInfo[Any]) -> str:
    name: str = caught.value.code().name
    return name


def test_a_whole_request_and_a_bare_one_are_answered_alike(raw: RawClient) -> None:
    assert raw.ask(3001, SUB).ret_type == 0
    asked = qot_get_basic_qot.Request(c2s=qot_get_basic_qot.C2S(security_list=(SECURITY,)))
    whole, bare = raw.ask(3001, SUB), raw.ask(3001, SUB.c2s)
    assert whole == bare
    refused = raw.ask(3004, asked)
    assert refused.ret_type == -1
    assert refused.ret_msg
    said = codec.decode(qot_get_basic_qot.Response, refused.body or b"")
    assert (int(said.ret_type), said.ret_msg) == (-1, refused.ret_msg)
    assert raw.ask(3004, asked.c2s) == refused


@pytest.mark.parametrize("body", [b"\xff", codec.encode(SUB) + b"\x78\x01"])
def test_any_other_body_is_an_invalid_argument(raw: RawClient, body: bytes) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw.ask(3001, body)
    assert status_of(caught) == "INVALID_ARGUMENT"
    assert "neither a whole request" in caught.value.details()


def test_what_is_no_futu_request_is_an_invalid_argument(raw: RawClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw.send(b"\xff")
    assert status_of(caught) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("proto_id", [0, 3005, 99_999])
def test_an_unknown_id_is_refused_with_a_ret_type(raw: RawClient, proto_id: int) -> None:
    answer = raw.ask(proto_id)
    assert (answer.ret_type, answer.proto_id) == (-1, proto_id)
    assert "unknown proto id" in (answer.ret_msg or "")


def test_the_sessions_own_ids_are_answered_here(opend: SimulatedOpenD, raw: RawClient) -> None:
    hello = init_connect.Request(c2s=init_connect.C2S(client_ver=1, client_id="raw"))
    welcome = codec.decode(init_connect.Response, raw.ask(1001, hello).body or b"").s2c
    assert welcome is not None
    assert welcome.conn_aes_key == ""
    state = raw.ask(1002, get_global_state.Request(c2s=get_global_state.C2S(user_id=0)))
    told = codec.decode(get_global_state.Response, state.body or b"").s2c
    assert told is not None
    assert told.conn_id == welcome.conn_id
    beat = raw.ask(1004, keep_alive.Request(c2s=keep_alive.C2S(time=1)))
    time = codec.decode(keep_alive.Response, beat.body or b"").s2c
    assert time is not None
    assert time.time == int(opend.stats().now)


def test_a_push_says_what_it_is_about(opend: SimulatedOpenD, raw: RawClient) -> None:
    raw.ask(3001, SUB)
    events = raw.events()
    assert opend.advance(20).trades
    event = events.get(timeout=SECONDS)
    assert (event.proto_id, event.sec_key, event.sub_type) == (3011, "1_00700", SubType.TICKER)
    assert (event.event_type, event.acc_id) == ("quote", 0)
    s2c = codec.decode(qot_update_ticker.Response, event.body or b"").s2c
    assert s2c is not None
    assert s2c.security == SECURITY
    opend.notify("gtw_event", desc="told")
    while (event := events.get(timeout=SECONDS)).event_type != "notify":
        continue
    assert event.proto_id == 1003
    assert codec.decode(notify.Response, event.body or b"").s2c is not None


def test_pushes_wait_for_the_first_stream(opend: SimulatedOpenD, raw: RawClient) -> None:
    raw.ask(3001, SUB)
    opend.advance(20)
    assert raw.events().get(timeout=SECONDS).proto_id == 3011


def test_a_subscription_belongs_to_its_channel(opend: SimulatedOpenD, raw: RawClient) -> None:
    other = RawClient(opend.urls["grpc"])
    try:
        other_events = other.events()
        raw.ask(3001, SUB)
        events, again = raw.events(), raw.events()
        opend.advance(20)
        first = events.get(timeout=SECONDS)
        assert again.get(timeout=SECONDS) == first
        opend.notify("gtw_event", desc="to all")
        assert other_events.get(timeout=SECONDS).event_type == "notify"
    finally:
        other.channel.close()


def test_a_client_is_forgotten_with_its_last_stream(opend: SimulatedOpenD) -> None:
    before = opend.stats().connections
    client = sync.connect(opend.urls["grpc"])
    client.quote.subscribe(["HK.00005"], [SubType.TICKER])
    assert client.connection_id in opend.stats().connections
    assert opend.stats().unintroduced == 0
    connection_id = client.connection_id
    client.close()
    while connection_id in opend.stats().connections:
        continue
    assert set(opend.stats().connections) <= set(before)


def test_the_key_is_asked_of_calls_and_streams() -> None:
    with SimulatedOpenD(freeze=True, grpc=0, grpc_key="sesame") as opend:
        for key in (None, "sesame", "Bearer wrong", "Basic sesame"):
            raw = RawClient(opend.urls["grpc"], key)
            with pytest.raises(grpc.RpcError) as caught:
                raw.ask(1002)
            assert status_of(caught) == "UNAUTHENTICATED"
            with pytest.raises(grpc.RpcError) as caught:
                next(raw.channel.unary_stream(SUBSCRIBE_PUSH)(b"", metadata=raw.metadata))
            assert status_of(caught) == "UNAUTHENTICATED"
            raw.channel.close()
        with pytest.raises(Unauthenticated):
            sync.connect(opend.urls["grpc"], api_key="wrong")
        with sync.connect(opend.urls["grpc"], api_key="sesame") as client:
            assert client.state.value == "ready"
        assert "sesame" not in repr(opend.opend.settings)


def test_one_client_too_many_is_told() -> None:
    with (
        SimulatedOpenD(freeze=True, grpc=0, max_connections=1) as opend,
        sync.connect(opend.urls["grpc"]),
        pytest.raises(ConnectError, match="too many connections: 1 are open"),
    ):
        sync.connect(opend.urls["grpc"])


def test_a_client_that_never_reads_is_cut_alone() -> None:
    with SimulatedOpenD(freeze=True, grpc=0, write_limit_bytes=256 * 1024) as opend:
        slow = RawClient(opend.urls["grpc"])
        stream = slow.channel.unary_stream(SUBSCRIBE_PUSH)(b"")
        stream.initial_metadata()
        with sync.connect(opend.urls["grpc"]) as reader:
            while not opend.stats().slow_clients_cut:
                opend.notify("gtw_event", desc="x" * 10_000)
                assert reader.system.get_global_state().qot_logined
            assert reader.state.value == "ready"
            assert opend.stats().connections == (reader.connection_id,)
        with pytest.raises(grpc.RpcError):
            deque(stream, maxlen=0)
        slow.channel.close()


def test_a_command_waits_for_a_slow_client_only_so_long() -> None:
    limits: dict[str, Any] = {"write_limit_bytes": 2**20, "patience_seconds": 0.05}
    with SimulatedOpenD(freeze=True, grpc=0, **limits) as opend:
        slow = RawClient(opend.urls["grpc"])
        stream = slow.channel.unary_stream(SUBSCRIBE_PUSH)(b"")
        stream.initial_metadata()
        while not opend.stats().slow_clients_cut:
            opend.notify("gtw_event", desc="x" * 300_000)
            opend.advance(0.0)
        with pytest.raises(grpc.RpcError):
            deque(stream, maxlen=0)
        slow.channel.close()


@pytest.mark.parametrize("what", ["garbage", "body"])
def test_a_spoiled_push_is_a_clear_error(opend: SimulatedOpenD, what: str) -> None:
    with sync.connect(opend.urls["grpc"], reconnect_delay=0.01) as client:
        client.quote.subscribe(["HK.00700"], [SubType.TICKER], first_push=False)
        states: queue.Queue[Any] = queue.Queue()
        client.on_state(states.put)
        opend.fault("corrupt", what=what, proto_id=3011, connection_id=client.connection_id)
        opend.advance(20)
        if what == "garbage":
            assert states.get(timeout=SECONDS).state.value == "lost"
        else:
            pushes = client.pushes(qot_update_ticker.Response)
            opend.advance(20)
            next(iter(pushes))
            assert client.state.value == "ready"


def test_a_spoiled_or_delayed_answer(opend: SimulatedOpenD) -> None:
    with sync.connect(opend.urls["grpc"]) as client:
        own = client.connection_id
        opend.fault("delay", seconds=1.0, proto_id=1005, connection_id=own)
        with pytest.raises(RequestTimeout):
            client.call_bytes(1005, b"\x0a\x00", timeout=0.1)
        opend.fault("corrupt", what="body", proto_id=1005, connection_id=own)
        body = client.call_bytes(1005, b"\x0a\x00")
        assert body != client.call_bytes(1005, b"\x0a\x00")
        opend.fault("refuse", proto_id=1005, connection_id=own, message="no")
        assert b"no" in client.call_bytes(1005, b"\x0a\x00")


def test_a_cut_push_ends_the_streams(opend: SimulatedOpenD) -> None:
    with sync.connect(opend.urls["grpc"], reconnect_delay=0.01) as client:
        client.quote.subscribe(["HK.00700"], [SubType.TICKER], first_push=False)
        states: queue.Queue[Any] = queue.Queue()
        client.on_state(states.put)
        opend.fault("cut", proto_id=3011, connection_id=client.connection_id)
        opend.advance(20)
        lost = states.get(timeout=SECONDS)
        assert lost.state.value == "lost"
        assert "cut by a fault" in str(lost.reason)
        while states.get(timeout=SECONDS).state.value != "ready":
            continue


def test_a_port_that_is_taken_is_a_connect_error(opend: SimulatedOpenD) -> None:
    port = int(opend.urls["grpc"].rpartition(":")[2])
    with (
        pytest.raises(ConnectError, match=f"cannot listen on 127.0.0.1:{port}"),
        SimulatedOpenD(grpc=port),
    ):
        raise AssertionError("it serves")


def test_a_far_address_needs_tls() -> None:
    with (
        pytest.raises(UsageError, match=r"gRPC on an address that is not local needs tls_cert"),
        SimulatedOpenD(host="0.0.0.0", port=None, grpc=0),
    ):
        raise AssertionError("it serves")


def test_a_spawned_one_serves_grpc_too() -> None:
    with (
        SimulatedOpenD.spawn(freeze=True, grpc=0, grpc_key="sesame") as opend,
        sync.connect(opend.urls["grpc"], api_key="sesame") as client,
    ):
        assert client.system.get_global_state().qot_logined
        client.quote.subscribe(["HK.00700"], [SubType.TICKER], first_push=False)
        pushes = client.pushes(qot_update_ticker.Response)
        opend.advance(20)
        assert next(iter(pushes)).security == SECURITY


def test_a_spawned_one_serves_grpc_under_tls(issued: Certificates) -> None:
    options: dict[str, Any] = {"tls_cert": issued.certificate, "tls_key": issued.key}
    with (
        SimulatedOpenD.spawn(freeze=True, grpc=0, **options) as opend,
        sync.connect(opend.urls["grpcs"], tls_ca=issued.authority) as client,
    ):
        assert client.state.value == "ready"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "is not trusted; give tls_ca"),
        ({"tls_ca": "stranger"}, "is not trusted; give tls_ca"),
        (
            {"tls_ca": "authority", "tls_server_name": "opend.example"},
            "is for another name; give tls_server_name",
        ),
    ],
)
def test_a_certificate_that_will_not_do_is_named(
    issued: Certificates, connect: Connect, options: dict[str, str], reason: str
) -> None:
    if "tls_ca" in options:
        options = {**options, "tls_ca": getattr(issued, options["tls_ca"])}
    settings: dict[str, Any] = {"tls_cert": issued.certificate, "tls_key": issued.key}
    with (
        SimulatedOpenD(freeze=True, port=None, grpc=0, **settings) as opend,
        pytest.raises(ConnectError, match=reason),
    ):
        connect(opend.urls["grpcs"], **options)


def test_tls_and_no_tls_do_not_understand_each_other(
    issued: Certificates, connect: Connect, opend: SimulatedOpenD
) -> None:
    settings: dict[str, Any] = {"tls_cert": issued.certificate, "tls_key": issued.key}
    with pytest.raises(ConnectError, match="does not speak TLS"):
        connect(opend.urls["grpc"].replace("grpc", "grpcs"))
    with (
        SimulatedOpenD(freeze=True, port=None, grpc=0, **settings) as secure,
        pytest.raises(ConnectError),
    ):
        connect(secure.urls["grpcs"].replace("grpcs", "grpc"))


def test_another_protocol_on_the_port_is_a_clear_error(
    connect: Connect, opend: SimulatedOpenD
) -> None:
    for scheme in ("grpc", "grpcs"):
        with pytest.raises(ConnectError, match=f"cannot connect to {scheme}://"):
            connect(f"{scheme}://127.0.0.1:{opend.port}", connect_timeout=SECONDS)
