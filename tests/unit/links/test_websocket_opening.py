"""The opening handshake of a WebSocket: what is asked, what is taken, what is refused."""

from __future__ import annotations

import logging
import re
from importlib.metadata import version

import pytest
from websockets.protocol import State

from futukit.core.links.websocket_messages import client_socket
from futukit.errors import FutukitError, HandshakeError
from tests.unit.links.sockets import (
    ACCEPTED,
    CAP,
    HOST,
    PORT,
    TheirClient,
    TheirServer,
    frame,
    our_client,
    our_server,
)

OLD_LIBRARY = int(version("websockets").partition(".")[0]) < 17


def asked(host: str = HOST, port: int = PORT, *, secure: bool = False) -> bytes:
    socket = client_socket(host, port, secure=secure, max_message_bytes=CAP)
    socket.start()
    return socket.take()


def answer_to(request: bytes) -> bytes:
    return TheirServer().answer(request)


def test_a_client_asks_for_no_extension_and_tells_no_version() -> None:
    lines = asked().decode().split("\r\n")
    assert lines[0] == "GET / HTTP/1.1"
    names = [line.partition(":")[0] for line in lines[1:] if line]
    assert names == [
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    ]


@pytest.mark.parametrize(
    ("host", "port", "secure", "shown"),
    [
        ("opend.lan", 33333, False, "opend.lan:33333"),
        ("opend.lan", 443, True, "opend.lan"),
        ("opend.lan", 443, False, "opend.lan:443"),
        ("::1", 33333, False, "[::1]:33333"),
        ("fe80::1%eth0", 33333, False, "[fe80::1]:33333"),
    ],
)
def test_the_host_header_names_the_server(host: str, port: int, secure: bool, shown: str) -> None:
    assert f"\r\nHost: {shown}\r\n".encode() in asked(host, port, secure=secure)


def test_a_server_tells_neither_its_name_nor_a_version() -> None:
    end = our_server()
    end.feed(TheirClient().opening())
    head = end.socket.take()
    assert head.startswith(ACCEPTED)
    assert re.search(rb"(?i)\r\nserver|python|websockets|extensions", head) is None


def opening_from(*origins: str) -> bytes:
    """An opening handshake with these Origin headers."""
    lines = "".join(f"\r\nOrigin: {origin}" for origin in origins)
    return TheirClient().opening()[:-4] + lines.encode() + b"\r\n\r\n"


LOCAL_PAGES = [
    "http://localhost",
    "https://localhost:8443",
    "http://127.0.0.1:3000",
    "http://[::1]",
]
PAGES_FROM_ELSEWHERE = [
    "https://example.com",
    "null",
    "http://localhost.example.com",
    "http://example.com:127.0.0.1",
    "file://",
    "http://127.0.0.1.example.com",
]


@pytest.mark.parametrize("origin", LOCAL_PAGES)
def test_a_server_for_this_machine_takes_programs_and_local_pages(origin: str) -> None:
    for request in (opening_from(), opening_from(origin)):
        end = our_server(local_origins=True)
        end.feed(request)
        assert end.socket.take().startswith(ACCEPTED)


@pytest.mark.parametrize("origin", PAGES_FROM_ELSEWHERE)
def test_a_server_for_this_machine_refuses_pages_from_elsewhere(origin: str) -> None:
    for origins in ((origin,), (LOCAL_PAGES[0], origin)):
        end = our_server(local_origins=True)
        end.feed(opening_from(*origins))
        assert end.socket.take().startswith(b"HTTP/1.1 403 ")
        with pytest.raises(HandshakeError, match="the page is not of this machine"):
            end.socket.check()
    open_to_all = our_server()
    open_to_all.feed(opening_from(origin))
    assert open_to_all.socket.take().startswith(ACCEPTED)


def test_compression_is_declined_by_a_server() -> None:
    end = our_server()
    request = TheirClient().opening()
    offer = b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    end.feed(request[:-4] + offer)
    head = end.socket.take()
    assert head.startswith(ACCEPTED)
    assert b"xtensions" not in head


def test_messages_sent_while_it_opens_come_behind_the_handshake_in_order() -> None:
    end, server = our_client(), TheirServer()
    end.socket.start()
    assert end.socket.send(b"first") == end.socket.send(b"second") == b""
    end.feed(server.answer(end.socket.take()))
    assert server.answer(end.socket.take()) == b""
    assert [frame.data for frame in server.frames] == [b"first", b"second"]
    assert end.socket.take() == b""
    server.answer(end.socket.send(b"third"))
    assert server.frames[-1].data == b"third"


def test_the_handshake_and_first_frames_may_come_byte_by_byte() -> None:
    end, server = our_client(), TheirServer()
    end.socket.start()
    head = server.answer(end.socket.take())
    for byte in head + frame(b"one") + frame(b"two"):
        end.feed(bytes([byte]))
    assert end.messages == [b"one", b"two"]


def test_a_client_that_does_not_wait_for_the_answer_is_served_all_the_same() -> None:
    end, client = our_server(), TheirClient()
    request = client.opening()
    for data in (request + frame(b"early", masked=True),):
        end.feed(data)
    assert end.messages == [b"early"]
    client.answer(end.socket.send(b"late"))
    assert client.protocol.state is State.OPEN
    assert [frame.data for frame in client.frames] == [b"late"]


def test_a_server_takes_the_handshake_byte_by_byte() -> None:
    end, client = our_server(), TheirClient()
    for byte in client.opening():
        assert end.socket.take() == b""
        end.feed(bytes([byte]))
    client.answer(end.socket.take())
    assert client.protocol.state is State.OPEN


# Refused: a HandshakeError that says how, at once, with nothing of what the peer sent.


