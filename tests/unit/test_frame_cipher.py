"""Frames with encrypted bodies: reading, routing and building them."""

from __future__ import annotations

import hashlib
import struct
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from futukit._native.frame import HEADER_BYTES, Envelope, FrameReader, build_frame
from futukit._native.wire import encode_frame as encode_frame_by_plan
from futukit.codec import MAX_BODY_BYTES, PushSink, encode, encode_frame, plan_of
from futukit.errors import (
    BadLength,
    DecryptError,
    DigestMismatch,
    EncodeError,
    UsageError,
)
from futukit.messages import keep_alive, qot_update_ticker
from futukit.messages.common import RetType
from futukit.messages.qot_common import QotMarket, Security
from tests.support.aes import ALGORITHMS, IV, KEY, cipher, sealed

TICKER = 3011
BODIES = [b"", b"x", bytes(15), bytes(16), bytes(17), bytes(range(256)) * 5, bytes(100_000)]

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def framed(
    plain: bytes, wire: bytes, proto_id: int = 1, serial: int = 1, body_format: int = 0
) -> bytes:
    """A frame made without the code under test: the digest is that of ``plain``."""
    header = struct.pack(
        "<2sIBBII20s8x",
        b"FT",
        proto_id,
        body_format,
        0,
        serial,
        len(wire),
        hashlib.sha1(plain).digest(),
    )
    return header + wire


def opened_by(opener: Any, *frames: bytes) -> FrameReader:
    reader = FrameReader()
    reader.opener = opener
    reader.feed(b"".join(frames))
    return reader


class Turned:
    """A cipher in Python: it turns bodies round, and writes down what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[bytes, bytes]] = []

    def seal(self, plain: bytes, /) -> bytes:
        return b">" + plain[::-1]

    def open(self, wire: bytes, digest: bytes, /) -> bytes:
        self.given.append((wire, digest))
        if wire[:1] != b">":
            raise DecryptError("not turned")
        return wire[:0:-1]


class ByCipher:
    """A ``Cipher`` that is met as an object of Python's."""

    def __init__(self, algorithm: str) -> None:
        self._cipher = cipher(algorithm)

    def seal(self, plain: bytes, /) -> bytes:
        return self._cipher.encrypt(plain)

    def open(self, wire: bytes, _digest: bytes, /) -> bytes:
        return self._cipher.decrypt(wire)


# Reading.


@every_algorithm
@pytest.mark.parametrize("make", [cipher, ByCipher])
def test_any_chunking_gives_the_plain_frames(algorithm: str, make: Callable[[str], object]) -> None:
    stream = b"".join(
        framed(plain, sealed(algorithm, plain), 100 + number, number, number % 2)
        for number, plain in enumerate(BODIES[:-1])
    )
    expected = [Envelope(100 + n, n, n % 2, plain) for n, plain in enumerate(BODIES[:-1])]
    for size in (1, 2, 7, 43, 44, 45, 60, 61, 1000, len(stream)):
        reader = opened_by(make(algorithm))
        got = []
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            got += list(reader)
        assert got == expected
        assert reader.offset == len(stream)
        reader.eof()


@every_algorithm
def test_long_bodies_and_the_readers_own_buffer(algorithm: str) -> None:
    stream = b"".join(framed(plain, sealed(algorithm, plain)) for plain in BODIES)
    reader = opened_by(cipher(algorithm))
    got, at = [], 0
    while at < len(stream):
        with reader.get_buffer() as view:
            size = min(len(view), len(stream) - at, 30_000)
            view[:size] = stream[at : at + size]
        reader.buffer_updated(size)
        at += size
        got += [envelope.body for envelope in reader]
    assert got == BODIES


@pytest.mark.parametrize("opener", [*map(cipher, ALGORITHMS), ByCipher("aes_cbc"), Turned(), None])
def test_no_bytes_are_an_empty_body_under_every_opener(opener: Any) -> None:
    reader = opened_by(opener, framed(b"", b"", 1004, 5), framed(b"", b"", TICKER, 6))
    assert next(reader) == Envelope(1004, 5, 0, b"")
    taken: list[bytes] = []
    assert reader.route({TICKER: taken.append}) is None
    assert taken == [b""]


