"""``futukit decode``: captured streams of sessions, plain and encrypted, whole and broken."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import RSA

from futukit import codec
from futukit._native.cipher import Cipher
from futukit._native.frame import FrameReader, build_frame
from futukit.cli.decode import Keys, frames, keys_for
from futukit.cli.main import main
from futukit.core.keys import load_rsa_key
from futukit.core.links.frames import FrameLink
from futukit.core.secrecy import ClientSecrecy, ServerSecrecy
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ConnectGreeting
from futukit.errors import BadLength, DecryptError, FrameError, HandshakeError, UsageError
from futukit.messages import common, init_connect, qot_sub, qot_update_ticker, trd_unlock_trade
from futukit.messages.qot_common import QotMarket, Security, SubType
from futukit.trace import Tracer

PEM = RSA.generate(1024).export_key().decode()
RSA_KEY = load_rsa_key(PEM)
OTHER_PEM = RSA.generate(1024).export_key().decode()
KEY, IV = "0123456789abcdef", "fedcba9876543210"
PASSWORD = "0cc175b9c0f1b6a831c399e269772661"
SECRETS = (KEY, IV, PASSWORD)
OK = common.RetType.SUCCEED
WELCOME = init_connect.S2C(
    server_ver=1011, login_user_id=5, conn_id=7, conn_aes_key=KEY, keep_alive_interval=10
)
SUBSCRIBE = qot_sub.C2S(
    security_list=(Security(market=QotMarket.HK_SECURITY, code="00700"),),
    sub_type_list=(SubType.TICKER,),
    is_sub_or_un_sub=True,
)
TICKERS = qot_update_ticker.Response(
    ret_type=OK,
    s2c=qot_update_ticker.S2C(
        security=Security(market=QotMarket.HK_SECURITY, code="00700"), name="騰訊"
    ),
)
SUCCESS = codec.encode(qot_sub.Response(ret_type=OK))


@dataclass
class Capture:
    """Both directions of one connection as bytes, and what the client's own trace said of it."""

    client: bytes = b""
    server: bytes = b""
    lines: list[str] = field(default_factory=list)

    def lines_of(self, arrow: str) -> list[str]:
        return [line.split(" ", 1)[1] for line in self.lines if line.split(" ")[1] == arrow]


def capture(encryption: str = "none", pem: str | None = None, body_format: int = 0) -> Capture:
    """A connection: InitConnect, a subscription, an unlocking, an unknown id, a push."""
    found = Capture()
    key = None if pem is None else RSA_KEY
    secrecy = ClientSecrecy(encryption, key)
    hello = init_connect.C2S(client_ver=1, client_id="me", packet_enc_algo=secrecy.asked)
    client = ClientSession(
        ConnectGreeting(hello, secrecy),
        body_format=body_format,
        observer=Tracer(found.lines.append, width=None),
    )
    server = ServerSession(
        WELCOME,
        now=0.0,
        link=FrameLink(server=True),
        secrecy=ServerSecrecy(key),
        aes_cbc_iv=IV,
        push_format=body_format,
    )

    def exchange() -> list[Any]:
        data = client.take()
        found.client += data
        reader = server.link.reader
        assert isinstance(reader, FrameReader)
        reader.feed(data)
        return server.receive(0.0)

    def answer() -> None:
        data = server.take()
        found.server += data
        reader = client.link.reader
        assert isinstance(reader, FrameReader)
        reader.feed(data)
        client.receive(0.0)

    client.connect(0.0)
    exchange()
    answer()
    assert client.info is not None
    assert client.info.encryption == encryption
    unlock = trd_unlock_trade.C2S(unlock=True, pwd_md5=PASSWORD)
    client.request(3001, SUBSCRIBE, 0.0)
    client.request(2005, unlock, 0.0)
    subscribed, unlocked = exchange()
    server.reply(subscribed.envelope, qot_sub.Response(ret_type=OK))
    server.refuse(unlocked.envelope, "wrong password", -1)
    server.push(3011, TICKERS)
    answer()
    return found


@pytest.fixture
def rsa_file(tmp_path: Path) -> str:
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    return str(path)


def decoded(
    stream: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *options: str,
    status: int = 0,
) -> tuple[list[str], str]:
    """The lines on stdout and what stands on stderr."""
    path = tmp_path / "stream.bin"
    path.write_bytes(stream)
    assert main(["decode", str(path), "--width", "0", *options]) == status
    printed = capsys.readouterr()
    assert [secret for secret in SECRETS if secret in printed.out + printed.err] == []
    return printed.out.splitlines(), printed.err


