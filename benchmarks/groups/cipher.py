"""Bodies under AES, against what a program does with pycryptodome's Python interface.

Bodies of an exact size are cut out of real ones. The baseline makes a cipher object per body
where pycryptodome wants one (CBC), and keeps one where it may (ECB), as the official SDK does.
The compiled modules that do the work are the same on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad, unpad

from benchmarks.bodies import FEWEST
from benchmarks.compare import Side, compare, for_each, fresh
from benchmarks.figures import Figure, figure
from benchmarks.groups.frame import cut
from benchmarks.run import Run
from futukit._native.cipher import Cipher

__all__ = ["measure"]

_BASELINE: Final = "pycryptodome in Python"
_KEY: Final = b"0123456789abcdef"
_IV: Final = b"fedcba9876543210"
_ECB: Final = AES.new(_KEY, AES.MODE_ECB)

_Crypt = Callable[[bytes], bytes]


class _Case(NamedTuple):
    """One algorithm: ours, and the baseline's two functions. Aims are for 300 B and 64 KB."""

    label: str
    ours: Cipher
    encrypt: _Crypt
    decrypt: _Crypt
    aims: tuple[float | None, float | None]


_SIZES: Final = ((300, "300 B"), (65536, "64 KB"))


def measure(run: Run) -> Iterator[Figure]:
    """All figures of the group."""
    for case in _cases():
        for (size, label), aim in zip(_SIZES, case.aims, strict=True):
            bodies = cut(run.bodies.small_material, size, FEWEST)
            wires = [case.ours.encrypt(body) for body in bodies]
            if [case.decrypt(wire) for wire in wires] != bodies:
                raise ValueError(f"{case.label}: the two sides do not agree")
            yield _figure(
                run, f"{case.label} decrypt {label}", wires, case.ours.decrypt, case.decrypt, aim
            )
            yield _figure(
                run, f"{case.label} encrypt {label}", bodies, case.ours.encrypt, case.encrypt
            )


def _figure(
    run: Run, name: str, given: list[bytes], ours: Any, theirs: _Crypt, aim: float | None = None
) -> Figure:
    pairs = compare(given, Side(fresh, for_each(ours)), Side(fresh, for_each(theirs)), run.effort)
    return figure("cipher", name, _BASELINE, pairs, unit="µs", scale=1e6, aim=aim)


def _cases() -> Iterator[_Case]:
    yield _Case("AES_CBC", Cipher("aes_cbc", _KEY, _IV), _encrypt_cbc, _decrypt_cbc, (225.0, 11.0))
    yield _Case("AES_ECB", Cipher("aes_ecb", _KEY), _encrypt_ecb, _decrypt_ecb, (None, None))
    yield _Case("FTAES", Cipher("ftaes_ecb", _KEY), _encrypt_ftaes, _decrypt_ftaes, (None, None))


def _encrypt_cbc(plain: bytes) -> bytes:
    return AES.new(_KEY, AES.MODE_CBC, _IV).encrypt(pad(plain, 16))


def _decrypt_cbc(wire: bytes) -> bytes:
    return unpad(AES.new(_KEY, AES.MODE_CBC, _IV).decrypt(wire), 16)


def _encrypt_ecb(plain: bytes) -> bytes:
    return _ECB.encrypt(pad(plain, 16))


def _decrypt_ecb(wire: bytes) -> bytes:
    return unpad(_ECB.decrypt(wire), 16)


def _encrypt_ftaes(plain: bytes) -> bytes:
    rest = len(plain) % 16
    return _ECB.encrypt(plain + bytes(-rest % 16)) + bytes(15) + bytes([rest])


def _decrypt_ftaes(wire: bytes) -> bytes:
    plain = _ECB.decrypt(wire[:-16])
    rest = wire[-1]
    return plain[: len(plain) - 16 + rest] if rest else plain