def test_the_opener_may_change_between_two_frames_of_one_read() -> None:
    # As in the handshake: the answer to InitConnect has the key of what follows at once.
    turned = Turned()
    reader = opened_by(
        turned,
        framed(b"hello", turned.seal(b"hello")),
        framed(b"one", sealed("aes_cbc", b"one")),
        framed(b"two", sealed("aes_cbc", b"two")),
        framed(b"plain", b"plain"),
    )
    bodies = []
    for envelope in reader:
        bodies.append(envelope.body)
        if envelope.body == b"hello":
            reader.opener = cipher("aes_cbc")
        elif envelope.body == b"two":
            reader.opener = None
    assert bodies == [b"hello", b"one", b"two", b"plain"]
    assert len(turned.given) == 1


def test_the_opener_may_change_between_two_frames_of_route() -> None:
    under = cipher("ftaes_ecb")
    reader = opened_by(
        None, build_frame(1001, 1, b"hello"), build_frame(1002, 2, b"state", 0, under)
    )
    hello = reader.route({})
    reader.opener = under
    state = reader.route({})
    assert hello is not None
    assert state is not None
    assert (hello.body, state.body) == (b"hello", b"state")


def test_an_opener_of_python_gets_the_wire_and_the_digest() -> None:
    turned = Turned()
    reader = opened_by(turned, framed(b"abc", b">cba"))
    assert next(reader).body == b"abc"
    assert turned.given == [(b">cba", hashlib.sha1(b"abc").digest())]
    assert reader.opener is turned


def test_what_is_no_opener_is_refused() -> None:
    class Unusable:
        open = None

    reader = FrameReader()
    assert reader.opener is None
    for nonsense in (KEY, "aes_cbc", 5, object(), Unusable()):
        with pytest.raises(UsageError) as caught:
            reader.opener = nonsense  # type: ignore[assignment]
        assert KEY.decode() not in str(caught.value)
    assert reader.opener is None


def test_an_opener_that_does_not_return_bytes_is_refused() -> None:
    class Wrong:
        def open(self, wire: bytes, _digest: bytes, /) -> bytes:
            return bytearray(wire)  # type: ignore[return-value]

    with pytest.raises(UsageError, match="bytearray"):
        next(opened_by(Wrong(), framed(b"x", b"x")))


def test_what_an_opener_raises_passes_through_and_its_frame_is_taken() -> None:
    class Interrupted(Turned):
        def open(self, wire: bytes, digest: bytes, /) -> bytes:
            if wire == b"stop":
                raise KeyboardInterrupt
            return super().open(wire, digest)

    reader = opened_by(Interrupted(), framed(b"stop", b"stop"), framed(b"on", b">no"))
    with pytest.raises(KeyboardInterrupt):
        next(reader)
    assert next(reader).body == b"on"


def test_an_opener_may_clear_the_reader() -> None:
    class Clearing(Turned):
        def open(self, wire: bytes, digest: bytes, /) -> bytes:
            reader.clear()
            reader.feed(framed(b"new", b">wen"))
            reader.opener = Turned()
            return super().open(wire, digest)

    reader = opened_by(Clearing(), framed(b"old", b">dlo"), framed(b"gone", b">enog"))
    assert [envelope.body for envelope in reader] == [b"old", b"new"]
    assert reader.offset == HEADER_BYTES + 4


def test_clear_keeps_the_opener() -> None:
    under = cipher("aes_ecb")
    reader = opened_by(under, b"garbage")
    reader.clear()
    reader.feed(build_frame(1, 1, b"body", 0, under))
    assert next(reader).body == b"body"


# Bodies that do not decrypt.


