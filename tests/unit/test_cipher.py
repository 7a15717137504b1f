"""Bodies under AES against published vectors, pycryptodome and hostile input."""

from __future__ import annotations

import copy
import ctypes
import gc
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from Crypto.Util import _cpu_features
from hypothesis import given, settings
from hypothesis import strategies as st

from futukit._native import cipher as native
from futukit._native.cipher import Cipher
from futukit.errors import DecryptError, UsageError
from tests.support.aes import ALGORITHMS, IV, KEY, cipher, encrypted_blocks, sealed

ROOT = Path(__file__).resolve().parents[2]

BLOCK = 16
SIZES = [*range(201), 4095, 4096, 8175, 8176, 8191, 8192, 8193, 65_535, 65_536, 200_000]

EXAMPLE_KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
EXAMPLE_PLAIN = bytes.fromhex("00112233445566778899aabbccddeeff")
EXAMPLE_WIRE = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")  # FIPS 197, C.1

# NIST SP 800-38A, F.1.1 and F.2.1.
NIST_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
NIST_PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172a"
    "ae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)
NIST_ECB = bytes.fromhex(
    "3ad77bb40d7a3660a89ecaf32466ef97"
    "f5d3d58503b9699de785895a96fdbaaf"
    "43b1cd7f598ece23881b00e3ed030688"
    "7b0c785e27e8ad3f8223207104725dd4"
)
NIST_CBC = bytes.fromhex(
    "7649abac8119b246cee98e9b12e9197d"
    "5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e22229516"
    "3ff1caa1681fac09120eca307586e1a7"
)


