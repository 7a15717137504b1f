"""TLS without IO: against OpenSSL's server side, in memory."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from futukit._native.frame import Envelope, FrameReader
from futukit.channels import Security
from futukit.channels.tls import client_context
from futukit.channels.tunnel import Tunnel
from futukit.core.links import Sink
from futukit.core.links.refused import Refused
from futukit.errors import BadLength, ConnectError, ConnectionLost
from futukit.options import Options
from tests.support.certificates import Certificates
from tests.unit.channels.servers import frames

PEER = "tcps://localhost:1"
SOME = frames(3, 400)


class Bytes:
    """A reader that takes what it gets, a little at a time."""

    def __init__(self, room: int = 1000) -> None:
        self.data = b""
        self._buffer = bytearray(room)

    def get_buffer(self, sizehint: int = -1, /) -> memoryview:
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int, /) -> None:
        self.data += self._buffer[:nbytes]

    def eof(self) -> None:
        return

    def clear(self) -> None:
        self.data = b""

    def route(self, sinks: dict[int, Sink], /) -> Envelope | Refused | None:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Envelope]:
        raise NotImplementedError

    def __next__(self) -> Envelope:
        raise NotImplementedError


class Peer:
    """The server's end."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def try_to(self, act: Any, *arguments: Any) -> Any:
        try:
            return act(*arguments)
        except ssl.SSLWantReadError:
            return None

    def cipher_text(self, plain: bytes) -> memoryview:
        self.tls.write(plain)
        return memoryview(self.outgoing.read())

    def end(self) -> memoryview:
        self.try_to(self.tls.unwrap)
        return memoryview(self.outgoing.read())


@pytest.fixture
def peer(server_tls: ssl.SSLContext) -> Peer:
    return Peer(server_tls)


@pytest.fixture
def security(issued: Certificates) -> Security:
    return Security(client_context(Options(tls_ca=issued.authority)), "localhost")


@pytest.fixture
def tunnel(security: Security, peer: Peer) -> Tunnel:
    """One whose handshake is complete."""
    tunnel = Tunnel(security, PEER)
    while not tunnel.shake_hands():
        peer.incoming.write(tunnel.take())
        peer.try_to(peer.tls.do_handshake)
        tunnel.feed(memoryview(peer.outgoing.read()))
    peer.incoming.write(tunnel.take())
    peer.tls.do_handshake()
    tunnel.feed(memoryview(peer.outgoing.read()))
    assert not tunnel.move(Bytes())  # session tickets, which are nobody's bytes
    assert not tunnel.ripe
    return tunnel


def test_the_handshake_goes_on_byte_by_byte(security: Security, peer: Peer) -> None:
    tunnel = Tunnel(security, PEER)
    assert not tunnel.shake_hands()
    while True:
        peer.incoming.write(tunnel.take())
        peer.try_to(peer.tls.do_handshake)
        answer = memoryview(peer.outgoing.read())
        for at in range(len(answer) - 1):
            tunnel.feed(answer[at : at + 1])
            assert not tunnel.shake_hands()
        tunnel.feed(answer[-1:])
        if tunnel.shake_hands():
            break
    assert tunnel.take()


def test_plain_text_comes_out_when_its_record_is_whole(tunnel: Tunnel, peer: Peer) -> None:
    cipher_text = peer.cipher_text(b"envelope")
    reader = Bytes()
    for at in range(len(cipher_text) - 1):
        tunnel.feed(cipher_text[at : at + 1])
        assert not tunnel.move(reader)
        assert not tunnel.ripe
    tunnel.feed(cipher_text[-1:])
    assert tunnel.move(reader)
    assert reader.data == b"envelope"
    assert not tunnel.move(reader)


def test_what_finds_no_room_is_given_out_later(tunnel: Tunnel, peer: Peer) -> None:
    tunnel.feed(peer.cipher_text(bytes(range(250)) * 10))
    reader = Bytes(room=1000)
    assert tunnel.move(reader)
    assert tunnel.ripe
    assert tunnel.move(reader)
    assert tunnel.ripe
    assert tunnel.move(reader)
    assert not tunnel.ripe
    assert reader.data == bytes(range(250)) * 10


