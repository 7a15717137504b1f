"""Encrypted bodies: what a plain reading of the protocol opens, nothing else, and no crash."""

from __future__ import annotations

from typing import Any

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad
from hypothesis import given, settings
from hypothesis import strategies as st

from futukit._native.frame import FrameReader, build_frame
from futukit.errors import DecryptError, FrameError
from tests.support.aes import ALGORITHMS, IV, KEY, cipher, encrypted_blocks, sealed

_SETTINGS = settings(max_examples=300, deadline=None, database=None, derandomize=True)

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def _opened(algorithm: str, wire: bytes) -> bytes | None:
    """The plain body by the protocol's text and pycryptodome; None where there is none."""
    if not wire:
        return b""
    if len(wire) % 16:
        return None
    if algorithm == "ftaes_ecb":
        return _opened_ftaes(wire)
    mode = (AES.MODE_CBC, IV) if algorithm == "aes_cbc" else (AES.MODE_ECB,)
    try:
        return unpad(AES.new(KEY, *mode).decrypt(wire), 16)
    except ValueError:
        return None


def _opened_ftaes(wire: bytes) -> bytes | None:
    padded = AES.new(KEY, AES.MODE_ECB).decrypt(wire[:-16])
    zeros, rest = wire[-16:-1], wire[-1]
    if any(zeros) or rest > 15 or (rest and not padded):
        return None
    plain = padded[: len(padded) - 16 + rest] if rest else padded
    return None if padded[len(plain) :].strip(b"\0") else plain


def _wires(algorithm: str) -> st.SearchStrategy[bytes]:
    """Anything; whole blocks whose plain ends are nearly right; and bodies with one change."""
    ends = st.integers(0, 20).map(lambda number: bytes([number]) * min(number, 16))
    ends |= st.integers(0, 16).map(bytes)
    blocks = st.tuples(st.binary(max_size=48), ends).map(
        lambda parts: encrypted_blocks(algorithm, _filled(*parts))
    )
    tails = st.sampled_from([b"", bytes(16), *(bytes(15) + bytes([n]) for n in (1, 5, 15, 16))])
    changed = st.tuples(st.binary(max_size=70), st.integers(0, 95), st.integers(0, 255)).map(
        lambda parts: _changed(sealed(algorithm, parts[0]), parts[1], parts[2])
    )
    return st.binary(max_size=70) | st.tuples(blocks, tails).map(b"".join) | changed


def _filled(start: bytes, end: bytes) -> bytes:
    """Whole blocks that begin and end so."""
    return start + bytes(-(len(start) + len(end)) % 16) + end


def _changed(wire: bytes, place: int, value: int) -> bytes:
    return wire[:place] + bytes([value]) + wire[place + 1 :]


@every_algorithm
@_SETTINGS
@given(data=st.data())
def test_any_bytes_are_opened_as_the_protocol_says_or_refused(
    algorithm: str, data: st.DataObject
) -> None:
    wire = data.draw(_wires(algorithm))
    try:
        plain = cipher(algorithm).decrypt(wire)
    except DecryptError:
        assert _opened(algorithm, wire) is None
    else:
        assert plain == _opened(algorithm, wire)


def _read(algorithm: str, stream: bytes, cuts: list[int]) -> tuple[list[object], object]:
    """What a reader makes of the stream in pieces: its frames, then its failure."""
    reader = FrameReader(max_body_bytes=10_000)
    reader.opener = cipher(algorithm)
    frames: list[object] = []
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    try:
        for start, end in zip([0, *ends], ends, strict=False):
            reader.feed(stream[start:end])
            while (frame := reader.route({3: frames.append})) is not None:
                frames.append(frame)
        reader.eof()
    except (FrameError, DecryptError) as error:
        return frames, (type(error), error.offset, error.proto_id, error.serial)
    return frames, None


def _frames(algorithm: str) -> st.SearchStrategy[bytes]:
    def build(proto_id: int, serial: int, body: bytes, under: Any) -> bytes:
        return build_frame(proto_id, serial, body, 0, under)

    return st.builds(
        build,
        st.integers(0, 5),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=100),
        st.sampled_from([cipher(algorithm)] * 4 + [cipher(algorithm, bytes(16)), None]),
    )


@every_algorithm
@_SETTINGS
@given(data=st.data())
def test_encrypted_streams_read_the_same_however_they_are_cut(
    algorithm: str, data: st.DataObject
) -> None:
    frames = data.draw(st.lists(_frames(algorithm) | st.binary(max_size=60), max_size=6))
    stream = b"".join(frames)
    cuts = data.draw(st.lists(st.integers(0, 1000), max_size=20))
    whole = _read(algorithm, stream, [])
    assert _read(algorithm, stream, cuts) == whole
    assert _read(algorithm, stream, list(range(len(stream)))) == whole
