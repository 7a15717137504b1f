"""What a gRPC channel is told: address, key, TLS, limits; and how statuses are read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from futukit.channels import credentials_of
from futukit.channels.grpc import GrpcAccess, access_of, status_of
from futukit.core.links.grpc import Status
from futukit.endpoint import parse_endpoint
from futukit.errors import UsageError
from futukit.options import options_for
from tests.support.certificates import Certificates


def access(url: str, **keywords: Any) -> GrpcAccess:
    endpoint = parse_endpoint(url)
    return access_of(endpoint, options_for(endpoint, keywords))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("grpc://opend.lan", "opend.lan:22500"),
        ("grpc://127.0.0.1:1", "127.0.0.1:1"),
        ("grpc://[::1]:1", "[::1]:1"),
    ],
)
def test_the_address(url: str, target: str) -> None:
    assert access(url).target == target
    assert access(url).credentials is None


def test_each_client_has_a_connection_of_its_own_and_nothing_is_sent_twice() -> None:
    options = dict(access("grpc://h", max_body_bytes=1000).options)
    assert options["grpc.use_local_subchannel_pool"] == 1
    assert options["grpc.enable_retries"] == 0
    assert options["grpc.max_receive_message_length"] == 1000 + 64 * 1024
    largest = dict(access("grpc://h", max_body_bytes=2**31 - 1).options)
    assert largest["grpc.max_receive_message_length"] == 2**31 - 1


def test_the_key_is_metadata_and_does_not_show() -> None:
    found = access("grpc://h?api_key=SECRET")
    assert found.metadata == (("authorization", "Bearer SECRET"),)
    assert "SECRET" not in repr(found)
    assert access("grpc://h").metadata == ()


def test_tls_takes_the_same_files_as_elsewhere(issued: Certificates) -> None:
    found = access(
        "grpcs://h",
        tls_ca=issued.authority,
        tls_cert=issued.client_certificate,
        tls_key=issued.client_key,
        tls_server_name="opend.example",
    )
    assert found.credentials is not None
    assert dict(found.options)["grpc.ssl_target_name_override"] == "opend.example"
    assert access("grpcs://h", tls_cert=issued.elsewhere).credentials is not None


def test_a_file_that_cannot_be_used_is_named(issued: Certificates, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tls_ca"):
        access("grpcs://h", tls_ca=tmp_path / "none.pem")
    with pytest.raises(UsageError, match="tls_key"):
        access("grpcs://h", tls_cert=issued.client_certificate, tls_key=issued.key)


def test_the_platforms_authorities_are_trusted_by_default() -> None:
    assert access("grpcs://h").credentials is not None


def test_other_schemes_need_other_things() -> None:
    endpoint = parse_endpoint("tcp://h")
    assert credentials_of(endpoint, options_for(endpoint, {})) is None
    endpoint = parse_endpoint("grpc://h")
    assert isinstance(credentials_of(endpoint, options_for(endpoint, {})), GrpcAccess)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        (b"1", 1.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("x", None),
    ],
)
def test_the_time_to_wait_is_read_from_the_trailing_metadata(
    value: str | bytes, seconds: float | None
) -> None:
    call = SimpleNamespace(
        trailing_metadata=lambda: (("other", "9"), ("retry-after", value)),
        code=lambda: SimpleNamespace(name="RESOURCE_EXHAUSTED"),
        details=lambda: "slowly",
    )
    assert status_of(call) == Status("RESOURCE_EXHAUSTED", "slowly", seconds)


def test_a_status_may_have_no_text() -> None:
    call = SimpleNamespace(
        trailing_metadata=lambda: None,
        code=lambda: SimpleNamespace(name="OK"),
        details=lambda: None,
    )
    assert status_of(call) == Status("OK", "", None)