def without_mark(lines: list[str]) -> list[str]:
    return [line.split(" ", 1)[1] for line in lines]


# What it prints.


@pytest.mark.parametrize("body_format", [0, 1])
def test_a_plain_stream_is_decoded_as_the_client_traced_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body_format: int
) -> None:
    found = capture(body_format=body_format)
    lines, _ = decoded(found.client, tmp_path, capsys)
    assert without_mark(lines) == found.lines_of("→")
    assert len(lines) == 3
    lines, _ = decoded(found.server, tmp_path, capsys)
    assert without_mark(lines) == found.lines_of("←")
    assert len(lines) == 4


@pytest.mark.parametrize("encryption", ["ftaes_ecb", "aes_ecb", "aes_cbc"])
def test_the_servers_direction_opens_with_the_rsa_key_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rsa_file: str, encryption: str
) -> None:
    found = capture(encryption, PEM)
    lines, _ = decoded(found.server, tmp_path, capsys, "--rsa-key", rsa_file)
    assert without_mark(lines) == found.lines_of("←")
    assert '"connAESKey":"…"' in lines[0]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("encryption", ["ftaes_ecb", "aes_ecb", "aes_cbc"])
def test_the_clients_direction_opens_with_both_keys(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rsa_file: str,
    encryption: str,
    named: bool,
) -> None:
    found = capture(encryption, PEM)
    options = ["--aes-key", KEY]
    options += ["--aes-iv", IV] if encryption == "aes_cbc" else []
    options += ["--encryption", encryption] if named else []
    lines, _ = decoded(found.client, tmp_path, capsys, "--rsa-key", rsa_file, *options)
    assert without_mark(lines) == found.lines_of("→")
    # Without the RSA key InitConnect stays closed, and the rest can be read.
    lines, _ = decoded(found.client, tmp_path, capsys, *options)
    assert re.fullmatch(
        r"@0 \? 1001 InitConnect #1 \d+ B, sealed with an RSA key that is not at hand", lines[0]
    )
    assert without_mark(lines[1:]) == found.lines_of("→")[1:]


def test_keys_come_from_the_environment_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUTUKIT_AES_KEY", KEY)
    monkeypatch.setenv("FUTUKIT_AES_IV", IV)
    lines, _ = decoded(capture("aes_cbc", PEM).client, tmp_path, capsys)
    assert len(lines) == 3


def test_a_plain_answer_to_a_sealed_request_means_that_nothing_is_encrypted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rsa_file: str
) -> None:
    found = capture("none", PEM)
    for stream, arrow in ((found.client, "→"), (found.server, "←")):
        lines, _ = decoded(stream, tmp_path, capsys, "--rsa-key", rsa_file)
        assert without_mark(lines) == found.lines_of(arrow)
    assert decoded(found.server, tmp_path, capsys)[0] == lines


def test_marks_are_the_places_in_the_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [0, 3, 1000]
    stream = b"".join(build_frame(9999, n, bytes(size)) for n, size in enumerate(sizes))
    lines, _ = decoded(stream, tmp_path, capsys)
    assert lines == [
        "@0 ? 9999 ? #0 0 B",
        "@44 ? 9999 ? #1 3 B",
        "@91 ? 9999 ? #2 1000 B",
    ]


def test_a_body_that_is_no_message_is_one_line_and_the_next_frames_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = build_frame(3001, 1, b"\xff") + build_frame(3001, 2, SUCCESS)
    stream += build_frame(3001, 3, b"\xff") + build_frame(3200, 4, b"x")
    lines, _ = decoded(stream, tmp_path, capsys)
    assert re.fullmatch(
        r"@0 \? 3001 Qot_Sub #1 1 B, does not decode: "
        r"Qot_Sub\.Request: .*; Qot_Sub\.Response: .*",
        lines[0],
    )
    assert lines[1] == '@45 ← 3001 Qot_Sub #2 Response 2 B {"retType":0}'
    assert "← 3001 Qot_Sub #3 1 B, does not decode: Qot_Sub.Response: " in lines[2]
    assert "Request" not in lines[2]
    assert re.fullmatch(r"@136 ← 3200 \w+ #4 1 B", lines[3])


