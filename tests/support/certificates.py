"""Certificates of an authority of our own, for servers on loopback, as PEM files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import trustme

__all__ = ["Certificates", "certificates"]


class Certificates(NamedTuple):
    """Paths of PEM files. ``certificate`` is for localhost, 127.0.0.1 and ::1."""

    authority: str
    certificate: str
    key: str
    elsewhere: str  # a certificate and its key in one file, for opend.example
    client_certificate: str
    client_key: str
    stranger: str  # an authority that has signed none of these


def certificates(folder: Path) -> Certificates:
    """Issue new ones into an empty folder."""
    authority = trustme.CA()

    def write(name: str, blob: trustme.Blob) -> str:
        path = folder / name
        blob.write_to_path(str(path))
        return str(path)

    def chain(name: str, issued: trustme.LeafCert) -> str:
        path = folder / name
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(path), append=True)
        return str(path)

    server = authority.issue_cert("localhost", "127.0.0.1", "::1")
    client = authority.issue_cert("client@opend.example")
    return Certificates(
        authority=write("authority.pem", authority.cert_pem),
        certificate=chain("server.pem", server),
        key=write("server-key.pem", server.private_key_pem),
        elsewhere=write(
            "elsewhere.pem", authority.issue_cert("opend.example").private_key_and_cert_chain_pem
        ),
        client_certificate=chain("client.pem", client),
        client_key=write("client-key.pem", client.private_key_pem),
        stranger=write("stranger.pem", trustme.CA().cert_pem),
    )
