"""Fixtures that every test package may use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support import upstream

# A shell starts background jobs with SIGINT ignored, and every child would inherit that: tests of
# Ctrl-C need what a program started by hand has.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def upstream_protos() -> Path:
    """Folder of the official Python SDK's .proto files, downloaded, never committed."""
    return upstream.python_sdk_protos()


@pytest.fixture(scope="session")
def old_upstream_protos() -> Path:
    """The same of an older release."""
    return upstream.python_sdk_protos(upstream.OLD_PYTHON_SDK)


@pytest.fixture(scope="session")
def javascript_protos() -> Path:
    """Folder of the official JavaScript SDK's .proto files."""
    return upstream.unpacked(upstream.javascript_sdk_archive()) / "proto"
