"""``(RET_OK, …)`` and ``(RET_ERROR, Message, …)``."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from futukit.errors import ConnectionLost, RequestTimeout, ServerFailed, UsageError
from futukit.futu.outcome import (
    REPEATED,
    RET_ERROR,
    RET_OK,
    Message,
    Outcome,
    answering,
    failed,
    message_of,
)

REFUSED = ServerFailed(-1, "no such account", err_code=7, proto_id=2101, serial=3)


def test_a_refusal_is_told_in_the_servers_own_words() -> None:
    message = message_of(REFUSED)
    assert message == "no such account"
    assert isinstance(message, str)
    assert message.error is REFUSED
    assert message.err_code == 7
    assert message_of(ServerFailed(-1, "refused")).err_code == 0


def test_a_failure_that_is_not_the_servers_has_no_number() -> None:
    error = RequestTimeout("no answer in time")
    message = message_of(error)
    assert message == str(error)
    assert message.err_code is None


def test_what_follows_the_text_of_a_failure() -> None:
    ret, message, page, again = failed(REFUSED, None, REPEATED)
    assert (ret, page) == (RET_ERROR, None)
    assert again is message


def test_errors_are_returned_and_other_faults_raised() -> None:
    @answering(None)
    def ask(error: Exception | None = None) -> Outcome:
        """What it does."""
        if error is not None:
            raise error
        return RET_OK, "data"

    assert ask() == (RET_OK, "data")
    lost = ConnectionLost("gone")
    ret, message, more = ask(lost)
    assert (ret, more) == (RET_ERROR, None)
    assert isinstance(message, Message)
    assert message.error is lost
    assert ask(UsageError("x"))[0] == RET_ERROR
    with pytest.raises(ZeroDivisionError):
        ask(ZeroDivisionError())
    assert ask.__doc__ == "What it does."
    assert list(inspect.signature(ask).parameters) == ["error"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_message_can_be_pickled_and_copied(protocol: int) -> None:
    message = message_of(REFUSED)
    again = pickle.loads(pickle.dumps(message, protocol))
    assert (again, again.err_code, type(again.error)) == (message, 7, ServerFailed)
    assert copy.copy(message).error is message.error


def test_a_message_without_an_error_has_no_number() -> None:
    assert Message("text").err_code is None
