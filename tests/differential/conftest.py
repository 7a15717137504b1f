"""Both sides, started once, and what they answered in each mode."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.differential.pushes", "tests.differential.contexts")

from tests.differential.outcome import Outcome, outcome_of  # noqa: E402
from tests.differential.sides import COMPARED_MODES, Sides, both_sides  # noqa: E402
from tests.interop.modes import Mode  # noqa: E402
from tests.support.rsa import rsa_pem  # noqa: E402
from tests.support.shared import made_once  # noqa: E402


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mode" in metafunc.fixturenames:
        names = [mode.name for mode in COMPARED_MODES]
        metafunc.parametrize("mode", COMPARED_MODES, ids=names, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``FUTUKIT_INTEROP=required`` a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("FUTUKIT_INTEROP") == "required":
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} is required, but was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key as the official SDK takes it: 1024 bits, PKCS#1."""
    path = tmp_path_factory.mktemp("keys") / "rsa.pem"
    path.write_text(rsa_pem(1024), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """The processes."""
    with both_sides(tmp_path_factory.mktemp("sides")) as running:
        yield running


@pytest.fixture(scope="session")
def outcome(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mode], Outcome]:
    """Mode → what both sides answered, and the judgement on it; each mode runs once."""
    known: dict[Mode, Outcome | Exception] = {}

    def run(mode: Mode, folder: Path) -> None:
        sides, key_file = (request.getfixturevalue(name) for name in ("sides", "key_file"))
        found = pickle.dumps(outcome_of(sides, mode, key_file))
        (folder / "outcome").write_bytes(found)

    def once(mode: Mode) -> Outcome:
        if mode not in known:
            try:
                name = f"differential-{mode.name}"
                folder = made_once(tmp_path_factory, name, partial(run, mode))
                # Written by this very test run.
                known[mode] = pickle.loads((folder / "outcome").read_bytes())
            except Exception as error:  # noqa: BLE001 - not tried again by every test
                known[mode] = error
        found = known[mode]
        if isinstance(found, Exception):
            raise found
        return found

    return once
