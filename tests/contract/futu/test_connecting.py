"""Constructors: waiting for a server, and what no waiting mends."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from futukit.errors import ConnectError, HandshakeError, RequestTimeout
from futukit.futu import (
    RET_ERROR,
    RET_OK,
    ContextStatus,
    OpenFutureTradeContext,
    OpenQuoteContext,
    OpenSecTradeContext,
    ProtoFMT,
    SysConfig,
    TrdMarket,
)
from futukit.messages import init_connect
from futukit.sim import SimulatedOpenD
from tests.contract.clients.opend import FakeOpenD, refuse
from tests.contract.futu.conftest import (
    GLOBAL_STATE,
    SECONDS,
    Open,
    in_background,
    no_server,
    threads,
    until,
)
from tests.support.rsa import rsa_pem

CONTEXTS = [OpenQuoteContext, OpenSecTradeContext, OpenFutureTradeContext]


class Warnings(logging.Handler):
    """Sets ``came`` at the first warning of the face."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self.came.set()


@pytest.fixture
def warned() -> Any:
    """Whether a context has told of a try that failed."""
    handler = Warnings()
    log = logging.getLogger("futukit.futu")
    log.addHandler(handler)
    yield handler.came
    log.removeHandler(handler)


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_constructor_waits_for_a_server_that_comes_later(
    kind: Any, warned: threading.Event, opened: Open
) -> None:
    with no_server() as port:
        ready = in_background(lambda: opened(kind, port=port))
        assert warned.wait(SECONDS)
    with SimulatedOpenD(seed=1, freeze=True, port=port):
        ctx = ready()
        assert ctx.status == ContextStatus.READY
        assert ctx.get_sync_conn_id() > 0
        assert ctx.get_global_state()[0] == RET_OK


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_name_that_does_not_resolve_is_told_at_once(kind: Any) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectError, match=r"nowhere\.invalid"):
        kind(host="nowhere.invalid")
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_server_that_refuses_the_client_is_told_at_once(kind: Any, opend: SimulatedOpenD) -> None:
    opend.fault("refuse", proto_id=1001, message="the house is full")
    with pytest.raises(HandshakeError, match="the house is full"):
        kind(port=opend.port)


def test_a_context_of_another_address_family(opened: Open) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with SimulatedOpenD(seed=1, freeze=True, host="::1") as opend:
        ctx = opened(OpenQuoteContext, host="::1", port=opend.port)
        assert ctx.get_global_state()[0] == RET_OK


# In the background.


def test_an_asynchronous_constructor_returns_before_the_connection(
    opend: SimulatedOpenD, opened: Open
) -> None:
    opend.fault("delay", proto_id=1001, seconds=5)
    ctx = opened(OpenQuoteContext, port=opend.port, is_async_connect=True)
    assert ctx.get_sync_conn_id() == ctx.get_async_conn_id() == ctx.get_login_user_id() == 0
    assert ctx.status == ContextStatus.CONNECTING
    waiting = in_background(ctx.get_global_state)
    until(lambda: opend.stats().faults == 0)  # the answer is held back now
    assert ctx.get_sync_conn_id() == 0
    opend.advance(6)
    assert waiting()[0] == RET_OK
    assert ctx.status == ContextStatus.READY
    assert ctx.get_sync_conn_id() in opend.stats().connections
    assert ctx.get_login_user_id() > 0


def test_a_refusal_in_the_background_closes_the_context(
    opend: SimulatedOpenD, opened: Open
) -> None:
    opend.fault("refuse", proto_id=1001, message="the house is full")
    ctx = opened(OpenQuoteContext, port=opend.port, is_async_connect=True)
    ret, message = ctx.get_global_state()
    assert ret == RET_ERROR
    assert "the house is full" in message
    assert ctx.status == ContextStatus.CLOSED


def test_a_context_that_never_got_ready_is_closed(warned: threading.Event) -> None:
    with no_server() as port:
        ctx = OpenQuoteContext(port=port, is_async_connect=True)
        assert warned.wait(SECONDS)
        waiting = in_background(ctx.get_global_state)
        ctx.close()
        ret, message = waiting()
    assert (ret, message) == (RET_ERROR, "the context is closed")
    assert ctx.status == ContextStatus.CLOSED
    until(lambda: not threads())


