"""The framed dialect: one frame per message, client against server."""

from __future__ import annotations

import hashlib

import pytest

from futukit._native.cipher import Cipher
from futukit._native.frame import Envelope, build_frame
from futukit.codec import decode_body, encode
from futukit.core.links import Link
from futukit.core.links.websocket import FramedWebSocketLink, ServerWebSocketLink
from futukit.errors import (
    BadLength,
    BadMagic,
    BadVersion,
    ConnectionLost,
    DecryptError,
    DigestMismatch,
    FrameError,
    HandshakeError,
    LocalProtocolError,
    UnexpectedPacket,
    UsageError,
)
from futukit.messages import keep_alive, qot_update_ticker
from futukit.messages.common import RetType
from futukit.messages.qot_common import QotMarket, Security
from tests.unit.links.sockets import (
    HOST,
    PORT,
    TheirServer,
    closed_with,
    connect,
    frame,
    give,
    routed,
    settle,
)

KEEP_ALIVE = 1004
TICKER = 3011
ASK = keep_alive.Request(c2s=keep_alive.C2S(time=1700000000))
CAP = 10_000


def links() -> tuple[FramedWebSocketLink, ServerWebSocketLink]:
    """Both ends, past the handshake and the first packet."""
    client, server = FramedWebSocketLink(HOST, PORT, CAP), ServerWebSocketLink(CAP)
    connect(client, server)
    give(server, client.body(1001, 1, b""))
    assert next(server.reader) == Envelope(1001, 1, 0, b"")
    assert server.dialect == "framed"
    assert not server.scripted
    return client, server


def client_fed(*messages: bytes) -> FramedWebSocketLink:
    """A client that got these messages."""
    client, _ = links()
    give(client, b"".join(map(frame, messages)))
    return client


def test_both_are_links() -> None:
    both: tuple[Link, Link] = links()
    client, server = both
    assert client.ping() is None
    assert not client.scripted
    assert not server.scripted


def test_messages_and_bodies_go_both_ways() -> None:
    client, server = links()
    give(server, client.message(KEEP_ALIVE, 7, ASK))
    give(server, client.body(3001, 8, b"raw"))
    assert list(server.reader) == [
        Envelope(KEEP_ALIVE, 7, 0, encode(ASK)),
        Envelope(3001, 8, 0, b"raw"),
    ]
    give(client, server.message(KEEP_ALIVE, 7, ASK) + server.body(3001, 8, b""))
    assert routed(client) == [
        Envelope(KEEP_ALIVE, 7, 0, encode(ASK)),
        Envelope(3001, 8, 0, b""),
    ]


def test_json_goes_both_ways_and_a_server_writes_its_own_kind() -> None:
    client, server = links()
    give(server, client.message(KEEP_ALIVE, 7, ASK, 1))
    [asked] = server.reader
    assert (asked.body_format, decode_body(keep_alive.Request, asked.body, 1)) == (1, ASK)
    security = Security(market=QotMarket.HK_SECURITY, code="00700")
    push = qot_update_ticker.Response(
        ret_type=RetType.SUCCEED, s2c=qot_update_ticker.S2C(security=security)
    )
    give(client, server.message(TICKER, 1, push, 1))
    [envelope] = routed(client)
    assert isinstance(envelope, Envelope)
    assert b'"retType"' in envelope.body
    assert decode_body(qot_update_ticker.Response, envelope.body, 1) == push


@pytest.mark.parametrize("algorithm", ["ftaes_ecb", "aes_ecb", "aes_cbc"])
def test_ciphers_work_as_over_tcp(algorithm: str) -> None:
    client, server = links()
    iv = b"fedcba9876543210" if algorithm == "aes_cbc" else b""
    for link in (client, server):
        link.sealer = link.opener = Cipher(algorithm, b"0123456789abcdef", iv)
        assert link.sealer is link.opener
    sent = client.message(KEEP_ALIVE, 9, ASK)
    give(server, sent)
    assert list(server.reader) == [Envelope(KEEP_ALIVE, 9, 0, encode(ASK))]
    answer = server.body(TICKER, 1, b"plain text of a push")
    assert b"plain text" not in answer
    taken: list[bytes] = []
    give(client, answer)
    assert routed(client, {TICKER: taken.append}) == []
    assert taken == [b"plain text of a push"]