@pytest.fixture(params=["best", "portable", "python"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every way to the block cipher: this processor's, the portable one, the Python interface."""
    if request.param == "portable":
        _without_aes_instructions(monkeypatch)
    wanted = request.param != "python"
    assert native._use_native_aes(wanted) is wanted
    yield
    native._use_native_aes(True)


def _without_aes_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("have_aes_ni", "have_aes_armv8"):
        monkeypatch.setattr(_cpu_features, name, lambda: 0, raising=False)


def body(size: int) -> bytes:
    return bytes(place * 7 + place // 256 & 0xFF for place in range(size))


# Vectors and oracle.


@pytest.mark.usefixtures("source")
def test_fips_197_example() -> None:
    ecb = Cipher("aes_ecb", EXAMPLE_KEY)
    assert ecb.encrypt(EXAMPLE_PLAIN)[:BLOCK] == EXAMPLE_WIRE
    assert Cipher("ftaes_ecb", EXAMPLE_KEY).decrypt(EXAMPLE_WIRE + bytes(16)) == EXAMPLE_PLAIN


@pytest.mark.usefixtures("source")
def test_nist_sp_800_38a_examples() -> None:
    ftaes = Cipher("ftaes_ecb", NIST_KEY)
    assert ftaes.encrypt(NIST_PLAIN) == NIST_ECB + bytes(16)
    assert ftaes.decrypt(NIST_ECB + bytes(16)) == NIST_PLAIN
    assert Cipher("aes_ecb", NIST_KEY).encrypt(NIST_PLAIN)[:64] == NIST_ECB
    cbc = Cipher("aes_cbc", NIST_KEY, EXAMPLE_KEY)
    wire = cbc.encrypt(NIST_PLAIN)
    assert wire[:64] == NIST_CBC
    assert cbc.decrypt(wire) == NIST_PLAIN


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_size_is_what_pycryptodome_makes_of_it_and_comes_back(algorithm: str) -> None:
    under_test = cipher(algorithm)
    whole = body(max(SIZES))
    for size in SIZES:
        plain = whole[:size]
        wire = under_test.encrypt(plain)
        assert wire == sealed(algorithm, plain)
        assert under_test.decrypt(wire) == plain


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(data=st.data())
def test_any_key_and_body_come_back(algorithm: str, data: st.DataObject) -> None:
    key = data.draw(st.binary(min_size=16, max_size=16))
    plain = data.draw(st.binary(max_size=400))
    assert cipher(algorithm, key).decrypt(cipher(algorithm, key).encrypt(plain)) == plain


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_length_on_the_wire_is_the_documented_one(algorithm: str) -> None:
    for size in range(100):
        ceiling = (size + 15) // 16 * 16 + 16
        documented = ceiling if algorithm == "ftaes_ecb" else (size // 16 + 1) * 16
        assert len(cipher(algorithm).encrypt(bytes(size))) == documented


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_on_the_wire_is_an_empty_body_and_an_empty_body_is_16_bytes(algorithm: str) -> None:
    assert cipher(algorithm).decrypt(b"") == b""
    assert len(cipher(algorithm).encrypt(b"")) == 16
    assert cipher(algorithm).decrypt(sealed(algorithm, b"")) == b""


def test_every_body_starts_from_the_same_iv() -> None:
    under_test = cipher("aes_cbc")
    assert under_test.encrypt(b"again") == under_test.encrypt(b"again")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_bytes_like_object_is_taken(algorithm: str) -> None:
    wire = sealed(algorithm, b"body")
    for kind in (bytes, bytearray, memoryview):
        assert cipher(algorithm).encrypt(kind(b"body")) == wire
        assert cipher(algorithm).decrypt(kind(wire)) == b"body"
    for nonsense in ("text", None, 5):
        with pytest.raises(TypeError):
            cipher(algorithm).encrypt(nonsense)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            cipher(algorithm).decrypt(nonsense)  # type: ignore[arg-type]


def test_memory_at_any_address_is_taken() -> None:
    plain = body(1000)
    for algorithm in ALGORITHMS:
        room = memoryview(bytearray(2000))
        wire = sealed(algorithm, plain)
        for shift in range(17):
            room[shift : shift + len(wire)] = wire
            assert cipher(algorithm).decrypt(room[shift : shift + len(wire)]) == plain


# Hostile input.


def refused(under_test: Cipher, wire: bytes) -> None:
    """Assert the one answer that every fault gets, and that it gives nothing away."""
    with pytest.raises(DecryptError) as caught:
        under_test.decrypt(wire)
    error = caught.value
    assert str(error) == error.reason == "the body does not decrypt"
    assert (error.offset, error.proto_id, error.serial) == (None, None, None)
    assert error.__cause__ is error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert not any(secret in shown for secret in secrets())


def secrets() -> list[str]:
    return [form for value in (KEY, IV) for form in (value.decode(), value.hex(), repr(value))]


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_wrong_length_is_refused(algorithm: str) -> None:
    wire = sealed(algorithm, bytes(60))
    for size in range(1, len(wire)):
        if size % BLOCK:
            refused(cipher(algorithm), wire[:size])


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ["aes_ecb", "aes_cbc"])
def test_every_wrong_pkcs7_padding_is_refused(algorithm: str) -> None:
    under_test = cipher(algorithm)
    ahead = body(32)
    for last in range(256):
        # The right number of bytes, as far as there is room for them.
        padded = body(BLOCK - min(last, BLOCK)) + bytes([last]) * min(last, BLOCK)
        if last == 0:
            padded = padded[:-1] + b"\0"
        wire = encrypted_blocks(algorithm, ahead + padded)
        if 1 <= last <= BLOCK:
            assert under_test.decrypt(wire) == ahead + padded[: BLOCK - last]
        else:
            refused(under_test, wire)
    for count in range(2, BLOCK + 1):
        for wrong in range(1, count):  # bytes before the last one
            broken = bytearray(body(BLOCK - count) + bytes([count]) * count)
            broken[-1 - wrong] ^= 1 << wrong % 8
            refused(under_test, encrypted_blocks(algorithm, ahead + bytes(broken)))


@pytest.mark.usefixtures("source")
def test_every_wrong_ftaes_tail_is_refused() -> None:
    under_test = cipher("ftaes_ecb")
    blocks = encrypted_blocks("ftaes_ecb", bytes(range(32)))
    assert under_test.decrypt(blocks + bytes(16)) == bytes(range(32))
    for last in range(1, 256):
        # Below 16 the body's last block is not padded with zeros; from 16 on it cannot be.
        refused(under_test, blocks + bytes(15) + bytes([last]))
    for place in range(15):
        for bit in range(8):
            tail = bytearray(sealed("ftaes_ecb", bytes(21))[-16:])
            tail[place] |= 1 << bit
            refused(under_test, sealed("ftaes_ecb", bytes(21))[:-16] + tail)


@pytest.mark.usefixtures("source")
def test_an_ftaes_tail_that_counts_a_block_that_is_not_there_is_refused() -> None:
    for last in range(1, 256):
        refused(cipher("ftaes_ecb"), bytes(15) + bytes([last]))
    assert cipher("ftaes_ecb").decrypt(bytes(16)) == b""


@pytest.mark.usefixtures("source")
def test_every_byte_of_ftaes_zero_padding_is_looked_at() -> None:
    for rest in range(1, BLOCK):
        for place in range(rest, BLOCK):
            padded = bytearray(body(BLOCK + rest) + bytes(BLOCK - rest))
            padded[BLOCK + place] = 0x80
            wire = encrypted_blocks("ftaes_ecb", bytes(padded)) + bytes(15) + bytes([rest])
            refused(cipher("ftaes_ecb"), wire)


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_wrong_key_never_gives_the_body(algorithm: str) -> None:
    plain = body(1000)
    wire = sealed(algorithm, plain)
    for number in range(256):
        other = cipher(algorithm, KEY[:-1] + bytes([number]))
        try:
            opened = other.decrypt(wire)
        except DecryptError:
            continue
        # By chance a padding looks right; the frame's digest is what finds that out.
        assert (opened == plain) is (number == KEY[-1])


# Arguments and secrecy.


@pytest.mark.parametrize(
    "arguments",
    [
        ("aes_ctr", KEY),
        ("AES_CBC", KEY, IV),
        (KEY, "aes_cbc", IV),
        (0, KEY),
        (None, KEY),
        ("aes_ecb", KEY[:15]),
        ("aes_ecb", KEY + KEY),
        ("aes_ecb", KEY + KEY[:8]),
        ("aes_ecb", b""),
        ("aes_ecb", KEY.decode()),
        ("aes_ecb", bytearray(KEY)),
        ("aes_ecb", None),
        ("aes_ecb", KEY, IV),
        ("ftaes_ecb", KEY, IV),
        ("aes_cbc", KEY),
        ("aes_cbc", KEY, IV[:15]),
        ("aes_cbc", KEY, IV + b"x"),
        ("aes_cbc", KEY, IV.decode()),
    ],
)
def test_senseless_arguments_are_refused_without_showing_them(arguments: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Cipher(*arguments)
    assert not any(secret in repr(caught.value) for secret in secrets())


def test_nothing_shows_the_key() -> None:
    under_test = cipher("aes_cbc")
    assert repr(under_test) == str(under_test) == "Cipher('aes_cbc')"
    assert under_test.algorithm == "aes_cbc"
    assert not hasattr(under_test, "__dict__")
    assert all(KEY != getattr(under_test, name) != IV for name in dir(under_test))
    assert KEY not in gc.get_referents(under_test)
    with pytest.raises(AttributeError):
        under_test.algorithm = "aes_ecb"  # type: ignore[misc]


@pytest.mark.parametrize("again", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_cipher_is_neither_copied_nor_pickled(again: Callable[[Cipher], object]) -> None:
    with pytest.raises(TypeError) as caught:
        again(cipher("aes_cbc"))
    assert not any(secret in str(caught.value) for secret in secrets())


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_cipher_serves_several_threads(algorithm: str) -> None:
    under_test = cipher(algorithm)
    faults: list[int] = []

    def work(seed: int) -> None:
        for size in (100 + seed, 100_000 + seed) * 10:
            plain = bytes([seed]) * size
            if under_test.decrypt(under_test.encrypt(plain)) != plain:
                faults.append(size)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


# Where the block cipher comes from.


class _Word:
    """Types of the functions in a state of a block cipher."""

    crypt = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    )
    stop = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    start = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)
    )


class _Impostor:
    """A library whose state of a block cipher is not what it should be."""

    def __init__(self, fault: str) -> None:
        self.called: list[str] = []
        self._crypt = _Word.crypt(lambda *_: self._note("crypt"))
        self._stop = _Word.stop(lambda _: self._note("stop"))
        self._start = _Word.start(self._begin)
        other = _Word.stop(lambda _: self._note("other"))
        words = {
            "size": (self._crypt, self._crypt, self._stop, 8),
            "stop": (self._crypt, self._crypt, other, 16),
            "functions": (0, 0, self._stop, 16),
            "vector": (self._crypt, self._crypt, self._stop, 16),
        }.get(fault, (0, 0, 0, 0))
        self._state = (ctypes.c_size_t * 4)(*map(self._address, words))
        self._fault, self._kept = fault, other

    def __call__(self, path: str) -> _Impostor:
        if self._fault == "no library":
            raise OSError(path)
        return self

    def __getitem__(self, name: str) -> object:
        if self._fault == "no function":
            raise AttributeError(name)
        return self._start if name.endswith("_start_operation") else self._stop

    def _note(self, name: str) -> int:
        self.called.append(name)
        return 0

    def _begin(self, _key: object, _size: int, result: Any) -> int:
        if self._fault == "error":
            return 2
        if self._fault != "nothing":
            result[0] = ctypes.addressof(self._state)
        return 0

    @staticmethod
    def _address(word: Any) -> int:
        return word if isinstance(word, int) else ctypes.cast(word, ctypes.c_void_p).value or 0


@pytest.mark.parametrize(
    ("fault", "called"),
    [
        ("no library", set()),
        ("no function", set()),
        ("error", set()),
        ("nothing", set()),
        ("size", set()),
        ("stop", set()),
        ("functions", set()),
        ("vector", {"crypt", "stop"}),
    ],
)
def test_a_block_cipher_that_fails_its_test_is_not_used(
    fault: str, called: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    impostor = _Impostor(fault)
    monkeypatch.setattr(ctypes, "CDLL", impostor)
    try:
        assert native._use_native_aes(True) is False
        assert set(impostor.called) == called
        assert cipher("aes_cbc").encrypt(b"body") == sealed("aes_cbc", b"body")
    finally:
        monkeypatch.undo()
        assert native._use_native_aes(True) is True


def test_without_pycryptodome_a_cipher_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Crypto.Cipher", None)
    with pytest.raises(UsageError, match="pycryptodome"):
        native._use_native_aes(True)


def run(program: str, **environment: str) -> None:
    """Run a program in an interpreter of its own; its failure is ours."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_pycryptodome_is_not_imported_before_the_first_cipher() -> None:
    run(
        """
import sys
from futukit._native import cipher, frame, wire
assert not {"Crypto", "ctypes"} & set(sys.modules)
cipher.Cipher("aes_ecb", bytes(16))
assert "Crypto" in sys.modules
"""
    )


@pytest.mark.parametrize("allocator", ["pymalloc", "debug"])
def test_nothing_leaks(allocator: str) -> None:
    run(
        """
import gc, sys
from futukit._native import cipher
from futukit._native.cipher import Cipher
from futukit._native.frame import FrameReader, build_frame
from futukit.errors import DecryptError

def work():
    for native in (True, False):
        cipher._use_native_aes(native)
        for algorithm, iv in (("ftaes_ecb", b""), ("aes_ecb", b""), ("aes_cbc", bytes(16))):
            for _ in range(60):
                both = Cipher(algorithm, bytes(16), iv)
                for size in (0, 1, 16, 1000):
                    wire = both.encrypt(bytes(size))
                    assert both.decrypt(wire) == bytes(size)
                    try:
                        both.decrypt(wire + b"x")
                    except DecryptError:
                        pass
                reader = FrameReader()
                reader.opener = both
                reader.feed(build_frame(1, 1, bytes(100), 0, both) + build_frame(1, 2, b"x" * 17))
                try:
                    list(reader)
                except DecryptError:
                    pass
                try:
                    Cipher(algorithm, b"short", iv)
                except ValueError:
                    pass
    gc.collect()
    return sys.getallocatedblocks()

for _ in range(2):
    before = work()
after = [work() for _ in range(3)]
assert max(after) - before < 200, (before, after)
""",
        PYTHONMALLOC=allocator,
    )
