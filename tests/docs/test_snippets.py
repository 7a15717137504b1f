"""Every snippet of the documentation is executed."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from futukit.sim import SimulatedOpenD
from tests.docs import snippets
from tests.docs.snippets import ROOT, Snippet
from tests.support import upstream
from tests.support.rsa import rsa_pem

ALL = snippets.snippets()
NOT_COPIED = shutil.ignore_patterns("__pycache__")
MAKE = re.compile(r"^make (\S+)\n?", re.M)
DEFAULT_PORT = "11111"
GRPC_PORT = "22500"


def of(*languages: str) -> list[Snippet]:
    return [snippet for snippet in ALL if snippet.language in languages]


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """The port of a simulator that runs in real time."""
    with SimulatedOpenD(seed=1) as opend:
        yield opend.port


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what snippets work on: they may write into it."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("codegen", "protos", "futukit", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=NOT_COPIED)
    (copy / "conn_key.pem").write_text(rsa_pem())
    return copy


@pytest.fixture
def releases(checkout: Path) -> None:
    """The SDK archives that snippets name stand beside the copy's folders."""
    for version in (upstream.PYTHON_SDK, upstream.OLD_PYTHON_SDK):
        archive = upstream.python_sdk_archive(version)
        link = checkout / f"futu_api-{version}.tar.gz"
        if not link.exists():
            link.symlink_to(archive)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def needs_releases(snippet: Snippet) -> bool:
    return "futu_api-" in snippet.text


def test_the_pages_have_snippets_in_known_languages_only() -> None:
    assert {snippet.language for snippet in ALL} == {"python", "sh", "console"}
    assert len(ALL) > 15


@pytest.mark.parametrize("snippet", of("python"), ids=str)
def test_python(snippet: Snippet, checkout: Path, served: int) -> None:
    snippets.run_python(snippet.text.replace(DEFAULT_PORT, str(served)), checkout)


@pytest.mark.parametrize("snippet", of("sh"), ids=str)
def test_shell(
    snippet: Snippet, checkout: Path, served: int, request: pytest.FixtureRequest
) -> None:
    if needs_releases(snippet):
        request.getfixturevalue("releases")
    targets = MAKE.findall(snippet.text)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.M)] == []
    text = MAKE.sub("", snippet.text).replace(DEFAULT_PORT, str(served))
    # Where the block names no URL, the command's default is meant.
    text = f"export FUTUKIT_URL=tcp://127.0.0.1:{served}\n{text}"
    snippets.run_shell(text, checkout)


@pytest.mark.parametrize("snippet", of("console"), ids=str)
def test_console(
    snippet: Snippet, checkout: Path, served: int, request: pytest.FixtureRequest
) -> None:
    if needs_releases(snippet):
        request.getfixturevalue("releases")
    # A simulator takes the port, a gateway wants one behind it.
    port = str(served) if "--upstream" in snippet.text else free_port()
    text = snippet.text.replace(DEFAULT_PORT, port).replace(GRPC_PORT, free_port())
    snippets.run_console(text, checkout)