def fails(reader: FrameReader, read: Callable[[], object], error: type[Exception]) -> Any:
    """Assert that reading fails twice in the same way, without anything secret; the error."""
    facts = []
    for _ in range(2):
        with pytest.raises(error) as caught:
            read()
        facts.append((str(caught.value), *vars(caught.value).values()))
        assert caught.value.__cause__ is caught.value.__context__ is None
        shown = "".join(traceback.format_exception(caught.value))
        for secret in (KEY, IV):
            assert secret.decode() not in shown
            assert secret.hex() not in shown
    assert facts[0] == facts[1]
    with pytest.raises(error):
        reader.eof()
    return caught.value


def reading(reader: FrameReader, routed: bool) -> Callable[[], object]:
    """Reading one frame: given to a compiled sink, or not."""
    sink = PushSink(plan_of(qot_update_ticker.Response), print, print, print)
    return (lambda: reader.route({TICKER: sink})) if routed else (lambda: next(reader))


GOOD = b"good"


@every_algorithm
@pytest.mark.parametrize("make", [cipher, ByCipher])
@pytest.mark.parametrize("wire", [b"x", bytes(15), bytes(17), bytes(31), b"\xff" * 16, b"x" * 48])
@pytest.mark.parametrize("routed", [True, False])
def test_a_body_that_does_not_decrypt_fails_the_reader_and_says_where(
    algorithm: str, make: Callable[[str], object], wire: bytes, routed: bool
) -> None:
    first = framed(GOOD, sealed(algorithm, GOOD))
    reader = opened_by(make(algorithm), first, framed(wire, wire, TICKER, 7))
    assert next(reader).body == GOOD
    error = fails(reader, reading(reader, routed), DecryptError)
    assert error.reason == "the body does not decrypt"
    assert (error.offset, error.proto_id, error.serial) == (len(first), TICKER, 7)
    assert str(error) == f"{error.reason} (at byte {len(first)}, proto id {TICKER}, serial 7)"
    reader.clear()
    reader.feed(first)
    assert next(reader).body == GOOD


def test_the_reason_of_an_opener_of_python_is_kept() -> None:
    reader = opened_by(Turned(), framed(b"a", b"?", 5, 6))
    error = fails(reader, lambda: next(reader), DecryptError)
    assert str(error) == "not turned (at byte 0, proto id 5, serial 6)"