def test_a_body_that_does_not_decrypt_is_told_and_closed_with_1007() -> None:
    client, _ = links()
    client.opener = Cipher("aes_cbc", b"0123456789abcdef", bytes(16))
    give(client, frame(build_frame(TICKER, 3, b"not encrypted")))
    with pytest.raises(DecryptError) as caught:
        routed(client)
    assert (caught.value.proto_id, caught.value.serial) == (TICKER, 3)
    assert closed_with(client.take(), masked=True) == 1007


def test_the_opener_of_a_server_may_be_set_before_the_first_message() -> None:
    class Opener:
        def open(self, wire: bytes, digest: bytes, /) -> bytes:
            plain = wire[::-1]
            assert hashlib.sha1(plain).digest() == digest
            return plain

    class Sealer:
        def seal(self, plain: bytes, /) -> bytes:
            return plain[::-1]

    client, server = FramedWebSocketLink(HOST, PORT), ServerWebSocketLink()
    opener = Opener()
    server.opener = opener
    client.sealer = Sealer()
    client.start()
    assert client.body(1001, 1, b"hello") == b""
    settle(client, server)
    assert list(server.reader) == [Envelope(1001, 1, 0, b"hello")]
    assert server.opener is opener


def test_pushes_go_to_their_sinks_in_order_around_answers() -> None:
    packets = [(TICKER, b"1"), (3001, b"a"), (TICKER, b"2"), (3005, b"b"), (TICKER, b"3")]
    client = client_fed(*(build_frame(proto_id, 5, body) for proto_id, body in packets))
    seen: list[bytes] = []
    sinks = {TICKER: seen.append}
    answer = client.reader.route(sinks)
    assert isinstance(answer, Envelope)
    assert (answer.body, seen) == (b"a", [b"1"])
    assert [e.proto_id for e in routed(client, sinks)] == [3005]
    assert seen == [b"1", b"2", b"3"]


def test_a_link_may_be_fed_byte_by_byte() -> None:
    client, server = FramedWebSocketLink(HOST, PORT), ServerWebSocketLink()
    client.start()
    client.body(1001, 1, b"x")
    for _ in range(3):
        for byte in client.take():
            give(server, bytes([byte]))
        for byte in server.take():
            give(client, bytes([byte]))
    assert list(server.reader) == [Envelope(1001, 1, 0, b"x")]
    for byte in server.body(TICKER, 4, b"push"):
        give(client, bytes([byte]))
    assert routed(client) == [Envelope(TICKER, 4, 0, b"push")]


def test_a_large_body_arrives() -> None:
    client, server = FramedWebSocketLink(HOST, PORT), ServerWebSocketLink()
    connect(client, server)
    body = bytes(range(256)) * 8192
    give(server, client.body(1001, 1, body))
    assert list(server.reader) == [Envelope(1001, 1, 0, body)]
    give(client, server.body(3103, 2, body))
    assert routed(client) == [Envelope(3103, 2, 0, body)]


# Not exactly one frame in a message.

WHOLE = build_frame(TICKER, 6, b"0123456789")


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (WHOLE[:-1], True),
        (WHOLE + b"x", True),
        (WHOLE + WHOLE, True),
        (WHOLE[:44], True),
        (WHOLE[:43], False),
        (WHOLE[:2], False),
        (WHOLE[:1], False),
        (b"", False),
    ],
)
def test_half_a_frame_or_more_than_one_is_a_bad_length(message: bytes, named: bool) -> None:
    client = client_fed(WHOLE, message, WHOLE)
    taken: list[bytes] = []
    with pytest.raises(BadLength) as caught:
        routed(client, {TICKER: taken.append})
    assert taken == [b"0123456789"]
    assert caught.value.offset == len(WHOLE)
    assert (caught.value.proto_id, caught.value.serial) == ((TICKER, 6) if named else (None, None))
    assert closed_with(client.take(), masked=True) == 1007
    with pytest.raises(BadLength):
        client.reader.route({})


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b"XX" + WHOLE[2:], BadMagic),
        (b"garbage", BadMagic),
        (WHOLE[:6] + b"\x09" + WHOLE[7:], BadVersion),
        (WHOLE[:7] + b"\x01" + WHOLE[8:], BadVersion),
        (WHOLE[:-1] + b"!", DigestMismatch),
    ],
)
def test_bad_frames_are_named_as_over_tcp(message: bytes, kind: type[FrameError]) -> None:
    client = client_fed(WHOLE, message)
    assert client.reader.route({}) == Envelope(TICKER, 6, 0, b"0123456789")
    with pytest.raises(kind) as caught:
        client.reader.route({})
    assert caught.value.offset == len(WHOLE)
    assert closed_with(client.take(), masked=True) == 1007


