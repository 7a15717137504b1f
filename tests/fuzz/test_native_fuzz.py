"""Whatever comes in, only the documented exceptions come out."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from futukit import codec
from futukit._native.frame import FrameReader, build_frame
from futukit.errors import DecodeError, FrameError
from tests.fuzz import oracle

_CLASSES = sorted(oracle.our_classes())
_SETTINGS = settings(max_examples=300, deadline=None, database=None, derandomize=True)

_frames = st.builds(
    build_frame,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
    st.integers(0, 1),
)
_streams = st.lists(_frames | st.binary(max_size=60), max_size=6).map(b"".join)


def _read(stream: bytes, cuts: list[int]) -> tuple[list[object], object]:
    """What a reader makes of the stream in pieces: its frames, then its failure."""
    reader = FrameReader(max_body_bytes=10_000)
    frames: list[object] = []
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    try:
        for start, end in zip([0, *ends], ends, strict=False):
            reader.feed(stream[start:end])
            frames.extend(reader)
        reader.eof()
    except FrameError as error:
        return frames, (type(error), error.offset, error.proto_id, error.serial)
    return frames, None


@_SETTINGS
@given(_streams, st.lists(st.integers(0, 1000), max_size=20))
def test_streams_read_the_same_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    assert _read(stream, cuts) == _read(stream, [])
    assert _read(stream, list(range(len(stream)))) == _read(stream, [])


@_SETTINGS
@given(st.sampled_from(_CLASSES), st.binary(max_size=300))
def test_any_bytes_decode_or_raise_a_decode_error(name: str, data: bytes) -> None:
    cls = oracle.our_classes()[name]
    with suppress(DecodeError):
        body = codec.encode(codec.decode(cls, data))
        # Bytes, not messages: a NaN is not equal to itself.
        assert codec.encode(codec.decode(cls, body)) == body


@_SETTINGS
@given(st.data())
def test_foreign_records_never_break_a_decoder(draw: st.DataObject) -> None:
    cls = oracle.our_classes()[draw.draw(st.sampled_from(_CLASSES))]
    fields = codec.plan_of(cls).fields
    tags = st.sampled_from([row[0] for row in fields] or [1])
    record = st.tuples(tags, st.integers(0, 7), st.binary(max_size=12)).map(
        lambda parts: bytes([(parts[0] << 3 | parts[1]) & 0x7F]) + parts[2]
    )
    with suppress(DecodeError):
        codec.decode(cls, b"".join(draw.draw(st.lists(record, max_size=8))))
