"""What the options of TLS become, and what is said of files that cannot be used."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from futukit.channels import Security, security_of
from futukit.channels.tls import server_context
from futukit.endpoint import SCHEMES, Endpoint
from futukit.errors import UsageError
from futukit.options import Options
from tests.support.certificates import Certificates

ROOT = Path(__file__).resolve().parents[3]
SECRET = "c2VjcmV0IGtleSBtYXRlcmlhbA"


def settings(scheme: str = "tcps", host: str = "opend.lan", **options: object) -> Security | None:
    return security_of(Endpoint(scheme, host, 1, {}), Options(**options))  # type: ignore[arg-type]


def context_of(**options: object) -> ssl.SSLContext:
    security = settings(**options)  # type: ignore[arg-type]
    assert security is not None
    return security.context


def texts_of(error: BaseException | None) -> str:
    """All that a traceback would show of an error and its causes."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {error.args}"
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_with_tls_has_settings(scheme: str) -> None:
    assert (settings(scheme) is not None) is SCHEMES[scheme].tls


def test_the_platform_is_trusted_by_default() -> None:
    context = context_of()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats() == ssl.create_default_context().cert_store_stats()


def test_an_authority_takes_the_place_of_the_platforms(issued: Certificates) -> None:
    context = context_of(tls_ca=issued.authority)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509"] == 1


def test_only_the_explicit_opt_out_trusts_anybody() -> None:
    context = context_of(tls_verify=False)
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_nothing_older_than_tls_1_2_is_spoken(issued: Certificates) -> None:
    assert context_of().minimum_version is ssl.TLSVersion.TLSv1_2
    server = server_context(issued.certificate, issued.key)
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2


def test_certificate_and_key_may_share_a_file(issued: Certificates) -> None:
    context_of(tls_cert=issued.elsewhere)
    server_context(issued.elsewhere, None)


@pytest.mark.parametrize(
    ("host", "option", "name"),
    [
        ("opend.lan", None, "opend.lan"),
        ("opend.lan.", None, "opend.lan"),
        ("::1", None, "::1"),
        ("fe80::1%eth0", None, "fe80::1"),
        ("127.0.0.1", "opend.lan", "opend.lan"),
    ],
)
def test_the_server_proves_the_name_of_the_option_or_of_the_url(
    host: str, option: str | None, name: str
) -> None:
    security = settings(host=host, tls_server_name=option)
    assert security is not None
    assert security.server_name == name


@pytest.mark.parametrize("name", [".opend.lan", "a..b", "x" * 64 + ".lan", "nul\0.lan"])
def test_a_name_that_no_server_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"^tls_server_name: "):
        settings(tls_server_name=name)
    with pytest.raises(UsageError, match=r"^the URL's host: "):
        settings(host=name)


# Files that cannot be used.

BAD_FILES = {
    "empty": "",
    "text": f"{SECRET}\n",
    "damaged": f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n",
    "damaged key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    "half": "-----BEGIN CERTIFICATE-----\n",
}


@pytest.mark.parametrize("content", BAD_FILES)
@pytest.mark.parametrize("option", ["tls_ca", "tls_cert", "tls_key"])
def test_a_wrong_file_is_named_by_its_option_and_not_shown(
    option: str, content: str, issued: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.pem"
    file.write_text(BAD_FILES[content])
    options = {"tls_cert": issued.client_certificate, "tls_key": issued.client_key}
    with pytest.raises(UsageError, match=f"^{option}: ") as caught:
        settings(**{**options, option: str(file)})
    assert SECRET not in texts_of(caught.value)


@pytest.mark.parametrize("option", ["tls_ca", "tls_cert", "tls_key"])
def test_a_file_that_cannot_be_read_is_named_by_its_option(
    option: str, issued: Certificates, tmp_path: Path
) -> None:
    options = {"tls_cert": issued.client_certificate}
    for path, reason in ((tmp_path / "none.pem", "No such file"), (tmp_path, "directory")):
        with pytest.raises(UsageError, match=f"^{option}: the file cannot be read: .*{reason}"):
            settings(**{**options, option: str(path)})
    with pytest.raises(UsageError, match=f"^{option} is not the path of a file$"):
        settings(**{**options, option: "nul\0"})


@pytest.mark.parametrize("option", ["tls_ca", "tls_cert", "tls_key"])
def test_a_pasted_key_is_never_repeated(option: str, issued: Certificates) -> None:
    pasted = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    with pytest.raises(UsageError, match=f"^{option} is the path of a file") as caught:
        settings(**{"tls_cert": issued.client_certificate, option: pasted})
    assert SECRET not in texts_of(caught.value)


def test_a_certificate_without_a_key_is_refused(issued: Certificates) -> None:
    with pytest.raises(UsageError, match=r"^tls_cert: the file holds no key"):
        settings(tls_cert=issued.client_certificate)


def test_a_key_without_a_certificate_is_refused(issued: Certificates) -> None:
    with pytest.raises(UsageError, match=r"^tls_key has no use without tls_cert$"):
        settings(tls_key=issued.client_key)


def test_a_key_of_another_certificate_is_refused(issued: Certificates) -> None:
    with pytest.raises(UsageError, match=r"^tls_key: the key is not that of tls_cert$"):
        settings(tls_cert=issued.client_certificate, tls_key=issued.key)
    with pytest.raises(UsageError, match=r"^tls_key: the key is not that of tls_cert$"):
        server_context(issued.certificate, issued.client_key)


def test_an_encrypted_key_is_refused_without_asking_for_its_password(
    issued: Certificates, tmp_path: Path
) -> None:
    key = load_pem_private_key(Path(issued.client_key).read_bytes(), None)
    file = tmp_path / "encrypted.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(UsageError, match=r"^tls_key: the key is encrypted"):
        settings(tls_cert=issued.client_certificate, tls_key=str(file))
    file.write_bytes(file.read_bytes() + Path(issued.client_certificate).read_bytes())
    with pytest.raises(UsageError, match=r"^tls_cert: the key is encrypted"):
        server_context(str(file), None)


# What is loaded.

PLAIN = """
import sys
from futukit import sync
from futukit.channels import opener, security_of
from futukit.endpoint import parse_endpoint
from futukit.options import Options
opener("blocking")
assert security_of(parse_endpoint("tcp://opend.lan"), Options()) is None
print("ssl" in sys.modules)
"""


def test_without_tls_ssl_is_not_loaded() -> None:
    command = [sys.executable, "-W", "error", "-c", PLAIN]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
