"""The JavaScript SDK's dialect: sections, refusals, pushes."""

from __future__ import annotations

import pytest

from futukit._native.cipher import Cipher
from futukit._native.frame import Envelope
from futukit.codec import encode
from futukit.core.links import Link
from futukit.core.links.refused import DISCONNECTED, Refused
from futukit.core.links.script_header import pack_from_client, pack_from_server
from futukit.core.links.websocket import ScriptLink, ServerWebSocketLink
from futukit.errors import (
    BadLength,
    BadMagic,
    ConnectionLost,
    FrameError,
    LocalProtocolError,
    UnexpectedPacket,
    UsageError,
)
from futukit.messages import init_web_socket, keep_alive
from tests.unit.links.sockets import HOST, PORT, closed_with, connect, frame, give, routed, settle

LOGIN = 1
LOST_OPEND = 2
TICKER = 3011
CAP = 10_000
HELLO = init_web_socket.Request(c2s=init_web_socket.C2S(websocket_key="", client_id="x"))


def links() -> tuple[ScriptLink, ServerWebSocketLink]:
    """Both ends, past the handshake and the login."""
    client, server = ScriptLink(HOST, PORT, CAP), ServerWebSocketLink(CAP)
    connect(client, server)
    give(server, client.message(LOGIN, 1, HELLO))
    [hello] = server.reader
    assert hello == Envelope(LOGIN, 1, 0, encode(HELLO))
    assert (server.dialect, server.scripted) == ("script", True)
    give(client, server.body(LOGIN, 1, b"welcome"))
    assert routed(client) == [Envelope(LOGIN, 1, 0, b"welcome")]
    return client, server


def asked(server: ServerWebSocketLink, cmd: int, section: int, body: bytes = b"") -> Envelope:
    """The envelope of a request with this section."""
    give(server, frame(pack_from_client(cmd, section) + body, masked=True))
    [envelope] = server.reader
    return envelope


def test_both_are_links() -> None:
    both: tuple[Link, Link] = links()
    client, server = both
    assert client.scripted
    assert server.scripted


def test_packets_stand_in_messages_as_documented() -> None:
    client, server = links()
    ping = client.ping()
    assert ping is not None
    assert ping[:2] == b"\x89\x80"
    assert asked(server, 3001, 5, b"body") == Envelope(3001, 5, 0, b"body")
    assert server.body(3001, 5, b"answer") == frame(pack_from_server(3001, 5) + b"answer")


def test_an_empty_body_is_a_packet() -> None:
    client, server = links()
    give(server, client.body(1002, 2, b""))
    assert list(server.reader) == [Envelope(1002, 2, 0, b"")]
    give(client, server.body(1002, 2, b""))
    assert routed(client) == [Envelope(1002, 2, 0, b"")]


def test_what_is_packed_early_waits_for_the_opening() -> None:
    client, server = ScriptLink(HOST, PORT), ServerWebSocketLink()
    client.start()
    assert client.message(LOGIN, 1, HELLO) == b""
    settle(client, server)
    assert [e.proto_id for e in server.reader] == [LOGIN]


# Sections.


@pytest.mark.parametrize("section", [0, 1, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1])
def test_a_section_of_any_width_is_echoed(section: int) -> None:
    _, server = links()
    request = asked(server, 3001, section)
    answer = server.body(3001, request.serial, b"!")
    assert answer == frame(pack_from_server(3001, section) + b"!")


def test_a_small_section_is_the_serial() -> None:
    _, server = links()
    assert asked(server, 2202, 17).serial == 17


def test_sections_that_meet_keep_apart() -> None:
    _, server = links()
    sections = [2**40, 7, 7, 2**40, 2**32 - 1, 2**50]
    serials = [asked(server, 3001, section).serial for section in sections]
    assert len(set(serials)) == len(sections)
    for serial, section in reversed(list(zip(serials, sections, strict=True))):
        assert server.body(3001, serial, b"") == frame(pack_from_server(3001, section))


def test_a_push_has_section_0_even_if_its_serial_is_that_of_a_request() -> None:
    _, server = links()
    request = asked(server, 3001, 1)
    assert server.body(TICKER, request.serial, b"p") == frame(pack_from_server(TICKER, 0) + b"p")
    assert server.body(3001, request.serial, b"a") == frame(pack_from_server(3001, 1) + b"a")


def test_an_answered_section_is_forgotten() -> None:
    _, server = links()
    for section in range(2**40, 2**40 + 1_000):
        message = pack_from_client(3001, section)
        server.reader.feed(frame(message, masked=True))
        envelope = next(server.reader)
        server.body(3001, envelope.serial, b"")
    assert server._packets._sections == {}


def test_more_unanswered_requests_than_anybody_has_are_refused() -> None:
    _, server = links()
    stream = b"".join(
        frame(pack_from_client(3001, section), masked=True) for section in range(1, 65_540)
    )
    server.reader.feed(stream)
    with pytest.raises(UnexpectedPacket, match="more requests"):
        list(server.reader)


def test_a_section_that_a_client_never_sent_is_unexpected() -> None:
    client, _ = links()
    give(client, frame(pack_from_server(3001, 2**32)))
    with pytest.raises(UnexpectedPacket, match="section 4294967296"):
        routed(client)


# Refusals.


def test_an_error_in_the_header_is_a_refusal() -> None:
    client, server = links()
    request = asked(server, 3001, 9)
    give(client, server.failure(3001, request.serial, DISCONNECTED, "OpenD is gone, alas, for now"))
    assert routed(client) == [Refused(3001, 9, 3, "OpenD is gone, alas,")]


