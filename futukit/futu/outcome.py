"""What every method of the face returns: ``(RET_OK, data)`` or ``(RET_ERROR, message)``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, ParamSpec

from futukit.errors import FutukitError, ServerError

__all__ = [
    "REPEATED",
    "RET_ERROR",
    "RET_OK",
    "Message",
    "Outcome",
    "answering",
    "failed",
    "message_of",
]

RET_OK: Final = 0
RET_ERROR: Final = -1

Outcome = tuple[Any, ...]
"""``(RET_OK, data, …)`` or ``(RET_ERROR, Message, …)``: what follows is the method's own."""

REPEATED: Final = object()
"""Among what follows the text of a failure: the text once more."""

P = ParamSpec("P")


class Message(str):
    """The text of a failure; the error itself stands behind it.

    ``error`` is the exception with its facts (``ret_type``, ``err_code``, ``proto_id``,
    ``requests_in_doubt``), ``err_code`` OpenD's own error number.
    """

    __slots__ = ("error",)

    error: FutukitError | None

    def __new__(cls, text: str = "", error: FutukitError | None = None) -> Message:
        message = super().__new__(cls, text)
        message.error = error
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return Message, (str(self), self.error)

    @property
    def err_code(self) -> int | None:
        """OpenD's ``errCode``, 0 if it gave none; None if the failure is not OpenD's."""
        return getattr(self.error, "err_code", None)


def message_of(error: FutukitError) -> Message:
    """The text of an error: OpenD's own words where it refused, else what the error says."""
    text = error.ret_msg if isinstance(error, ServerError) else str(error)
    return Message(text, error)


def failed(error: FutukitError, *more: Any) -> Outcome:
    """What a method returns that failed; ``more`` is what follows the text."""
    message = message_of(error)
    return (RET_ERROR, message, *(message if each is REPEATED else each for each in more))


def answering(*more: Any) -> Callable[[Callable[P, Outcome]], Callable[P, Outcome]]:
    """A method whose errors are returned, not raised: ``(RET_ERROR, Message, *more)``."""

    def decorate(method: Callable[P, Outcome]) -> Callable[P, Outcome]:
        @functools.wraps(method)
        def answer(*args: P.args, **kwargs: P.kwargs) -> Outcome:
            try:
                return method(*args, **kwargs)
            except FutukitError as error:
                return failed(error, *more)

        return answer

    return decorate
