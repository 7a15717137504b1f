"""The frame splitter and builder against ``struct`` and ``hashlib``, byte for byte."""

from __future__ import annotations

import hashlib
import pickle
import struct
import threading
from collections.abc import Iterator

import pytest

from futukit._native import frame
from futukit._native.frame import HEADER_BYTES, Envelope, FrameReader, build_frame
from futukit.errors import (
    BadLength,
    BadMagic,
    BadVersion,
    DigestMismatch,
    FrameError,
    UsageError,
)


def plain_frame(
    proto_id: int,
    serial: int,
    body: bytes,
    *,
    magic: bytes = b"FT",
    body_format: int = 0,
    version: int = 0,
    length: int | None = None,
    digest: bytes | None = None,
) -> bytes:
    """A frame made without the code under test, right or wrong as asked."""
    return (
        struct.pack(
            "<2sIBBII20s8s",
            magic,
            proto_id,
            body_format,
            version,
            serial,
            len(body) if length is None else length,
            hashlib.sha1(body).digest() if digest is None else digest,
            bytes(8),
        )
        + body
    )


@pytest.fixture(params=["libcrypto", "hashlib"])
def sha1_source(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to a digest; the first may be missing on this Python."""
    native = request.param == "libcrypto"
    if frame._use_native_sha1(native) is not native:
        pytest.skip("no libcrypto behind _hashlib")
    yield
    frame._use_native_sha1(True)


BODIES = [b"", b"x", bytes(55), bytes(56), bytes(63), bytes(64), bytes(range(256)) * 5]


@pytest.mark.usefixtures("sha1_source")
@pytest.mark.parametrize("body", [*BODIES, bytes(200_000)], ids=len)
def test_built_frame_is_the_documented_layout(body: bytes) -> None:
    assert build_frame(1001, 7, body) == plain_frame(1001, 7, body)
    assert build_frame(2**32 - 1, 2**32 - 1, body, 1) == plain_frame(
        2**32 - 1, 2**32 - 1, body, body_format=1
    )


@pytest.mark.usefixtures("sha1_source")
@pytest.mark.parametrize("body", [*BODIES, bytes(200_000)], ids=len)
def test_reader_gives_back_what_was_built(body: bytes) -> None:
    reader = FrameReader()
    reader.feed(plain_frame(3005, 9, body, body_format=1))
    assert list(reader) == [Envelope(3005, 9, 1, body)]
    assert (reader.offset, reader.pending_bytes) == (HEADER_BYTES + len(body), 0)


def test_any_chunking_gives_the_same_frames() -> None:
    frames = [Envelope(100 + i, i, i % 2, body) for i, body in enumerate(BODIES)]
    stream = b"".join(build_frame(e.proto_id, e.serial, e.body, e.body_format) for e in frames)
    for size in (1, 2, 7, 43, 44, 45, 1000, len(stream)):
        reader = FrameReader()
        got = []
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            got += list(reader)
        assert got == frames
        reader.eof()


def test_empty_body_is_complete_without_another_byte() -> None:
    reader = FrameReader()
    reader.feed(plain_frame(1004, 1, b""))
    assert list(reader) == [Envelope(1004, 1, 0, b"")]


def test_reading_into_the_readers_buffer() -> None:
    stream = b"".join(plain_frame(1, serial, bytes(serial * 100)) for serial in range(300))
    reader = FrameReader()
    serials = []
    at = 0
    while at < len(stream):
        with reader.get_buffer(-1) as view:
            size = min(len(view), len(stream) - at, 5000)
            view[:size] = stream[at : at + size]
        reader.buffer_updated(size)
        at += size
        serials += [envelope.serial for envelope in reader]
    assert serials == list(range(300))


def test_buffer_moves_on_while_a_view_is_still_out() -> None:
    # As asyncio does: its view is alive during buffer_updated and until the next read.
    body = bytes(1_000_000)
    stream = plain_frame(1, 1, body) + plain_frame(1, 2, b"next")
    reader = FrameReader()
    views = []
    got = []
    at = 0
    while at < len(stream):
        view = reader.get_buffer()
        views.append(view)
        size = min(len(view), len(stream) - at)
        view[:size] = stream[at : at + size]
        reader.buffer_updated(size)
        at += size
        got += [envelope.body for envelope in reader]
    assert got == [body, b"next"]
    for view in views:
        view[:1] = b"?"


def test_header_alone_does_not_allocate_the_body_it_announces() -> None:
    reader = FrameReader()
    reader.feed(plain_frame(1, 1, b"", length=60 * 2**20))
    assert list(reader) == []
    assert len(reader.get_buffer()) < 2**20


def test_reader_shrinks_after_a_long_frame() -> None:
    reader = FrameReader()
    reader.feed(plain_frame(1, 1, bytes(8 * 2**20)))
    assert len(list(reader)) == 1
    assert len(reader.get_buffer()) < 2**20


def test_reading_on_and_on_without_iterating_is_refused() -> None:
    reader = FrameReader(max_body_bytes=1000)

    def read_without_end() -> None:
        while True:
            view = reader.get_buffer(2**20)
            view[:] = bytes(len(view))
            reader.buffer_updated(len(view))

    with pytest.raises(UsageError, match="iterate"):
        read_without_end()


@pytest.mark.parametrize("nbytes", [-1, 2**30])
def test_more_bytes_than_the_buffer_has_are_refused(nbytes: int) -> None:
    reader = FrameReader()
    reader.get_buffer()
    with pytest.raises(UsageError):
        reader.buffer_updated(nbytes)


def test_bytes_that_no_buffer_was_given_for_are_refused() -> None:
    reader = FrameReader()
    reader.get_buffer()
    reader.clear()
    with pytest.raises(UsageError):
        reader.buffer_updated(1)


GOOD = plain_frame(3, 4, b"good")
BAD = [
    (plain_frame(5, 6, b"x", magic=b"TF"), BadMagic, None),
    (plain_frame(5, 6, b"x", magic=b"FX"), BadMagic, None),
    (plain_frame(5, 6, b"x", version=1), BadVersion, 5),
    (plain_frame(5, 6, b"x", body_format=2), BadVersion, 5),
    (plain_frame(5, 6, b"x", length=1001), BadLength, 5),
    (plain_frame(5, 6, b"x", digest=bytes(20)), DigestMismatch, 5),
]


@pytest.mark.parametrize(("stream", "error", "proto_id"), BAD)
def test_bad_frame_is_its_own_error_and_says_where(
    stream: bytes, error: type[FrameError], proto_id: int | None
) -> None:
    reader = FrameReader(max_body_bytes=1000)
    reader.feed(GOOD + stream)
    assert next(reader).body == b"good"
    for _ in range(2):  # and the same again: a broken stream stays broken
        with pytest.raises(error) as caught:
            next(reader)
        assert caught.value.offset == len(GOOD)
        assert caught.value.proto_id == proto_id
        assert caught.value.serial == (None if proto_id is None else 6)
    with pytest.raises(error):
        reader.eof()
    reader.clear()
    reader.feed(GOOD)
    assert [envelope.body for envelope in reader] == [b"good"]
    assert reader.offset == len(GOOD)


@pytest.mark.parametrize("garbage", [b"H", b"FH", b"HTTP/1.1 400 Bad Request"])
def test_garbage_is_refused_at_its_first_bytes(garbage: bytes) -> None:
    reader = FrameReader()
    reader.feed(garbage)
    with pytest.raises(BadMagic):
        next(reader)


def test_body_of_just_the_cap_is_taken() -> None:
    reader = FrameReader(max_body_bytes=10)
    reader.feed(plain_frame(1, 1, bytes(10)) + plain_frame(1, 2, bytes(11)))
    assert next(reader).serial == 1
    with pytest.raises(BadLength, match="11 bytes"):
        next(reader)


@pytest.mark.parametrize("size", [1, 43, 44, 46])
def test_end_within_a_frame_is_an_error(size: int) -> None:
    reader = FrameReader()
    reader.feed(GOOD + plain_frame(8, 9, b"abc")[:size])
    assert next(reader).body == b"good"
    with pytest.raises(BadLength) as caught:
        reader.eof()
    assert caught.value.offset == len(GOOD)
    assert caught.value.proto_id == (8 if size >= HEADER_BYTES else None)


def test_end_after_frames_that_nobody_took_yet_is_fine() -> None:
    reader = FrameReader()
    reader.feed(GOOD * 3)
    reader.eof()
    assert len(list(reader)) == 3


@pytest.mark.parametrize("number", [-1, 2**32, 1.0, "1", None])
def test_numbers_that_do_not_fit_the_header_are_refused(number: object) -> None:
    with pytest.raises(UsageError):
        build_frame(number, 1, b"")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        build_frame(1, number, b"")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Envelope(number, 1, 0, b"")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        FrameReader(number)  # type: ignore[arg-type]


@pytest.mark.parametrize("body_format", [-1, 2, 255, 256, None])
def test_unknown_body_format_is_refused(body_format: object) -> None:
    with pytest.raises(UsageError):
        build_frame(1, 1, b"", body_format)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Envelope(1, 1, body_format, b"")  # type: ignore[arg-type]


def test_any_bytes_like_object_can_be_fed_and_framed() -> None:
    for body in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        reader = FrameReader()
        reader.feed(memoryview(build_frame(1, 1, body)))
        assert [envelope.body for envelope in reader] == [b"abc"]


def test_envelope_is_an_immutable_value() -> None:
    envelope = Envelope(1001, 5, 1, b"secret")
    assert envelope == Envelope(1001, 5, 1, b"secret")
    assert hash(envelope) == hash(Envelope(1001, 5, 1, b"secret"))
    for other in (Envelope(1, 5, 1, b"secret"), Envelope(1001, 5, 1, b""), None, 1001):
        assert envelope != other
    with pytest.raises(AttributeError):
        envelope.serial = 6  # type: ignore[misc]
    with pytest.raises(UsageError):
        envelope.__init__(1, 1, 1, b"")
    with pytest.raises(UsageError):
        Envelope(1, 1, 1, "text")  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(envelope)) == envelope
    match envelope:
        case Envelope(proto_id, serial, body_format, body):
            assert (proto_id, serial, body_format, body) == (1001, 5, 1, b"secret")


def test_repr_of_an_envelope_hides_the_body() -> None:
    assert repr(Envelope(1001, 5, 0, b"secret")) == (
        "Envelope(proto_id=1001, serial=5, body_format=0, body=<6 bytes>)"
    )


def test_long_bodies_are_hashed_in_several_threads_at_once() -> None:
    body = bytes(range(256)) * 4096
    results: list[bool] = []

    def work() -> None:
        for serial in range(10):
            reader = FrameReader()
            reader.feed(build_frame(1, serial, body))
            results.append(next(reader) == Envelope(1, serial, 0, body))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 40
