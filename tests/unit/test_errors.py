"""The tree of exceptions."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from futukit import errors
from futukit.errors import (
    ConnectionLost,
    DecodeError,
    DigestMismatch,
    EncodeError,
    FutukitError,
    GatewayError,
    HandshakeError,
    PermissionDenied,
    RemoteProtocolError,
    RequestTimeout,
    ServerFailed,
    ServerUnknown,
    UnexpectedPacket,
    UsageError,
    server_error,
)

SAMPLES: list[FutukitError] = [
    UsageError("no"),
    EncodeError("too big", "c2s.qty"),
    DigestMismatch("broken", 5, 3004, 7),
    DecodeError("short", "s2c.name", 3004, 7),
    UnexpectedPacket("a request while idle", 3004, 7),
    HandshakeError("refused", -1, 5),
    ConnectionLost("gone", 2202, 7, (7,)),
    RequestTimeout("late", 2202, 7, (7,)),
    GatewayError("INTERNAL", "broken", 2202, 7, (7,)),
    PermissionDenied("PERMISSION_DENIED", "no", 2202, 7),
    server_error(-1, "no", 5, 3004, 7),
]


def test_every_public_name_is_exported_and_drawn() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert classes | {"server_error"} == set(errors.__all__)
    assert errors.__doc__ is not None
    for name in classes:
        assert name in errors.__doc__


@pytest.mark.parametrize("base", [FutukitError, RemoteProtocolError])
def test_a_common_base_is_never_raised_itself(base: type[Exception]) -> None:
    with pytest.raises(TypeError, match="common base"):
        base("x")


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("remade", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_errors_survive_copy_and_pickle(error: FutukitError, remade: Any) -> None:
    again = remade(error)
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert again.requests_in_doubt == error.requests_in_doubt


def test_a_ret_type_has_its_class_and_an_unlisted_one_is_unknown() -> None:
    assert type(server_error(-1)) is ServerFailed
    assert type(server_error(-123)) is ServerUnknown
    assert server_error(-123, "why").ret_type == -123


HOSTILE = "\x1b[31mred\x00\n\u202e" + "x" * 3000


@pytest.mark.parametrize(
    "error",
    [
        server_error(-1, HOSTILE, 0, 3004, 7),
        GatewayError("INTERNAL", HOSTILE, 3004, 7),
        ConnectionLost(HOSTILE, 3004, 7),
        HandshakeError(HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_text_from_outside_is_cut_and_escaped_and_there_as_it_came(error: Any) -> None:
    text = str(error)
    assert text.isprintable()
    assert text.startswith(r"\x1b[31mred\x00\n\u202exxx")
    assert len(text) < 400
    assert (error.ret_msg if isinstance(error, ServerFailed) else error.reason) == HOSTILE


@pytest.mark.parametrize("text", ["购买力不足\u3000请充值，谢谢！", "no such order", "x" * 300])
def test_an_ordinary_text_is_unchanged(text: str) -> None:
    assert str(ConnectionLost(text)) == text
    assert str(server_error(-1, text, 0, 3004)) == f"{text} (retType -1, proto id 3004)"


def test_escapes_do_not_make_a_text_endless() -> None:
    assert len(str(ConnectionLost("\x00" * 10_000))) <= 301


def test_errors_are_what_python_code_expects() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(RequestTimeout, TimeoutError)
    assert issubclass(ConnectionLost, ConnectionError)
    assert not issubclass(errors.ServerTimeout, TimeoutError)
