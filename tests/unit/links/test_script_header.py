"""The headers of the JavaScript SDK's packets, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futukit.core.links.script_header import (
    FROM_CLIENT_BYTES,
    FROM_SERVER_BYTES,
    SIGN,
    FromClient,
    FromServer,
    pack_from_client,
    pack_from_server,
    unpack_from_client,
    unpack_from_server,
)
from futukit.errors import BadLength, BadMagic, UsageError

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
I32 = st.integers(-(2**31), 2**31 - 1)


def test_a_request_has_the_documented_20_bytes() -> None:
    packed = pack_from_client(3001, 0x0102030405060708)
    assert packed == b"ft-v1.0\0" + b"\0\0\x0b\xb9" + bytes(range(1, 9))
    assert len(packed) == FROM_CLIENT_BYTES == 20


def test_an_answer_has_the_documented_44_bytes() -> None:
    packed = pack_from_server(1, 7, -1, "wrong key")
    assert packed == (
        b"ft-v1.0\0\0\0\0\1\0\0\0\0\0\0\0\7\xff\xff\xff\xff" + b"wrong key".ljust(20, b"\0")
    )
    assert len(packed) == FROM_SERVER_BYTES == 44


@given(cmd=U32, section=U64, body=st.binary(max_size=50))
def test_requests_come_back_as_they_were(cmd: int, section: int, body: bytes) -> None:
    message = pack_from_client(cmd, section) + body
    assert unpack_from_client(message) == FromClient(cmd, section)
    assert unpack_from_client(bytearray(message)) == FromClient(cmd, section)


@given(
    cmd=U32,
    section=U64,
    error=I32,
    text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)
def test_answers_come_back_as_they_were(cmd: int, section: int, error: int, text: str) -> None:
    packed = pack_from_server(cmd, section, error, text)
    assert unpack_from_server(packed + b"body") == FromServer(cmd, section, error, text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 30, "x" * 20),
        ("密钥 wrong", "?? wrong"),
        ("a\nb\x1b[2J", "a?b?[2J"),
        ("cut\0here", "cut"),
    ],
)
def test_the_text_of_an_error_is_cut_and_made_printable(text: str, shown: str) -> None:
    assert unpack_from_server(pack_from_server(1, 1, 3, text)).text == shown


def test_bytes_that_are_not_ascii_are_shown_as_questions() -> None:
    packed = pack_from_server(1, 1, 3)[:24] + b"\xe5\xaf\x86".ljust(20, b"\0")
    assert unpack_from_server(packed).text == "???"


@pytest.mark.parametrize("unpack", [unpack_from_client, unpack_from_server])
def test_a_half_header_is_a_bad_length(unpack: object) -> None:
    assert callable(unpack)
    size = FROM_CLIENT_BYTES if unpack is unpack_from_client else FROM_SERVER_BYTES
    whole = pack_from_server(1, 1)
    unpack(whole[:size])
    for cut in range(size):
        with pytest.raises(BadLength) as caught:
            unpack(whole[:cut], 99)
        assert caught.value.offset == 99


@pytest.mark.parametrize("unpack", [unpack_from_client, unpack_from_server])
@pytest.mark.parametrize("start", [b"ft-v1.1\0", b"FT", b"\0", b"ft-v1.0 ", SIGN[::-1]])
def test_another_sign_is_a_bad_magic_even_in_a_short_message(unpack: object, start: bytes) -> None:
    assert callable(unpack)
    for message in (start, start + bytes(60)):
        with pytest.raises(BadMagic) as caught:
            unpack(message, 12)
        assert caught.value.offset == 12


@given(st.binary(max_size=80))
def test_anything_is_read_or_refused(message: bytes) -> None:
    for unpack in (unpack_from_client, unpack_from_server):
        for data in (message, SIGN + message):
            try:
                unpack(data)
            except (BadLength, BadMagic):
                continue


@pytest.mark.parametrize(("cmd", "section"), [(-1, 0), (2**32, 0), (1, -1), (1, 2**64)])
def test_numbers_that_do_not_fit_are_refused(cmd: int, section: int) -> None:
    with pytest.raises(UsageError):
        pack_from_client(cmd, section)
    with pytest.raises(UsageError):
        pack_from_server(cmd, section)


@pytest.mark.parametrize("error", [2**31, -(2**31) - 1])
def test_an_error_that_does_not_fit_is_refused(error: int) -> None:
    with pytest.raises(UsageError):
        pack_from_server(1, 1, error)
