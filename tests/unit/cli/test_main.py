"""The way in: help, wrong use, passed-on commands, missing extras."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from futukit.cli import main as main_module
from futukit.cli.main import main
from futukit.cli.outcome import printable, reported
from futukit.errors import ConnectError, EncodeError, UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["call", "--help"], ["watch", "--help"], ["sim", "--help"]]
)
def test_help_goes_to_stdout(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "--help" in printed.out
    assert printed.err == ""


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    out = capsys.readouterr().out
    assert [name for name in ("demo", "sim", "call", "watch", "codegen") if name not in out] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["call"],
        ["watch"],
        ["watch", "HK.00700", "--count", "0"],
        ["watch", "HK.00700", "--seconds", "soon"],
        ["demo", "--nothing"],
        ["sim", "--tcp", "x"],
        ["sim", "--tcp", "65536"],
        ["sim", "--tcp", "0", "--control", "-1"],
        ["sim", "--speed", "0"],
    ],
)
def test_wrong_use_is_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_a_missing_extra_is_one_clear_line(package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from futukit.cli.main import main\n"
        "sys.exit(main(['watch', 'HK.00700', '--url', 'tcp://127.0.0.1:1']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "pip install 'futukit[cli]'" in done.stderr


def test_codegen_gets_its_arguments_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    import codegen.__main__ as tool

    got: list[list[str]] = []

    def take(arguments: list[str]) -> int:
        got.append(arguments)
        return 1

    monkeypatch.setattr(tool, "main", take)
    monkeypatch.setitem(sys.modules, "futukit.codegen", sys.modules["codegen"])
    monkeypatch.setitem(sys.modules, "futukit.codegen.__main__", tool)
    assert main(["codegen", "generate", "--protos", "a", "--help"]) == 1
    assert got == [["generate", "--protos", "a", "--help"]]


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("jinja2", "pip install 'futukit[codegen]'"),
        ("grpc_tools", "pip install 'futukit[codegen]'"),
        ("futukit.codegen", "python -m codegen"),
    ],
)
def test_codegen_says_what_it_lacks(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    text: str,
) -> None:
    def fail(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(main_module, "import_module", fail)
    assert main(["codegen", "check"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert text in printed.err


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_simulator_tells_its_ports_and_ends_on_a_signal(signal_number: int) -> None:
    command = [sys.executable, "-W", "error", "-m", "futukit", "sim", "--tcp", "0", "--freeze"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        assert ready["tcp"] > 0
        process.send_signal(signal_number)
        assert process.stdout.read() == b""
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("bad"), 2),
        (EncodeError("bad", "a.b"), 2),
        (ConnectError("gone"), 1),
        (FileNotFoundError(2, "No such file", "x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_lines_and_statuses(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int
) -> None:
    with pytest.raises(SystemExit) as caught, reported():
        raise error
    assert caught.value.code == status
    assert capsys.readouterr().err.count("\n") == int(status != 130)


def test_a_fault_of_ours_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError), reported():
        raise ZeroDivisionError


def test_control_characters_are_not_printed() -> None:
    assert printable("腾讯 \x1b[2J\x9b") == "腾讯 ?[2J?"