def refusal(answer: bytes) -> str:
    end = our_client()
    end.socket.start()
    end.socket.take()
    end.feed(answer)
    with pytest.raises(HandshakeError) as caught:
        end.socket.check()
    assert end.messages == []
    assert end.socket.take() == b""
    assert end.socket.send(b"x") == b""
    return str(caught.value)


@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "200 OK", "500 secret"])
def test_another_status_than_101_is_named_before_the_rest_came(status: str) -> None:
    text = refusal(f"HTTP/1.1 {status}\r\n".encode())
    assert text == f"the WebSocket was refused: HTTP {status[:3]}"


def test_a_redirect_is_not_followed() -> None:
    text = refusal(b"HTTP/1.1 302 Found\r\nLocation: https://user:pass@elsewhere/\r\n\r\n")
    assert text == "the WebSocket was refused: HTTP 302, redirects are not followed"


@pytest.mark.parametrize(
    "answer",
    [
        b"FT\x01\0\0\0",
        b"\x15\x03\x01\0\x02\x02\x46",
        b"HTTP/2.0 101 x\r\n\r\n",
        b"HTTP/1.1 abc Switching\r\n\r\n",
        b"HTTP/1.1 999 x\r\n\r\n",
        b"H\0",
        b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_at_its_first_bytes(answer: bytes) -> None:
    assert refusal(answer) == "the peer does not speak HTTP"


GOOD = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": "SECRET"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "a bad header Sec-WebSocket-Accept"),
        ({"Sec-WebSocket-Accept": None}, "a bad header Sec-WebSocket-Accept"),
        ({"Upgrade": "h2c"}, "a bad header Upgrade"),
        ({"Connection": "close"}, "a bad header Connection"),
    ],
)
def test_an_answer_that_is_no_websocket_names_the_header(
    change: dict[str, str | None], reason: str
) -> None:
    headers = {name: value for name, value in {**GOOD, **change}.items() if value}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    text = refusal(ACCEPTED + head.encode() + b"\r\n")
    assert text == f"no WebSocket: the peer's answer has {reason}"


def test_an_extension_that_was_not_asked_for_is_refused() -> None:
    end, server = our_client(), TheirServer()
    end.socket.start()
    head = server.answer(end.socket.take())
    end.feed(head[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    with pytest.raises(HandshakeError, match="not asked for"):
        end.socket.check()


@pytest.mark.parametrize("header", [b"X: " + b"y" * 100 + b"\r\n", b"X" * 1000])
def test_endless_headers_end_the_handshake(header: bytes) -> None:
    end = our_client()
    end.socket.start()
    end.feed(ACCEPTED)
    for _ in range(2_000_000 // len(header)):
        end.feed(header)
    with pytest.raises(HandshakeError, match="has no valid HTTP head"):
        end.socket.check()


@pytest.mark.parametrize("sent", [b"", b"HT", ACCEPTED, ACCEPTED + b"Upgrade: webso"])
def test_an_end_within_the_handshake_is_told_as_such(sent: bytes) -> None:
    end = our_client()
    end.socket.start()
    if sent:
        end.feed(sent)
    with pytest.raises(HandshakeError, match="within the opening handshake"):
        end.socket.eof()


def test_the_kept_failure_is_raised_anew_each_time() -> None:
    end = our_client()
    end.socket.start()
    end.feed(b"garbage")
    raised: list[FutukitError] = []
    for _ in range(2):
        with pytest.raises(HandshakeError) as caught:
            end.socket.check()
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert str(raised[0]) == str(raised[1])


# The server's side of it.


def served(request: bytes) -> tuple[bytes, str]:
    """What a server answers, and its error."""
    end = our_server()
    end.feed(request)
    with pytest.raises(HandshakeError) as caught:
        end.socket.check()
    return end.socket.take(), caught.value.reason


def without(header: str, instead: str = "") -> bytes:
    lines = asked().decode().split("\r\n")
    kept = [line for line in lines if not line.startswith(header)]
    return "\r\n".join([kept[0], *([instead] if instead else []), *kept[1:]]).encode()


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, "a bad header Connection"),
        (without("Sec-WebSocket-Key"), 400, "a bad header Sec-WebSocket-Key"),
        (
            without("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="),
            400,
            "a bad header Sec-WebSocket-Key",
        ),
        (
            without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
            400,
            "a bad header Sec-WebSocket-Version",
        ),
        (asked().replace(b"GET", b"POST"), 405, "no valid HTTP head"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414, "no valid HTTP head"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200, 431, "no valid HTTP head"),
    ],
)
def test_a_bad_request_is_answered_and_refused(request_: bytes, status: int, reason: str) -> None:
    answer, text = served(request_)
    # Before version 17 the library gave no answer to the last three.
    assert answer.startswith(b"HTTP/1.1 %d " % status) or (not answer and OLD_LIBRARY)
    assert b"erver:" not in answer
    assert text == f"no WebSocket: the peer's request has {reason}"


@pytest.mark.parametrize("request_", [b"FT\0\0\r\n", b"\x16\x03\x01\n", b"\n" * 100_000])
def test_what_is_no_request_gets_no_answer(request_: bytes) -> None:
    answer, text = served(request_)
    assert (answer, text) == (b"", "no WebSocket: the peer's request has no valid HTTP head")


def test_frames_behind_a_bad_request_do_no_harm() -> None:
    request = without("Sec-WebSocket-Key") + b"\x8f\xff garbage" + frame(b"x", masked=True)
    answer, _ = served(request)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        end, client = our_server(), our_client()
        client.socket.start()
        client.socket.send(b"the key")
        end.feed(client.socket.take())
        client.feed(end.socket.take())
        end.feed(client.socket.take())
        end.feed(b"\xff")
    assert end.messages == [b"the key"]
    assert caplog.records == []