def test_lines_are_cut_to_the_width(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = capture().client
    lines, _ = decoded(stream, tmp_path, capsys, "--width", "30")
    assert [len(line) for line in lines] == [30] * 3
    lines, _ = decoded(stream * 2, tmp_path, capsys, "--width", "200")
    assert max(map(len, lines)) <= 200


def test_json_objects_hold_the_whole_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rsa_file: str
) -> None:
    found = capture("aes_cbc", PEM)
    lines, _ = decoded(found.server, tmp_path, capsys, "--rsa-key", rsa_file, "--json")
    welcome, subscribed, unlocked, push = map(json.loads, lines)
    assert welcome["message"]["s2c"]["connAESKey"] == "…"
    assert subscribed == {
        "offset": subscribed["offset"],
        "kind": "response",
        "proto_id": 3001,
        "name": "Qot_Sub",
        "serial": 2,
        "body_format": "protobuf",
        "size": 2,
        "message": {"retType": 0},
    }
    assert unlocked["message"] == {"retType": -1, "retMsg": "wrong password"}
    assert push["kind"] == "push"
    assert push["message"]["s2c"]["security"] == {"market": 1, "code": "00700"}
    lines, _ = decoded(
        found.client + build_frame(9999, 9, b"abc", 1), tmp_path, capsys, "--json",
        "--aes-key", KEY, "--aes-iv", IV,
    )  # fmt: skip
    sealed, request, _, unknown = map(json.loads, lines)
    assert (sealed["kind"], "message" in sealed) == (None, False)
    assert "RSA" in sealed["error"]
    assert (request["kind"], request["offset"]) == ("request", 44 + sealed["size"])
    assert unknown.keys() == {
        "offset", "kind", "proto_id", "name", "serial", "body_format", "size",
    }  # fmt: skip
    assert (unknown["kind"], unknown["name"], unknown["body_format"]) == ("request", "?", "json")


def test_the_stream_may_come_from_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(build_frame(3001, 1, SUCCESS)))
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["decode", "-"]) == 0
    assert capsys.readouterr().out.startswith("@0 ← 3001 Qot_Sub #1 ")
    assert not stdin.closed


def test_an_empty_stream_has_no_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decoded(b"", tmp_path, capsys) == ([], "")


# Broken streams: what came before is printed, then the error with its place.


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"XX" + bytes(50), "must begin with FT"),
        (b"GET / HTTP/1.1\r\n", "must begin with FT"),
        (build_frame(3001, 9, SUCCESS)[:-1], "ended within a frame"),
        (build_frame(3001, 9, SUCCESS)[:44], "ended within a frame"),
        (build_frame(3001, 9, SUCCESS)[:43], "ended within a frame"),
        (b"F", "ended within a frame"),
        (build_frame(3001, 9, SUCCESS)[:-1] + b"\x01", "damaged, or encrypted"),
        (build_frame(3001, 9, SUCCESS)[:7] + b"\x01" + bytes(40), "version"),
        (build_frame(3001, 9, SUCCESS)[:6] + b"\x07" + bytes(40), "format"),
        (build_frame(3001, 9, b"")[:12] + b"\xff" * 4 + bytes(28), "4294967295"),
    ],
)
def test_a_broken_frame_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: bytes, reason: str
) -> None:
    good = build_frame(3001, 1, SUCCESS) + build_frame(9999, 2, b"")
    lines, complaint = decoded(good + broken, tmp_path, capsys, status=1)
    assert len(lines) == 2
    assert complaint.count("\n") == 1
    assert f"at byte {len(good)}" in complaint
    assert reason in complaint


def test_every_cut_is_told_or_falls_between_two_frames() -> None:
    stream = capture("aes_cbc", PEM).server
    places = [at for at, _ in frames(io.BytesIO(stream), Keys(RSA_KEY))]
    for end in range(len(stream)):
        seen: list[int] = []
        cut = frames(io.BytesIO(stream[:end]), Keys(RSA_KEY))
        if end in places or end == 0:
            assert [at for at, _ in cut] == [at for at in places if at < end]
            continue
        with pytest.raises(BadLength) as caught:
            seen.extend(at for at, _ in cut)
        assert caught.value.offset == max(at for at in places if at < end)


def told(stream: bytes) -> str:
    """All that is said of a stream under the right RSA key; only documented errors pass."""
    lines: list[str] = []
    try:
        lines.extend(account.line("@0") for _, account in frames(io.BytesIO(stream), Keys(RSA_KEY)))
    except (FrameError, DecryptError, HandshakeError) as error:
        lines.append(str(error))
    return "\n".join(lines)