@every_algorithm
@pytest.mark.parametrize("size", [0, 16, 100, 5000, 100_000])
def test_a_wrong_key_is_an_error_of_its_own(algorithm: str, size: int) -> None:
    plain = bytes(range(1, 251)) * (size // 250 + 1)
    stream = framed(plain[:size], sealed(algorithm, plain[:size]), TICKER, 7)
    for number in range(40):
        reader = opened_by(cipher(algorithm, bytes([number]) * 16), stream)
        if algorithm == "ftaes_ecb" and size == 0:
            assert next(reader).body == b""  # nothing of it is encrypted
            continue
        with pytest.raises((DecryptError, DigestMismatch)) as caught:
            next(reader)
        error: Any = caught.value
        assert (error.offset, error.proto_id, error.serial) == (0, TICKER, 7)


@every_algorithm
@pytest.mark.parametrize("routed", [True, False])
@pytest.mark.parametrize("claimed", [b"other", sealed("aes_ecb", b"body")])
def test_the_digest_is_that_of_the_plain_body(algorithm: str, routed: bool, claimed: bytes) -> None:
    reader = opened_by(cipher(algorithm), framed(claimed, sealed(algorithm, b"body"), TICKER, 7))
    error = fails(reader, reading(reader, routed), DigestMismatch)
    assert (error.offset, error.proto_id, error.serial) == (0, TICKER, 7)


@every_algorithm
def test_one_changed_bit_anywhere_is_found(algorithm: str) -> None:
    good = build_frame(1, 1, bytes(range(33)), 0, cipher(algorithm))
    for place in range(HEADER_BYTES, len(good)):
        broken = bytearray(good)
        broken[place] ^= 1 << place % 8
        with pytest.raises((DecryptError, DigestMismatch)):
            next(opened_by(cipher(algorithm), bytes(broken)))


def test_plain_bodies_where_encrypted_ones_belong_are_refused() -> None:
    for size in range(1, 100):
        with pytest.raises((DecryptError, DigestMismatch)):
            next(opened_by(cipher("aes_cbc"), build_frame(1, 1, b"x" * size)))


def test_the_cap_counts_what_is_on_the_wire() -> None:
    reader = FrameReader(max_body_bytes=32)
    reader.opener = under = cipher("aes_cbc")
    reader.feed(build_frame(1, 1, bytes(31), 0, under) + build_frame(1, 2, bytes(32), 0, under))
    assert next(reader).body == bytes(31)
    with pytest.raises(BadLength, match="48 bytes"):
        next(reader)


def test_end_within_an_encrypted_body_is_an_error() -> None:
    reader = opened_by(cipher("aes_cbc"), build_frame(8, 9, b"abc", 0, cipher("aes_cbc"))[:-1])
    assert list(reader) == []
    with pytest.raises(BadLength) as caught:
        reader.eof()
    assert (caught.value.proto_id, caught.value.serial) == (8, 9)


# Pushes.


def push(code: str, name: str | None = None) -> qot_update_ticker.Response:
    security = Security(market=QotMarket.HK_SECURITY, code=code)
    s2c = qot_update_ticker.S2C(security=security, name=name, ticker_list=())
    return qot_update_ticker.Response(ret_type=RetType.SUCCEED, s2c=s2c)


@every_algorithm
@pytest.mark.parametrize("make", [cipher, ByCipher])
def test_a_compiled_sink_gets_encrypted_pushes_in_order(
    algorithm: str, make: Callable[[str], object]
) -> None:
    under = make(algorithm)
    sent = [push(f"{number:05}", "x" * number * 7) for number in range(50)]
    sent += [push("long", "y" * size) for size in (32_000, 33_000, 70_000)]
    stream = b"".join(encode_frame(message, TICKER, 1, under) for message in sent)  # type: ignore[arg-type]
    for size in (1, 61, 5000, len(stream)):
        taken: list[Any] = []
        sink = PushSink(plan_of(qot_update_ticker.Response), taken.append, print, print)
        reader = opened_by(under)
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            assert reader.route({TICKER: sink}) is None
        assert taken == [message.s2c for message in sent]
        assert (reader.offset, reader.pending_bytes) == (len(stream), 0)


def test_a_handler_may_read_on_within_a_push() -> None:
    under = cipher("aes_cbc")
    sent = [push(str(number)) for number in range(6)]
    reader = opened_by(under, *(encode_frame(message, TICKER, 1, under) for message in sent))
    seen: list[str] = []

    def consume(s2c: Any) -> None:
        if s2c.security.code in "024":
            reader.route({TICKER: sink})
        seen.append(s2c.security.code)

    sink = PushSink(plan_of(qot_update_ticker.Response), consume, print, print)
    assert reader.route({TICKER: sink}) is None
    assert sorted(seen) == ["0", "1", "2", "3", "4", "5"]


def test_a_handler_may_clear_the_reader_or_change_its_opener() -> None:
    under = cipher("aes_cbc")
    taken: list[str] = []

    def consume(s2c: Any) -> None:
        taken.append(s2c.security.code)
        if s2c.security.code == "first":
            reader.opener = None
        else:
            reader.clear()

    sink = PushSink(plan_of(qot_update_ticker.Response), consume, print, print)
    reader = opened_by(
        under,
        encode_frame(push("first"), TICKER, 1, under),
        encode_frame(push("plain"), TICKER, 2),
        b"and garbage",
    )
    assert reader.route({TICKER: sink}) is None
    assert taken == ["first", "plain"]
    assert (reader.offset, reader.pending_bytes) == (0, 0)


@pytest.mark.parametrize("under", [None, cipher("aes_cbc"), Turned()])
def test_a_frame_with_a_json_body_is_returned_and_not_given_to_a_sink(under: Any) -> None:
    taken: list[Any] = []
    compiled = PushSink(plan_of(qot_update_ticker.Response), taken.append, print, print)
    for sink in (compiled, taken.append):
        reader = opened_by(
            under,
            build_frame(TICKER, 1, b'{"retType":0}', 1, under),
            encode_frame(push("1"), TICKER, 2, under),
        )
        assert reader.route({TICKER: sink}) == Envelope(TICKER, 1, 1, b'{"retType":0}')
        assert taken == []
        assert reader.route({TICKER: sink}) is None
        assert len(taken) == 1
        taken.clear()


# Building.


@every_algorithm
@pytest.mark.parametrize("body_format", [0, 1])
@pytest.mark.parametrize("plain", BODIES, ids=len)
def test_an_encrypted_frame_is_header_of_the_plain_and_body_of_the_wire(
    algorithm: str, plain: bytes, body_format: int
) -> None:
    expected = framed(plain, sealed(algorithm, plain), 2202, 7, body_format)
    for kind in (bytes, bytearray, memoryview):
        assert build_frame(2202, 7, kind(plain), body_format, cipher(algorithm)) == expected
    assert build_frame(2202, 7, plain, body_format, cipher=ByCipher(algorithm)) == expected


@every_algorithm
@pytest.mark.parametrize("length", [0, 1, 100, 5000, 100_000])
def test_an_encoded_frame_is_encoding_encryption_and_header(algorithm: str, length: int) -> None:
    message = push("00700", "z" * length)
    expected = framed(encode(message), sealed(algorithm, encode(message)), TICKER, 9)
    plan = plan_of(qot_update_ticker.Response)
    for under in (cipher(algorithm), ByCipher(algorithm)):
        assert encode_frame(message, TICKER, 9, under) == expected
        assert encode_frame(message, TICKER, 9, cipher=under) == expected
        assert encode_frame_by_plan(plan, message, TICKER, 9, under) == expected
    assert encode_frame(message, TICKER, 9, None) == encode_frame(message, TICKER, 9)


def test_an_object_seals_the_encoded_body() -> None:
    message = keep_alive.C2S(time=5)
    plain = encode(message)
    assert encode_frame(message, 1004, 3, Turned()) == framed(plain, b">" + plain[::-1], 1004, 3)


class NoBytes:
    def seal(self, plain: bytes, /) -> bytearray:
        return bytearray(plain)


@pytest.mark.parametrize("sealer", [object(), KEY, NoBytes()])
def test_what_does_not_seal_is_refused_and_not_shown(sealer: Any) -> None:
    with pytest.raises((UsageError, AttributeError)) as caught:
        build_frame(1, 1, b"x", 0, sealer)
    with pytest.raises((UsageError, AttributeError)) as caught_too:
        encode_frame(keep_alive.C2S(time=5), 1004, 1, sealer)
    assert str(caught.value) == str(caught_too.value)
    assert KEY.decode() not in str(caught.value)


@pytest.mark.parametrize("number", [-1, 2**32, None])
def test_numbers_that_do_not_fit_are_refused_with_a_cipher_too(number: Any) -> None:
    for proto_id, serial in ((number, 1), (1, number)):
        with pytest.raises(UsageError):
            build_frame(proto_id, serial, b"", 0, cipher("aes_ecb"))
        with pytest.raises(UsageError):
            encode_frame(keep_alive.C2S(time=5), proto_id, serial, cipher("aes_ecb"))
    with pytest.raises(TypeError):
        build_frame(1, 1, "text", 0, cipher("aes_ecb"))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        build_frame(1, 1, 5, 0, cipher("aes_ecb"))  # type: ignore[arg-type]


def test_a_body_that_only_encryption_makes_too_long_is_refused() -> None:
    around = len(encode(push("1", "x" * 3_000_000))) - 3_000_000
    longest = push("1", "x" * (MAX_BODY_BYTES - around))
    assert len(encode(longest)) == MAX_BODY_BYTES
    with pytest.raises(EncodeError, match="at most"):
        encode_frame(longest, TICKER, 1, cipher("aes_cbc"))
