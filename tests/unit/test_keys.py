"""The RSA key: its forms, its chunks, and what is no key."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import ECC
from hypothesis import given
from hypothesis import strategies as st

from futukit.core.keys import RsaKey, load_rsa_key
from futukit.errors import DecryptError, UsageError
from tests.support.rsa import rsa_key, rsa_pem

SIZES = [1024, 1536, 2048]


@pytest.mark.parametrize("pkcs", [1, 8])
@pytest.mark.parametrize("bits", SIZES)
def test_a_key_is_read_from_text_and_from_a_file(bits: int, pkcs: int, tmp_path: Path) -> None:
    pem = rsa_pem(bits, pkcs)
    file = tmp_path / "conn_key.txt"
    file.write_text(pem.replace("\n", "\r\n") + "\n")
    wire = load_rsa_key(pem).seal(b"InitConnect")
    assert load_rsa_key(str(file)).open(wire) == b"InitConnect"


@given(plain=st.binary(max_size=700), bits=st.sampled_from([1024, 2048]))
def test_what_is_sealed_opens(plain: bytes, bits: int) -> None:
    key = load_rsa_key(rsa_pem(bits))
    wire = key.seal(plain)
    size, step = bits // 8, bits // 8 - 11
    assert len(wire) == size * max(1, -(-len(plain) // step))
    assert key.open(wire) == plain


def test_chunks_of_another_size_open_too() -> None:
    # The documents advise 100 bytes for a key of 128; the official SDK sends those.
    plain = bytes(range(250))
    cipher = PKCS1_v1_5.new(rsa_key())
    wire = b"".join(cipher.encrypt(plain[at : at + 100]) for at in range(0, 250, 100))
    assert load_rsa_key(rsa_pem()).open(wire) == plain


def test_an_empty_wire_is_an_empty_body() -> None:
    assert load_rsa_key(rsa_pem()).open(b"") == b""


@pytest.mark.parametrize(
    "wire", [b"x", bytes(127), bytes(129), b"\xff" * 128, bytes(128), b"\x01" * 256]
)
def test_what_does_not_open_says_nothing_more(wire: bytes) -> None:
    with pytest.raises(DecryptError, match="the body does not decrypt") as caught:
        load_rsa_key(rsa_pem()).open(wire)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_long_body_costs_no_private_operations(bits: int) -> None:
    key = load_rsa_key(rsa_pem(bits))
    tried: list[bytes] = []
    inner = key._cipher.decrypt

    def decrypt(block: bytes, sentinel: object) -> object:
        tried.append(block)
        return inner(block, sentinel)

    key._cipher.decrypt = decrypt
    block = key.seal(b"x")
    with pytest.raises(DecryptError):
        key.open(block * (8 * 2**20 // len(block)))
    assert tried == []
    assert key.open(block * (16 * 1024 // len(block))) == b"x" * (16 * 1024 // len(block))
    tried.clear()
    with pytest.raises(DecryptError):
        key.open(bytes(len(block)) + block * 3)  # the first that fails is the last that is tried
    assert len(tried) == 1


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(DecryptError):
        load_rsa_key(rsa_pem(2048)).open(load_rsa_key(rsa_pem(1024)).seal(b"x") * 2)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "not an unenc"),
        ("-----BEGIN NOTHING", "not an unencrypted RSA key"),
        ("no/such/file.pem", "No such file"),
        ("a\0b", "neither a key"),
        (rsa_key().public_key().export_key().decode(), "public key"),
        (rsa_key().export_key(passphrase="secret").decode(), "not an unencrypted RSA key"),
        (ECC.generate(curve="p256").export_key(format="PEM"), "not an unencrypted RSA key"),
    ],
    ids=["damaged", "begun", "missing", "nul", "public", "encrypted", "elliptic"],
)
def test_what_is_no_key_is_refused_without_being_shown(source: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        load_rsa_key(source)
    assert "BEGIN" not in str(caught.value)
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)


def test_a_file_that_is_no_key(tmp_path: Path) -> None:
    for content, reason in ((b"hello", "not an unenc"), (b"x" * 100_000, "too large")):
        file = tmp_path / "key.pem"
        file.write_bytes(content)
        with pytest.raises(UsageError, match=reason):
            load_rsa_key(str(file))
    with pytest.raises(UsageError):
        load_rsa_key(str(tmp_path))


def test_a_key_never_shows() -> None:
    key = load_rsa_key(rsa_pem())
    assert repr(key) == "RsaKey(1024 bits)"
    assert str(rsa_key().d) not in repr(vars(RsaKey))
    with pytest.raises(TypeError):
        pickle.dumps(key)
