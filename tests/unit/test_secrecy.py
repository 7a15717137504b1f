"""The handshake's rules: what is asked, what is granted, what is in force then."""

from __future__ import annotations

from math import inf
from typing import Any

import msgspec
import pytest

from futukit import codec
from futukit._native.frame import Envelope, FrameReader, build_frame
from futukit.core.events import Answered, Lost, Ready, Request
from futukit.core.keys import load_rsa_key
from futukit.core.secrecy import ClientSecrecy, ServerSecrecy
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ConnectGreeting
from futukit.core.session.machine import INIT_CONNECT
from futukit.errors import DecryptError, DigestMismatch, HandshakeError
from futukit.messages import init_connect
from futukit.messages.common import PacketEncAlgo, ProtoFmt
from tests.support.rsa import rsa_pem
from tests.unit.sessions import ANSWER, ASK, HELLO, USER_INFO, WELCOME, receive

KEY = load_rsa_key(rsa_pem())
OTHER_KEY = load_rsa_key(rsa_pem(1536))
IV = "fedcba9876543210"
ALL = frozenset({"ftaes_ecb", "aes_ecb", "aes_cbc"})


class Pair:
    """Two sessions that may encrypt, and what went over the wire between them."""

    def __init__(
        self,
        asked: str = "none",
        client_key: Any = KEY,
        server_key: Any = KEY,
        grants: frozenset[str] = ALL,
        body_format: int = 0,
        **server: Any,
    ) -> None:
        secrecy = ClientSecrecy(asked, client_key)
        hello = msgspec.structs.replace(HELLO, packet_enc_algo=secrecy.asked)
        self.client = ClientSession(ConnectGreeting(hello, secrecy), body_format=body_format)
        self.server = ServerSession(
            WELCOME,
            now=0.0,
            idle_timeout=inf,
            secrecy=ServerSecrecy(server_key, grants),
            aes_cbc_iv=IV,
            **server,
        )
        self.wire: list[bytes] = []

    def to_server(self) -> list[Any]:
        self.wire.append(self.client.take())
        return receive(self.server, self.wire[-1])

    def to_client(self) -> list[Any]:
        self.wire.append(self.server.take())
        return receive(self.client, self.wire[-1])

    def meet(self) -> list[Any]:
        self.client.connect(0.0)
        self.to_server()
        return self.to_client()

    @property
    def in_force(self) -> tuple[str, str]:
        assert self.client.info is not None
        return self.client.info.encryption, self.server.encryption


@pytest.mark.parametrize("body_format", [0, 1])
@pytest.mark.parametrize(
    ("asked", "grants", "granted"),
    [
        ("none", ALL, "none"),
        ("ftaes_ecb", ALL, "ftaes_ecb"),
        ("aes_ecb", ALL, "aes_ecb"),
        ("aes_cbc", ALL, "aes_cbc"),
        ("required", ALL, "aes_cbc"),
        ("aes_cbc", frozenset({"ftaes_ecb"}), "ftaes_ecb"),
        ("required", frozenset({"ftaes_ecb"}), "ftaes_ecb"),
        ("aes_cbc", frozenset(), "none"),
        ("ftaes_ecb", frozenset(), "none"),
    ],
)
def test_what_is_asked_and_granted(
    asked: str, grants: frozenset[str], granted: str, body_format: int
) -> None:
    pair = Pair(asked, grants=grants, body_format=body_format)
    [ready] = pair.meet()
    assert isinstance(ready, Ready)
    assert pair.in_force == (granted, granted)
    # From here on every body is encrypted, in both directions, KeepAlive and pushes too.
    call = pair.client.request(USER_INFO, ASK, 0.0)
    [request] = pair.to_server()
    assert isinstance(request, Request)
    pair.server.reply(request.envelope, ANSWER)
    [answered] = pair.to_client()
    assert answered == Answered(call, codec.encode_body(ANSWER, body_format, server=True))
    pair.client.tick(8.0)
    assert pair.to_server() == []
    pair.to_client()
    pair.server.push_body(3011, b"pushed")
    pair.to_client()
    assert pair.client.unclaimed_pushes == 1
    sealed = [not plain(frame) for frame in pair.wire]
    assert sealed == [True, granted != "none", *[granted != "none"] * 5]


def plain(frame: bytes) -> bool:
    """Whether a frame's body is what its digest is of."""
    reader = FrameReader()
    reader.feed(frame)
    try:
        return bool(list(reader))
    except DigestMismatch:
        return False


