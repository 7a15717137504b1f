"""``--trace`` of ``futukit call`` and ``watch``: on stderr, whatever stdout is."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from futukit.cli.main import main
from futukit.sim import SimulatedOpenD

ROOT = Path(__file__).resolve().parents[3]
LINE = re.compile(
    r"^\d\d:\d\d:\d\d\.\d{3} [→←] \d{4} [A-Z]\w+ #\d+ (c2s|s2c|Response) (json )?\d+ B \{.*[}…]$"
)


@pytest.fixture(scope="module")
def opend() -> Iterator[SimulatedOpenD]:
    """In real time, only faster: pushes come by themselves."""
    with SimulatedOpenD(seed=1, speed=20.0) as running:
        yield running


def ids(lines: list[str]) -> list[str]:
    """Direction and proto id of each line but KeepAlive's."""
    assert [line for line in lines if not LINE.match(line)] == []
    return [" ".join(line.split(" ")[1:3]) for line in lines if " 1004 " not in line]


def test_a_call_with_trace_shows_its_packets(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["call", "1002", "--compact", "--trace", "--url", opend.url]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert ids(printed.err.splitlines()) == ["→ 1001", "← 1001", "→ 1002", "← 1002"]


def test_the_password_of_a_traced_call_is_masked(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "0cc175b9c0f1b6a831c399e269772661"
    unlock = f'{{"unlock": true, "pwdMD5": "{secret}"}}'
    main(["call", "Trd_UnlockTrade", unlock, "--trace", "--url", opend.url])
    printed = capsys.readouterr()
    assert '{"unlock":true,"pwdMD5":"…"}' in printed.err
    assert secret not in printed.out + printed.err


def test_without_the_option_nothing_is_traced(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["call", "1002", "--url", opend.url]) == 0
    assert capsys.readouterr().err == ""


def test_watch_with_trace_shows_pushes_too(
    opend: SimulatedOpenD, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["watch", "HK.00700", "--count", "5", "--trace", "--url", opend.url]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) >= 6
    told = ids(printed.err.splitlines())
    assert told[:3] == ["→ 1001", "← 1001", "→ 3001"]
    assert {"← 3001", "← 3005"} < set(told)


@pytest.mark.parametrize("stderr_too", [True, False])
def test_a_table_on_the_terminal_leaves_the_trace_to_stderr(
    opend: SimulatedOpenD, stderr_too: bool
) -> None:
    control, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    arguments = ["watch", "HK.00700", "--seconds", "1", "--trace", "--url", opend.url]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "futukit", *arguments],
        env=environment,
        text=True,
        stdout=terminal,
        stderr=terminal if stderr_too else subprocess.PIPE,
    ) as process:
        os.close(terminal)
        drawn = read_all(control)
        traced = "" if process.stderr is None else process.stderr.read()
        assert process.wait(30) == 0
    os.close(control)
    assert "tickers, newest first" in drawn
    assert (" 3005 Qot_UpdateBasicQot #" in drawn) is stderr_too
    assert stderr_too or "← 3005" in ids(traced.splitlines())


def read_all(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # Linux says so at the end of a terminal
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode("utf-8")