def test_several_records_are_read_at_once(tunnel: Tunnel, peer: Peer) -> None:
    for part in (b"one", b"two", b"three"):
        tunnel.feed(peer.cipher_text(part))
    reader = Bytes()
    assert tunnel.move(reader)
    assert reader.data == b"onetwothree"


@pytest.mark.parametrize("size", [1, 16384, 16385, 3 * 2**20])
def test_all_that_is_written_arrives(size: int, tunnel: Tunnel, peer: Peer) -> None:
    data = bytes(index % 251 for index in range(size))
    tunnel.write(data)
    peer.incoming.write(tunnel.take())
    arrived = b""
    while (part := peer.try_to(peer.tls.read, size)) is not None:
        arrived += part
    assert arrived == data


def test_the_end_comes_after_the_bytes_before_it(tunnel: Tunnel, peer: Peer) -> None:
    tunnel.feed(peer.cipher_text(SOME))
    tunnel.feed(peer.end())
    reader = Bytes(room=2**16)
    assert tunnel.move(reader)
    assert reader.data == SOME
    assert tunnel.ripe
    for _ in range(2):
        with pytest.raises(ConnectionLost, match=r"^the peer closed the connection$"):
            tunnel.move(reader)


def test_an_end_without_close_notify_is_a_cut(tunnel: Tunnel, peer: Peer) -> None:
    tunnel.feed(peer.cipher_text(SOME))
    tunnel.feed_end()
    reader = Bytes(room=2**16)
    assert tunnel.move(reader)
    with pytest.raises(ConnectionLost, match="close_notify") as caught:
        tunnel.move(reader)
    assert isinstance(caught.value.__cause__, ssl.SSLEOFError)


@pytest.mark.parametrize("orderly", [True, False])
def test_an_end_within_a_frame_is_a_bad_length(orderly: bool, tunnel: Tunnel, peer: Peer) -> None:
    tunnel.feed(peer.cipher_text(SOME[:-1]))
    if orderly:
        tunnel.feed(peer.end())
    tunnel.feed_end()
    reader = FrameReader()
    assert tunnel.move(reader)
    assert len(list(reader)) == 2
    with pytest.raises(BadLength):
        tunnel.move(reader)


def test_a_forged_record_breaks_the_connection(tunnel: Tunnel, peer: Peer) -> None:
    reader = Bytes()
    tunnel.feed(peer.cipher_text(b"good"))
    forged = bytearray(peer.cipher_text(b"forged"))
    forged[-1] ^= 1
    tunnel.feed(memoryview(forged))
    assert tunnel.move(reader)
    assert reader.data == b"good"
    for _ in range(2):
        with pytest.raises(ConnectionLost, match=r"^the TLS connection broke: .*bad record mac"):
            tunnel.move(reader)
    assert tunnel.take()  # the alert
    tunnel.write(b"too late")
    tunnel.finish()


def test_finish_is_heard_as_an_orderly_end(tunnel: Tunnel, peer: Peer) -> None:
    tunnel.write(b"last")
    tunnel.finish()
    tunnel.write(b"too late")
    peer.incoming.write(tunnel.take())
    assert peer.tls.read(100) == b"last"
    assert peer.tls.read(100) == b""


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"FT" + bytes(42), b"\x00" * 100, SOME]
)
def test_a_peer_without_tls_is_recognised(answer: bytes, security: Security) -> None:
    tunnel = Tunnel(security, PEER)
    tunnel.shake_hands()
    tunnel.feed(memoryview(answer))
    with pytest.raises(ConnectError, match=r"^tcps://localhost:1 does not speak TLS"):
        tunnel.shake_hands()


def test_an_end_in_the_handshake_says_so(security: Security) -> None:
    tunnel = Tunnel(security, PEER)
    tunnel.shake_hands()
    tunnel.feed_end()
    with pytest.raises(ConnectError, match="closed the connection in the TLS handshake"):
        tunnel.shake_hands()


def test_an_alert_of_the_peer_is_told_in_words(security: Security) -> None:
    tunnel = Tunnel(security, PEER)
    tunnel.shake_hands()
    tunnel.feed(memoryview(b"\x15\x03\x03\x00\x02\x02\x28"))  # fatal, handshake_failure
    with pytest.raises(ConnectError, match="the peer says: handshake failure"):
        tunnel.shake_hands()