def test_a_refusal_is_no_push_whatever_its_section() -> None:
    client, _ = links()
    give(client, frame(pack_from_server(TICKER, 0, -7, "bad\n")))
    seen: list[bytes] = []
    assert routed(client, {TICKER: seen.append}) == [Refused(TICKER, 0, -7, "bad?")]
    assert seen == []


def test_a_failure_of_a_huge_section_echoes_it() -> None:
    _, server = links()
    request = asked(server, LOGIN, 2**60)
    packed = server.failure(LOGIN, request.serial, -1, "wrong key")
    assert packed == frame(pack_from_server(LOGIN, 2**60, -1, "wrong key"))


def test_a_client_fails_nothing() -> None:
    client, _ = links()
    with pytest.raises(LocalProtocolError):
        client.failure(3001, 1, 1, "")


def test_a_refusal_where_only_packets_are_read_is_unexpected() -> None:
    client, _ = links()
    give(client, frame(pack_from_server(3001, 1, 1)))
    with pytest.raises(UnexpectedPacket):
        list(client.reader)


# Pushes.


@pytest.mark.parametrize("section", [0, 5])
def test_pushes_go_to_their_sinks(section: int) -> None:
    client, _ = links()
    seen: list[bytes] = []
    for number in (b"1", b"2"):
        give(client, frame(pack_from_server(TICKER, section) + number))
    give(client, frame(pack_from_server(3001, 4) + b"answer"))
    assert routed(client, {TICKER: seen.append}) == [Envelope(3001, 4, 0, b"answer")]
    assert seen == [b"1", b"2"]
    assert all(type(body) is bytes for body in seen)


def test_a_push_without_a_sink_and_the_loss_of_opend_come_back() -> None:
    client, server = links()
    give(client, server.body(TICKER, 1, b"push") + server.body(LOST_OPEND, 2, b""))
    assert routed(client) == [Envelope(TICKER, 0, 0, b"push"), Envelope(LOST_OPEND, 0, 0, b"")]


def test_an_answer_of_an_id_with_a_sink_comes_back() -> None:
    client, _ = links()
    give(client, frame(pack_from_server(3001, 4)))
    assert routed(client, {3001: lambda _body: pytest.fail("taken")}) == [Envelope(3001, 4, 0, b"")]


# Hostile packets.


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b"", BadLength),
        (b"ft-v1.0\0", BadLength),
        (pack_from_server(1, 1)[:43], BadLength),
        (b"ft-v9.9\0" + bytes(36), BadMagic),
        (b"FT" + bytes(42), BadMagic),
    ],
)
def test_a_message_that_is_no_packet_ends_the_connection(
    message: bytes, kind: type[FrameError]
) -> None:
    client, _ = links()
    give(client, frame(pack_from_server(3001, 1) + b"ok") + frame(message) + frame(b"later"))
    assert client.reader.route({}) == Envelope(3001, 1, 0, b"ok")
    for _ in range(2):
        with pytest.raises(kind) as caught:
            client.reader.route({})
        assert caught.value.offset == 44 + len(b"welcome") + 44 + len(b"ok")
    assert closed_with(client.take(), masked=True) == 1007


@pytest.mark.parametrize("cmd", [0, 2**31, 2**32 - 1])
def test_a_huge_cmd_is_an_envelope_as_any_other(cmd: int) -> None:
    client, server = links()
    assert asked(server, cmd, 3) == Envelope(cmd, 3, 0, b"")
    give(client, frame(pack_from_server(cmd, 3)))
    assert routed(client) == [Envelope(cmd, 3, 0, b"")]


def test_a_body_over_the_cap_is_refused_on_both_sides() -> None:
    client, server = links()
    give(server, client.body(3001, 2, bytes(CAP)))
    assert len(list(server.reader)) == 1
    give(server, client.body(3001, 3, bytes(CAP + 1)))
    with pytest.raises(BadLength, match="body of 10001 bytes, at most 10000") as caught:
        list(server.reader)
    assert (caught.value.proto_id, caught.value.serial) == (3001, 3)
    give(client, frame(pack_from_server(3001, 2) + bytes(CAP + 1))[:8])
    with pytest.raises(BadLength):
        routed(client)
    assert closed_with(client.take(), masked=True) == 1009


def test_a_script_server_stays_one() -> None:
    _, server = links()
    give(server, frame(b"FT" + bytes(42), masked=True))
    with pytest.raises(BadMagic):
        list(server.reader)


# What this dialect does not have.


def test_json_is_refused_before_anything_is_packed() -> None:
    client, server = links()
    message = keep_alive.Request(c2s=keep_alive.C2S(time=1))
    for link in (client, server):
        with pytest.raises(UsageError, match="protobuf bodies only"):
            link.message(1004, 1, message, 1)
        with pytest.raises(UsageError, match="protobuf bodies only"):
            link.body(1004, 1, b"{}", 1)


def test_ciphers_are_refused() -> None:
    cipher = Cipher("aes_ecb", b"0123456789abcdef")
    client, server = links()
    for link in (client, server):
        link.sealer = link.opener = None
        with pytest.raises(UsageError, match="no encryption of its own"):
            link.sealer = cipher
    with pytest.raises(UsageError, match="no encryption of its own"):
        client.opener = cipher
    assert client.sealer is client.opener is server.sealer is None


def test_the_end_is_a_close_frame() -> None:
    client, server = links()
    give(client, server.finish())
    with pytest.raises(ConnectionLost):
        client.reader.route({})
