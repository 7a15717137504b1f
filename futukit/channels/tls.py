"""The settings of TLS: whom to trust, what to show.

A file that cannot be used is a UsageError that names the option. What is in a file, and the
option's value, which may be a key pasted in the wrong place, are never repeated.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from futukit.endpoint import Endpoint
from futukit.errors import UsageError
from futukit.options import Options

__all__ = ["client_context", "server_context", "server_name_of"]

_PEM: Final = "-----BEGIN"
_NO_CERTIFICATE: Final = "the file holds no certificate in PEM form"


def client_context(options: Options) -> ssl.SSLContext:
    """A client's context, which trusts the platform's authorities unless told otherwise.

    Raises UsageError, naming the option, for a file that cannot be used.
    """
    if options.tls_ca is not None:
        _check_readable("tls_ca", options.tls_ca)
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
    except (OSError, ValueError) as error:
        raise UsageError(f"tls_ca: {_NO_CERTIFICATE}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Who names one intermediate authority, or the server's own certificate, trusts just that;
    # from Python 3.13 on this is the default.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not options.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.tls_cert is not None:
        _load_certificate(context, options.tls_cert, options.tls_key)
    elif options.tls_key is not None:
        raise UsageError("tls_key has no use without tls_cert")
    return context


def server_context(certificate: str, key: str | None) -> ssl.SSLContext:
    """The context of a server that asks its clients for no certificate.

    ``key`` is None where ``certificate`` holds it too. Raises UsageError as
    :func:`client_context` does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_certificate(context, certificate, key)
    return context


def server_name_of(endpoint: Endpoint, options: Options, context: ssl.SSLContext) -> str:
    """The name that the server has to prove: that of the option, or else the URL's host.

    Raises UsageError for one that no certificate can have.
    """
    # Neither the zone of an IPv6 address nor the final dot of a name is in a certificate.
    name = options.tls_server_name or endpoint.host.partition("%")[0].rstrip(".")
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    except (ValueError, TypeError, OSError) as error:
        what = "the URL's host" if options.tls_server_name is None else "tls_server_name"
        raise UsageError(f"{what}: {name!r} cannot be the name of a TLS server") from error
    return name


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    _check_readable("tls_cert", certificate)
    if key is not None:
        _check_readable("tls_key", key)
    key_option = "tls_cert" if key is None else "tls_key"

    def no_password() -> str:
        # OpenSSL's own way would be to ask on the terminal.
        raise UsageError(f"{key_option}: the key is encrypted; give one that is not")

    try:
        context.load_cert_chain(certificate, key, no_password)
    except UsageError:
        raise
    except ssl.SSLError as error:
        raise UsageError(_fault(error, certificate, key_option)) from error


def _fault(error: ssl.SSLError, certificate: str, key_option: str) -> str:
    """Which of the two files is to blame, which OpenSSL does not say."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key_option}: the key is not that of tls_cert"
    if error.reason is not None and error.reason.startswith(("EE_", "CA_")):
        return f"tls_cert: {error.reason.lower().replace('_', ' ')}"  # such as a key too small
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"tls_cert: {_NO_CERTIFICATE}"
    return f"{key_option}: the file holds no key in PEM form that can be read"


def _check_readable(option: str, path: str) -> None:
    if _PEM in path:
        raise UsageError(f"{option} is the path of a file, not what stands in it")
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise UsageError(f"{option}: the file cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{option} is not the path of a file") from None
