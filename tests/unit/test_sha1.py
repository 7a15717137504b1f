"""SHA1 in frame headers against published values (FIPS 180-4 examples, RFC 3174)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from futukit._native import frame

PUBLISHED = [
    (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    ),
    (b"a" * 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
    (b"01234567" * 80, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
]


@pytest.fixture(params=[True, False], ids=["libcrypto", "hashlib"])
def native(request: pytest.FixtureRequest) -> Iterator[bool]:
    if frame._use_native_sha1(request.param) is not request.param:
        pytest.skip("libcrypto's SHA1 was not found here")
    yield request.param
    frame._use_native_sha1(True)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("body", "digest"), PUBLISHED, ids=lambda value: str(len(value)))
def test_a_header_carries_the_published_digest(body: bytes, digest: str) -> None:
    packed = frame.build_frame(1, 1, body)
    assert packed[16:36].hex() == digest
    reader = frame.FrameReader()
    reader.feed(packed)
    assert next(reader).body == body