def test_a_call_waits_only_as_long_as_it_was_told(warned: threading.Event, opened: Open) -> None:
    with no_server() as port:
        ctx = opened(OpenQuoteContext, port=port, is_async_connect=True)
        ctx.set_sync_query_connect_timeout(0.1)
        ret, message = ctx.get_global_state()
        assert ret == RET_ERROR
        assert isinstance(message.error, RequestTimeout)
        assert "0.1" in message
        ctx.set_sync_query_connect_timeout(None)
        waiting = in_background(ctx.get_global_state)
        assert warned.wait(SECONDS)
    with SimulatedOpenD(seed=1, freeze=True, port=port):
        assert waiting()[0] == RET_OK


def test_the_time_between_tries_can_be_set(warned: threading.Event, opened: Open) -> None:
    with no_server() as port:
        ctx = opened(OpenQuoteContext, port=port, is_async_connect=True)
        assert ctx.reconnect_interval == 0.1
        ctx.reconnect_interval = 0.02
        assert ctx.reconnect_interval == 0.02
        assert warned.wait(SECONDS)


# What the server is told.


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize(
    ("version", "arrives"), [(None, None), (0, 0), ("2.21", 221), (1011, 1011)]
)
def test_the_version_as_it_arrives(
    kind: Any,
    version: Any,
    arrives: int | None,
    opend: SimulatedOpenD,
    hellos: queue.Queue[init_connect.C2S],
    opened: Open,
) -> None:
    if version is not None:
        SysConfig.set_client_info("my program", version)
    opened(kind, port=opend.port)
    hello = hellos.get(timeout=SECONDS)
    assert hello.client_ver == (SysConfig.get_client_ver() if arrives is None else arrives)
    assert hello.client_id == (SysConfig.get_client_id() if arrives is None else "my program")
    assert hello.recv_notify is True
    assert hellos.empty()


def test_a_settings_change_is_for_contexts_to_come(
    opend: SimulatedOpenD, hellos: queue.Queue[init_connect.C2S], opened: Open
) -> None:
    first = opened(OpenQuoteContext, port=opend.port)
    SysConfig.set_client_info("later", 7)
    opened(OpenSecTradeContext, TrdMarket.US, port=opend.port)
    told = [hellos.get(timeout=SECONDS).client_id for _ in range(2)]
    assert told[0] != "later"
    assert told[1] == "later"
    assert first.get_global_state()[0] == RET_OK


@pytest.mark.parametrize(("fmt", "number"), [(ProtoFMT.Protobuf, 0), (ProtoFMT.Json, 1)])
def test_bodies_have_the_format_that_was_set(fmt: int, number: int, opened: Open) -> None:
    SysConfig.set_proto_fmt(fmt)
    server = FakeOpenD()
    try:
        server.answers[GLOBAL_STATE] = refuse("not now")
        ctx = opened(OpenQuoteContext, port=server.port)
        ret, message = ctx.get_global_state()
        assert (ret, message, message.err_code) == (RET_ERROR, "not now", 7)
        _, request = server.next_request()
        assert (request.proto_id, request.body_format) == (GLOBAL_STATE, number)
        ctx.close()
    finally:
        server.close()


@pytest.mark.parametrize("given", [True, False, None])
@pytest.mark.parametrize("kind", CONTEXTS)
def test_encryption_is_the_contexts_choice_or_everybodys(
    kind: Any, given: bool | None, key_file: Path, opened: Open
) -> None:
    SysConfig.set_init_rsa_file(str(key_file))
    SysConfig.enable_proto_encrypt(True)
    with SimulatedOpenD(seed=1, freeze=True, rsa_key=str(key_file)) as opend:
        ctx = opened(kind, port=opend.port, is_encrypt=given)
        assert ctx.is_encrypt() is (given is not False)
        assert ctx.get_global_state()[0] == RET_OK
        ctx.close()


@pytest.mark.parametrize("key_there", [True, False])
def test_another_key_is_told_and_not_tried_for_ever(tmp_path: Path, key_there: bool) -> None:
    mine = tmp_path / "mine.pem"
    mine.write_text(rsa_pem(1024))
    theirs = rsa_pem(2048) if key_there else None
    SysConfig.set_init_rsa_file(mine)
    with (
        SimulatedOpenD(freeze=True, rsa_key=theirs) as opend,
        pytest.raises(HandshakeError, match="RSA key"),
    ):
        OpenQuoteContext(port=opend.port, is_encrypt=True)


def test_a_port_with_something_else_behind_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b" " * 100)
                connection.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(HandshakeError, match="is no OpenD"):
            OpenQuoteContext(port=port)
        thread.join(SECONDS)
