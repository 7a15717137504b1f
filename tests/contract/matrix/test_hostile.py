"""Hostile and broken WebSocket and TLS peers of the simulator: a clear end, nobody else harmed."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as raw_connect

from futukit import aio, codec, sync
from futukit.channels.serving import MAX_REQUEST_BYTES
from futukit.core.session.greeting import hashed_key
from futukit.enums import KLType, RehabType
from futukit.errors import ConnectError, FutukitError, HandshakeError, UsageError
from futukit.messages import init_connect, init_web_socket, qot_common, qot_request_history_kl
from futukit.sim import SimulatedOpenD
from tests.contract.clients.faces import AsyncioFace, BlockingFace
from tests.contract.matrix.conftest import Doors
from tests.support.certificates import Certificates
from tests.support.rsa import rsa_pem
from tests.unit.sim.raw_client import until

SIGN = b"ft-v1.0\0"
SECONDS = 5.0
HELLO = codec.encode_frame(
    init_connect.Request(c2s=init_connect.C2S(client_ver=1, client_id="raw")), 1001, 1
)


def script_packet(cmd: int, section: int, body: bytes = b"", sign: bytes = SIGN) -> bytes:
    return struct.pack(">8sIQ", sign, cmd, section) + body


def login(key: str | None) -> bytes:
    c2s = init_web_socket.C2S(websocket_key=hashed_key(key), client_id="raw")
    return script_packet(1, 1, codec.encode(init_web_socket.Request(c2s=c2s)))


@pytest.fixture
def raw(doors: Doors) -> Iterator[ClientConnection]:
    """A WebSocket to the simulator that anything can be sent over."""
    with raw_connect(doors.plain.urls["ws"], max_size=None, close_timeout=SECONDS) as connected:
        yield connected


@pytest.fixture
def bystander(doors: Doors) -> Iterator[sync.Client]:
    """Somebody else on the same port, who must notice nothing."""
    with sync.connect(doors.plain.urls["ft+ws"], reconnect=False) as client:
        yield client
        assert client.system.get_global_state().qot_logined
        assert client.state.value == "ready"


def code_of_close(raw: ClientConnection) -> int | None:
    """Read to the end; the code of the close frame, None where none came."""
    try:
        while True:
            raw.recv(timeout=SECONDS)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("a text", 1003),
        (HELLO.decode("latin-1"), 1003),
        (HELLO[:43], 1007),
        (HELLO[:-1], 1007),
        (HELLO + HELLO, 1007),
        (b"", 1007),
        (b"XX" + HELLO[2:], 1007),
        (script_packet(1, 1)[:19], 1007),
        (script_packet(1, 1, sign=b"ft-v9.9\0"), 1007),
    ],
    ids=[
        "text",
        "a frame as text",
        "half a header",
        "half a frame",
        "two frames",
        "nothing",
        "wrong magic",
        "half a script header",
        "wrong sign",
    ],
)
def test_a_broken_first_message_closes_with_a_code(
    raw: ClientConnection, message: str | bytes, code: int
) -> None:
    raw.send(message)
    assert code_of_close(raw) == code


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("hello", [HELLO, login("sesame")], ids=["framed", "script"])
def test_a_text_after_the_login_closes_too(raw: ClientConnection, hello: bytes) -> None:
    raw.send(hello)
    assert raw.recv(timeout=SECONDS)
    raw.send("a text")
    assert code_of_close(raw) == 1003


def test_a_message_may_come_in_pieces(raw: ClientConnection) -> None:
    raw.send([HELLO[:10], HELLO[10:11], HELLO[11:]])
    answer = raw.recv(timeout=SECONDS)
    assert isinstance(answer, bytes)
    assert answer[:2] == b"FT"


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("key", [None, "", "wrong", hashed_key("sesame")])
def test_a_wrong_key_gets_an_error_and_the_end(raw: ClientConnection, key: str | None) -> None:
    raw.send(login(key))
    answer = raw.recv(timeout=SECONDS)
    assert isinstance(answer, bytes)
    sign, cmd, section, error = struct.unpack_from(">8sIQi", answer)
    assert (sign, cmd, section) == (SIGN, 1, 1)
    assert error != 0
    assert b"key" in answer[24:44]
    code_of_close(raw)


def test_a_wide_section_is_echoed(raw: ClientConnection) -> None:
    raw.send(login("sesame"))
    raw.recv(timeout=SECONDS)
    raw.send(script_packet(1004, 2**60 + 5, b"\x0a\x02\x08\x05"))
    answer = raw.recv(timeout=SECONDS)
    assert isinstance(answer, bytes)
    assert struct.unpack_from(">8sIQi", answer) == (SIGN, 1004, 2**60 + 5, 0)


def test_a_request_before_the_login_ends_the_connection(raw: ClientConnection) -> None:
    raw.send(script_packet(1002, 1))
    code_of_close(raw)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("in_pieces", [False, True])
def test_an_oversized_message_is_not_read_to_its_end(
    raw: ClientConnection, in_pieces: bool
) -> None:
    piece = bytes(64 * 1024)
    pieces = [piece] * (MAX_REQUEST_BYTES // len(piece) + 64)
    # The server hangs up while we still send: its close frame may be lost on the way.
    with contextlib.suppress(ConnectionClosed):
        raw.send(pieces if in_pieces else b"".join(pieces))
    assert code_of_close(raw) in (None, 1009)


@pytest.fixture(params=[AsyncioFace, BlockingFace], ids=lambda face: face.name)
def connect(request: pytest.FixtureRequest) -> Iterator[Any]:
    face = request.param()
    yield face.connect
    face.close()


@pytest.mark.parametrize("key", [None, "wrong"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_client_with_a_wrong_key_is_told(
    connect: Any, doors: Doors, scheme: str, key: str | None
) -> None:
    simulator = doors.secure if scheme == "wss" else doors.plain
    options: dict[str, Any] = {"tls_ca": doors.authority} if scheme == "wss" else {}
    if key is not None:
        options["ws_key"] = key
    with pytest.raises(HandshakeError, match="wrong WebSocket key"):
        connect(simulator.urls[scheme], **options)


@pytest.mark.parametrize("scheme", ["tcps", "wss", "ft+wss"])
def test_an_authority_that_is_not_trusted_is_named(connect: Any, doors: Doors, scheme: str) -> None:
    with pytest.raises(ConnectError, match=r"not trusted.*tls_ca"):
        connect(doors.secure.urls[scheme])
    options = {"ws_key": "sesame"} if scheme == "wss" else {}
    connect(doors.secure.urls[scheme], tls_verify=False, **options).close()


@pytest.mark.parametrize("scheme", ["tcps", "wss", "ft+wss"])
def test_tls_with_a_plain_port_is_a_clear_error(connect: Any, doors: Doors, scheme: str) -> None:
    port = doors.plain.port
    options = {"tls_ca": doors.authority, "connect_timeout": SECONDS}
    with pytest.raises(ConnectError):
        connect(f"{scheme}://127.0.0.1:{port}", **options)


@pytest.mark.parametrize("scheme", ["tcp", "ws", "ft+ws"])
def test_no_tls_with_a_tls_port_is_a_clear_error(connect: Any, doors: Doors, scheme: str) -> None:
    port = doors.secure.urls["tcps"].rpartition(":")[2]
    with pytest.raises((ConnectError, HandshakeError)):
        connect(f"{scheme}://127.0.0.1:{port}", connect_timeout=SECONDS)


def test_frames_where_a_websocket_listens_and_the_other_way_round(
    connect: Any, doors: Doors
) -> None:
    web_port = doors.plain.urls["ws"].rpartition(":")[2]
    for url in (f"tcp://127.0.0.1:{web_port}", f"ft+ws://127.0.0.1:{doors.plain.port}"):
        with pytest.raises(FutukitError):
            connect(url, connect_timeout=SECONDS)


def test_a_tls_handshake_that_never_ends_is_given_up_by_the_client(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"tcps://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectError, match=r"in 0\.1 s"):
            connect(url, connect_timeout=0.1, tls_verify=False)


def test_garbage_at_a_tls_port_harms_nobody(doors: Doors) -> None:
    port = int(doors.secure.urls["tcps"].rpartition(":")[2])
    with sync.connect(doors.secure.urls["tcps"], tls_ca=doors.authority) as client:
        for garbage in (b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", HELLO):
            with socket.create_connection(("127.0.0.1", port), SECONDS) as sock:
                sock.sendall(garbage)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    continue
        assert client.system.get_global_state().qot_logined


def test_the_simulator_asks_for_a_modern_tls(doors: Doors) -> None:
    port = int(doors.secure.urls["tcps"].rpartition(":")[2])
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as sock,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(sock)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tcps": 0}, "needs tls_cert and tls_key"),
        ({"host": "0.0.0.0", "ws": 0}, "not local needs tls_cert"),
        ({"tls_cert": "cert.pem"}, "go together"),
        ({"ws": 0, "tls_cert": "no.pem", "tls_key": "no.key"}, "tls_cert"),
        ({"encryption": "des"}, "encryption is one of"),
        ({"push_format": "xml"}, "push_format is one of"),
        ({"rsa_key": "no/such/file"}, "rsa_key"),
        ({"ws": 70000}, "a port is"),
    ],
)
def test_what_the_simulator_cannot_serve(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason), SimulatedOpenD(**settings):
        raise AssertionError("it serves")


def test_required_encryption_is_refused_where_none_is_granted(connect: Any) -> None:
    with SimulatedOpenD(freeze=True, rsa_key=rsa_pem(), encryption="none") as opend:
        with pytest.raises(HandshakeError, match="encryption is required"):
            connect(opend.url, rsa_key=rsa_pem(), encryption="required")
        client = connect(opend.url, rsa_key=rsa_pem(), encryption="aes_cbc")
        assert client.encryption == "none"
        client.close()


def test_another_key_than_the_simulators_is_a_failed_try(connect: Any) -> None:
    with (
        SimulatedOpenD(freeze=True, rsa_key=rsa_pem(1536)) as opend,
        pytest.raises(FutukitError),
    ):
        connect(opend.url, rsa_key=rsa_pem(1024), connect_timeout=SECONDS)


def test_a_missing_key_file_is_refused_before_anything_is_tried() -> None:
    for connect in (aio.connect, sync.connect):
        with pytest.raises(UsageError, match="rsa_key"):
            connect("tcp://127.0.0.1:9", rsa_key="no/such/file.pem")


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_a_client_that_never_reads_is_cut_alone(issued: Certificates, secure: bool) -> None:
    settings: dict[str, Any] = {"write_limit_bytes": 256 * 1024, "patience_seconds": 0.2}
    if secure:
        settings |= {"tls_cert": issued.certificate, "tls_key": issued.key}
    context = ssl.create_default_context(cafile=issued.authority) if secure else None
    with SimulatedOpenD(freeze=True, ws=0, **settings) as opend:
        scheme = "wss" if secure else "ws"
        trusted = {"tls_ca": issued.authority} if secure else {}
        history = codec.encode(
            qot_request_history_kl.Request(
                c2s=qot_request_history_kl.C2S(
                    rehab_type=RehabType.NONE,
                    kl_type=KLType.DAY,
                    security=qot_common.Security(
                        market=qot_common.QotMarket.HK_SECURITY, code="00700"
                    ),
                    begin_time="2015-01-01",
                    end_time="2026-01-01",
                    max_ack_kl_num=1000,
                )
            )
        )
        with (
            sync.connect(opend.urls[scheme], **trusted) as bystander,
            raw_connect(opend.urls[scheme], ssl=context, max_queue=1, close_timeout=0.1) as lazy,
        ):
            lazy.send(login(None))
            lazy.recv(timeout=SECONDS)
            # Nothing more is read: the answers pile up, first in the sockets, then in the server.
            with contextlib.suppress(ConnectionClosed):
                for section in range(2, 400):
                    lazy.send(script_packet(3103, section, history))
            opend.advance(1)
            until(lambda: len(opend.stats().connections) == 1)
            assert opend.stats().slow_clients_cut == 1
            assert bystander.system.get_global_state().qot_logined