def test_a_body_over_the_cap_is_refused_at_the_header_of_its_message() -> None:
    client, _ = links()
    give(client, frame(build_frame(TICKER, 1, bytes(CAP))))
    assert len(routed(client)) == 1
    give(client, frame(build_frame(TICKER, 1, bytes(CAP + 1)))[:4])
    with pytest.raises(BadLength, match="more than 10044 bytes"):
        routed(client)
    assert closed_with(client.take(), masked=True) == 1009


def test_text_is_refused() -> None:
    client, _ = links()
    give(client, b"\x81\x02{}")
    with pytest.raises(UnexpectedPacket, match="text message"):
        routed(client)
    assert closed_with(client.take(), masked=True) == 1003


# The ends.


def test_a_refused_upgrade_comes_out_of_route_and_eof() -> None:
    client = FramedWebSocketLink(HOST, PORT)
    client.start()
    give(client, b"HTTP/1.1 403 Forbidden\r\n")
    with pytest.raises(HandshakeError, match="HTTP 403"):
        client.reader.route({})
    with pytest.raises(HandshakeError, match="HTTP 403"):
        client.reader.eof()


def test_finish_is_a_close_frame_and_the_other_side_sees_it() -> None:
    client, server = links()
    give(server, client.finish())
    with pytest.raises(ConnectionLost, match="1000 normal closure"):
        list(server.reader)
    assert closed_with(server.take()) == 1000


def test_clear_forgets_what_has_come() -> None:
    client = client_fed(WHOLE)
    client.reader.clear()
    give(client, frame(WHOLE))
    assert routed(client) == []
    client.reader.eof()


def test_the_end_within_a_message_is_a_bad_length() -> None:
    client, _ = links()
    give(client, frame(WHOLE)[:20])
    with pytest.raises(BadLength):
        client.reader.eof()


def test_a_sink_may_clear_the_reader() -> None:
    client = client_fed(WHOLE, WHOLE)
    seen: list[bytes] = []

    def sink(body: bytes) -> None:
        seen.append(body)
        client.reader.clear()

    assert client.reader.route({TICKER: sink}) is None
    assert len(seen) == 1


def test_more_than_the_buffer_has_is_refused() -> None:
    client, _ = links()
    room = len(client.reader.get_buffer())
    for count in (-1, room + 1):
        with pytest.raises(UsageError):
            client.reader.buffer_updated(count)


# The server's choice.


def test_a_server_packs_nothing_before_the_first_request() -> None:
    server = ServerWebSocketLink()
    with pytest.raises(LocalProtocolError):
        server.body(TICKER, 1, b"")
    with pytest.raises(LocalProtocolError):
        server.failure(TICKER, 1, 1, "")


@pytest.mark.parametrize("message", [b"", b"F", b"ft", b"{}", b"ft-v2.0\0" + bytes(20)])
def test_a_first_message_of_neither_dialect_ends_the_connection(message: bytes) -> None:
    client, server = FramedWebSocketLink(HOST, PORT), ServerWebSocketLink()
    connect(client, server)
    give(server, frame(message, masked=True))
    with pytest.raises(BadMagic, match=r"must begin with FT or with ft-v1\.0"):
        list(server.reader)
    assert server.dialect is None
    assert closed_with(server.take()) == 1007


def test_a_framed_server_stays_framed() -> None:
    _, server = links()
    give(server, frame(b"ft-v1.0\0" + bytes(12), masked=True))
    with pytest.raises(BadMagic):
        list(server.reader)


def test_errors_in_place_of_answers_are_nothing_here() -> None:
    client, server = links()
    assert server.failure(1001, 1, 1, "no") == client.failure(1001, 1, 1, "no") == b""


def test_a_server_can_ping() -> None:
    client, server = links()
    give(client, server.ping())
    give(server, client.take())
    assert list(server.reader) == []


def test_the_library_server_takes_what_was_packed_early() -> None:
    client, theirs = FramedWebSocketLink(HOST, PORT), TheirServer()
    client.start()
    client.body(1001, 1, b"x")
    give(client, theirs.answer(client.take()))
    theirs.answer(client.take())
    assert [bytes(frame.data) for frame in theirs.frames] == [build_frame(1001, 1, b"x")]