def test_no_spoilt_byte_does_harm() -> None:
    stream = capture("aes_cbc", PEM).server
    whole, changed = told(stream), 0
    for at, flip in itertools.product(range(len(stream)), (0x01, 0x80)):
        spoilt = bytearray(stream)
        spoilt[at] ^= flip
        text = told(bytes(spoilt))
        assert [secret for secret in SECRETS if secret in text] == []
        # Only of a frame's eight reserved bytes nothing depends.
        changed += text != whole
    assert changed == 2 * (len(stream) - 8 * len(whole.splitlines()))


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--aes-key", "another key 1234"],
        ["--aes-key", KEY, "--aes-iv", "another iv 12345"],
        ["--aes-key", KEY],
        ["--aes-key", KEY, "--encryption", "ftaes_ecb"],
    ],
)
def test_a_key_that_does_not_open_is_told_at_the_first_frame_that_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    found = capture("aes_cbc", PEM)
    lines, complaint = decoded(found.client, tmp_path, capsys, *options, status=1)
    assert len(lines) == 1
    assert "no key at hand opens it (at byte 172, proto id 3001, serial 2)" in complaint


def test_another_rsa_key_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pem"
    other.write_text(OTHER_PEM)
    found = capture("aes_cbc", PEM)
    lines, complaint = decoded(found.server, tmp_path, capsys, "--rsa-key", str(other), status=1)
    assert lines == []
    assert "(at byte 0, proto id 1001, serial 1)" in complaint


@pytest.mark.parametrize(("key", "iv"), [("short", None), ("ключ" * 4, None), (KEY, "short")])
def test_an_answer_that_names_no_key_is_told(key: str, iv: str | None) -> None:
    s2c = init_connect.S2C(
        server_ver=1,
        login_user_id=1,
        conn_id=1,
        conn_aes_key=key,
        aes_cbc_iv=iv,
        keep_alive_interval=10,
    )
    body = codec.encode(init_connect.Response(ret_type=OK, s2c=s2c))
    stream = build_frame(1001, 1, body, 0, load_rsa_key(PEM))
    with pytest.raises(HandshakeError) as caught:
        list(frames(io.BytesIO(stream), Keys(RSA_KEY)))
    assert key not in str(caught.value)


# Wrong use.


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--aes-key", "short"], "16"),
        (["--aes-key", KEY, "--aes-iv", "short"], "16"),
        (["--aes-key", KEY, "--encryption", "aes_cbc"], "iv"),
        (["--aes-key", KEY, "--aes-iv", IV, "--encryption", "aes_ecb"], "aes_ecb"),
        (["--aes-iv", IV], "--aes-key"),
        (["--encryption", "aes_ecb"], "--aes-key"),
        (["--encryption", "rot13"], "rot13"),
        (["--rsa-key", os.devnull], "RSA key"),
        (["--width", "-1"], "width"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], text: str
) -> None:
    lines, complaint = decoded(capture().client, tmp_path, capsys, *options, status=2)
    assert lines == []
    assert text in complaint


def test_keys_are_in_no_text() -> None:
    keys = keys_for(PEM, KEY, IV)
    assert KEY not in repr(keys) + str(vars(keys))
    with pytest.raises(UsageError) as caught:
        keys_for(None, KEY + "x", IV)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.bin", "."])
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["decode", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


# Size.


class Pieces(io.BytesIO):
    """A stream that notes how much it was asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[int | None] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked.append(size)
        return super().read(size)


def test_a_stream_is_read_frame_by_frame() -> None:
    stream = Pieces(build_frame(9999, 1, bytes(1000)) * 100)
    found = frames(stream, Keys())
    next(found)
    assert stream.tell() == 1044
    assert len(list(found)) == 99
    assert set(stream.asked) == {44, 1000}


def test_a_frame_without_a_body_needs_no_key() -> None:
    cipher = Cipher("aes_ecb", KEY.encode())
    stream = build_frame(3001, 1, SUCCESS, 0, cipher) + build_frame(9999, 2, b"")
    accounts = [account for _, account in frames(io.BytesIO(stream), Keys(None, cipher))]
    assert [account.kind for account in accounts] == ["response", "response"]
    assert [len(account.envelope.body) for account in accounts] == [2, 0]
