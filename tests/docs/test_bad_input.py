"""docs/bad_input.md is true: its rows about bytes and bodies, each tried."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from futukit import aio, codec
from futukit._native.frame import FrameReader, build_frame
from futukit.channels.serving import MAX_REQUEST_BYTES
from futukit.codec import MAX_BODY_BYTES, MAX_CELLS
from futukit.core.session.machine import SILENT_INTERVALS
from futukit.errors import (
    BadLength,
    BadMagic,
    BadVersion,
    ConnectionLost,
    DecodeError,
    DigestMismatch,
    EncodeError,
    FrameError,
    RequestTimeout,
)
from futukit.messages import get_global_state, init_connect, qot_common, qot_get_kl
from futukit.options import Options
from futukit.sim import SimulatedOpenD
from futukit.sim.faults import Corruption
from futukit.sim.settings import Settings

HELLO = codec.encode_frame(
    init_connect.Request(c2s=init_connect.C2S(client_ver=1, client_id="test")), 1001, 1
)
SECURITY = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")
KL = codec.encode(
    qot_get_kl.C2S(
        rehab_type=qot_common.RehabType.FORWARD,
        kl_type=qot_common.KLType.DAY,
        security=SECURITY,
        req_num=1,
    )
)


def test_the_numbers_on_the_page_are_those_of_the_program() -> None:
    assert Options().max_body_bytes == MAX_BODY_BYTES == 64 * 2**20
    assert MAX_CELLS == 16 * 2**20
    assert MAX_REQUEST_BYTES == 8 * 2**20
    assert Settings().write_limit_bytes == 16 * 2**20
    assert SILENT_INTERVALS == 3.3


# Bytes, read by a reader and by a client.

FRAME = build_frame(1004, 7, b"\x0a\x02\x08\x05")


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"XX" + FRAME[2:], BadMagic),
        (bytes(range(64)), BadMagic),
        (FRAME[:6] + b"\x07" + FRAME[7:], BadVersion),
        (FRAME[:7] + b"\x07" + FRAME[8:], BadVersion),
        (FRAME[:12] + b"\xff\xff\xff\xff" + FRAME[16:], BadLength),
        (FRAME[:-1] + b"\x06", DigestMismatch),
    ],
)
def test_a_broken_frame_is_told_and_the_reader_stays_failed(
    stream: bytes, error: type[FrameError]
) -> None:
    reader = FrameReader()
    reader.feed(FRAME + stream)
    assert next(reader).proto_id == 1004
    for _ in range(2):
        with pytest.raises(error) as caught:
            next(reader)
        assert caught.value.offset == len(FRAME)
    reader.clear()
    reader.feed(FRAME)
    assert next(reader).serial == 7


def test_half_a_frame_is_told_at_the_end() -> None:
    reader = FrameReader()
    for byte in FRAME + FRAME[:-1]:
        reader.feed(bytes([byte]))
    assert [envelope.serial for envelope in reader] == [7]
    with pytest.raises(BadLength):
        reader.eof()


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("magic", BadMagic),
        ("garbage", BadMagic),
        ("version", BadVersion),
        ("length", BadLength),
        ("digest", DigestMismatch),
        ("body", DigestMismatch),
    ],
)
def test_a_client_loses_the_connection_for_that_reason_and_makes_it_again(
    what: Corruption, error: type[FrameError]
) -> None:
    async def scenario() -> None:
        async with (
            SimulatedOpenD(freeze=True) as opend,
            aio.connect(opend.url, reconnect_delay=0.01) as client,
        ):
            changes: list[aio.StateChange] = []
            ready = asyncio.Event()

            def note(change: aio.StateChange) -> None:
                changes.append(change)
                if change.state is aio.ClientState.READY:
                    ready.set()

            client.on_state(note)
            await opend.fault("corrupt", proto_id=1002, what=what)
            with pytest.raises(ConnectionLost):
                await client.system.get_global_state()
            await ready.wait()
            assert isinstance(changes[0].reason, error)
            assert (await client.system.get_global_state()).qot_logined

    asyncio.run(scenario())


def test_a_late_reply_is_dropped_and_counted() -> None:
    async def scenario() -> None:
        async with SimulatedOpenD(freeze=True) as opend, aio.connect(opend.url) as client:
            await opend.fault("delay", proto_id=1002, seconds=1.0)
            with pytest.raises(RequestTimeout):
                await client.system.get_global_state(timeout=0.05)
            await opend.advance(2.0)
            await client.system.get_global_state()
            assert client.counters.late_replies == 1

    asyncio.run(scenario())


# Bytes, sent to the simulator.


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with (
        SimulatedOpenD(freeze=True) as opend,
        socket.create_connection(("127.0.0.1", opend.port), timeout=5.0) as connection,
    ):
        yield connection


def answers(peer: socket.socket, count: int) -> list[bytes]:
    """The bodies of so many frames."""
    reader = FrameReader()
    bodies: list[bytes] = []
    while len(bodies) < count:
        data = peer.recv(65536)
        assert data, "the simulator closed the connection"
        reader.feed(data)
        bodies += [envelope.body for envelope in reader]
    return bodies


def is_closed(peer: socket.socket) -> bool:
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True  # a connection that stays makes recv() time out


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + bytes(64),
        build_frame(1002, 1, b""),
        build_frame(1001, 1, b"\xff"),
        HELLO + HELLO,
        HELLO + build_frame(3004, 2, bytes(MAX_REQUEST_BYTES + 1))[:44],
        HELLO + FRAME[:-1] + b"\x06",
    ],
    ids=[
        "another protocol",
        "a request before InitConnect",
        "an unreadable InitConnect",
        "InitConnect twice",
        "a body over the cap",
        "a wrong digest",
    ],
)
def test_the_simulator_closes_a_connection_that_breaks_the_protocol(
    peer: socket.socket, stream: bytes
) -> None:
    peer.sendall(stream)
    assert is_closed(peer)


def test_the_simulator_answers_what_it_cannot_serve_and_keeps_the_connection(
    peer: socket.socket,
) -> None:
    peer.sendall(HELLO + build_frame(3004, 2, b"\xff") + build_frame(9999, 3, b""))
    for body in answers(peer, 3)[1:]:
        assert codec.decode(get_global_state.Response, body).ret_type == -1
    request = get_global_state.Request(c2s=get_global_state.C2S(user_id=0))
    peer.sendall(codec.encode_frame(request, 1002, 4))
    (body,) = answers(peer, 1)
    assert codec.decode(get_global_state.Response, body).ret_type == 0


# Bodies.


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (KL[:-1], "Qot_GetKL.C2S"),
        (b"\x80" * 11, "Qot_GetKL.C2S"),
        (b"\x00\x00", "Qot_GetKL.C2S"),
        (KL[: KL.index(b"\x1a")], "Qot_GetKL.C2S.security"),
        (KL.replace(b"00700", b"007\xff\xfe"), "Qot_GetKL.C2S.security.code"),
        (KL + b"\xa3\x06" * 200, "Qot_GetKL.C2S"),
    ],
    ids=["cut", "over-long tag", "field 0", "missing", "not UTF-8", "nested groups"],
)
def test_a_bad_body_is_a_decode_error_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(qot_get_kl.C2S, body)
    assert caught.value.path.startswith(path)


def test_unknown_fields_and_wrong_wire_types_are_skipped() -> None:
    unknown = b"\xa0\x1f\x05"  # field 500
    wrong = b"\x12\x01\x00"  # klType as bytes
    assert codec.decode(qot_get_kl.C2S, KL + unknown + wrong) == codec.decode(qot_get_kl.C2S, KL)


@pytest.mark.parametrize(
    ("code", "market", "path"),
    [(5, 1, "code"), ("\ud800", 1, "code"), ("00700", "HK", "market"), ("00700", 2**31, "market")],
)
def test_a_value_that_does_not_fit_is_an_encode_error_with_its_path(
    code: object, market: object, path: str
) -> None:
    security = qot_common.Security(market=market, code=code)  # type: ignore[arg-type]
    with pytest.raises(EncodeError) as caught:
        codec.encode(security)
    assert caught.value.path == f"Qot_Common.Security.{path}"
