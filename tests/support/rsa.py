"""RSA keys for tests, made once per run and size."""

from __future__ import annotations

from functools import cache

from Crypto.PublicKey import RSA

_generated = cache(RSA.generate)


def rsa_key(bits: int = 1024) -> RSA.RsaKey:
    """A key that nothing real is protected by."""
    return _generated(bits)


def rsa_pem(bits: int = 1024, pkcs: int = 1) -> str:
    """The same as PEM, in the form that OpenD's documents prescribe (PKCS#1) or in PKCS#8."""
    return rsa_key(bits).export_key(pkcs=pkcs).decode()