def test_without_a_key_nothing_is_encrypted() -> None:
    pair = Pair("none", client_key=None, server_key=None)
    pair.meet()
    assert pair.in_force == ("none", "none")
    assert all(plain(frame) for frame in pair.wire)


def test_a_client_without_the_key_is_served_in_plain() -> None:
    pair = Pair("none", client_key=None, server_key=KEY)
    pair.meet()
    assert pair.in_force == ("none", "none")


@pytest.mark.parametrize("server_key", [None, OTHER_KEY])
def test_a_server_without_the_key_cannot_read_it(server_key: Any) -> None:
    pair = Pair("aes_cbc", server_key=server_key)
    pair.client.connect(0.0)
    [lost] = pair.to_server()
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, DecryptError)
    assert (lost.error.proto_id, lost.error.serial, lost.error.offset) == (INIT_CONNECT, 1, 0)


def test_required_refuses_a_server_that_grants_none() -> None:
    pair = Pair("required", grants=frozenset())
    [lost] = pair.meet()
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, HandshakeError)
    assert "encryption is required" in str(lost.error)


def test_an_algorithm_that_is_absent_or_unknown_is_the_default_one() -> None:
    for algorithm in (None, PacketEncAlgo(7)):
        hello = msgspec.structs.replace(HELLO, packet_enc_algo=algorithm)
        server = ServerSession(WELCOME, now=0.0, secrecy=ServerSecrecy(KEY))
        body = codec.encode(init_connect.Request(c2s=hello))
        receive(server, build_frame(INIT_CONNECT, 1, body, 0, KEY))
        assert server.encryption == "ftaes_ecb"


def test_the_official_sdk_seals_the_request_even_without_encryption() -> None:
    hello = msgspec.structs.replace(HELLO, packet_enc_algo=PacketEncAlgo.NONE)
    server = ServerSession(WELCOME, now=0.0, secrecy=ServerSecrecy(KEY))
    body = codec.encode(init_connect.Request(c2s=hello))
    receive(server, build_frame(INIT_CONNECT, 1, body, 0, KEY))
    answer = server.take()
    assert plain(answer)
    assert server.encryption == "none"


@pytest.mark.parametrize("key", ["", "short", "0123456789abcde\u00e9", "0123456789abcdef0"])
def test_a_key_that_is_none_ends_the_try(key: str) -> None:
    pair = Pair("ftaes_ecb")
    pair.client.connect(0.0)
    pair.client.take()
    welcome = msgspec.structs.replace(WELCOME, conn_aes_key=key)
    body = codec.encode(init_connect.Response(ret_type=0, s2c=welcome))  # type: ignore[arg-type]
    [lost] = receive(pair.client, build_frame(INIT_CONNECT, 1, body, 0, KEY))
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, HandshakeError)
    assert not key or key not in str(lost.error)


def test_a_refusal_can_be_read_by_who_sealed_its_request() -> None:
    for asked in ("none", "aes_cbc"):
        pair = Pair(asked, refusal="full")
        [lost] = pair.meet()
        assert isinstance(lost, Lost)
        assert "full" in str(lost.error)


def test_a_packet_in_plain_is_no_longer_taken() -> None:
    pair = Pair("aes_cbc")
    pair.meet()
    for session in (pair.client, pair.server):
        [lost] = receive(session, [Envelope(USER_INFO, 9, 0, b"in plain")])
        assert isinstance(lost, Lost)
        assert isinstance(lost.error, DecryptError)


def test_pushes_come_in_the_format_that_was_asked_for() -> None:
    for wanted, expected in ((None, 1), (ProtoFmt.PROTOBUF, 0), (ProtoFmt.JSON, 1)):
        server = ServerSession(WELCOME, now=0.0, push_format=1)
        hello = msgspec.structs.replace(HELLO, push_proto_fmt=wanted)
        body = codec.encode(init_connect.Request(c2s=hello))
        receive(server, build_frame(INIT_CONNECT, 1, body))
        assert server.push_format == expected


def test_keys_die_with_the_connection() -> None:
    pair = Pair("aes_cbc")
    pair.meet()
    for session in (pair.client, pair.server):
        assert session.link.sealer is not None
        session.close()
        ciphers = [session.link.sealer, session.link.opener]
        assert ciphers == [None, None]
