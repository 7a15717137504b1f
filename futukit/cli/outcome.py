"""How a command ends: what stands on stderr, and the exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from futukit.errors import FutukitError, UsageError

__all__ = ["FAILURE", "INTERRUPTED", "MISUSE", "complain", "printable", "reported"]

FAILURE: Final = 1
MISUSE: Final = 2
INTERRUPTED: Final = 130
"""128 + SIGINT, what a shell expects of a program that ended by Ctrl-C."""


def complain(message: str) -> None:
    """Write one line on stderr."""
    print(f"futukit: {printable(' '.join(message.split()))}", file=sys.stderr)


def printable(text: str) -> str:
    """The text without what a terminal would obey: names and reasons come from the net."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that are told to a user into a line on stderr and a SystemExit.

    A UsageError is the caller's own mistake, exit status 2; every other FutukitError is 1, and so
    is a failing file or socket. What is none of these is a fault of ours and keeps its trace.
    """
    try:
        yield
        # Here and not at exit, where nobody could report that it failed.
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read our output has gone. Nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILURE) from None
    except UsageError as error:
        complain(str(error))
        raise SystemExit(MISUSE) from None
    except (FutukitError, OSError) as error:
        complain(str(error) or type(error).__name__)
        raise SystemExit(FAILURE) from None
