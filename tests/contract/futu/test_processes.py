"""Programs in processes of their own: when they end, what they load, what they write."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Self

import pytest

from futukit.sim import SimulatedOpenD
from tests.contract.futu.conftest import GLOBAL_STATE, no_server, until

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 20.0


class Program:
    """A program in a process of its own, in a folder that is its home too."""

    def __init__(self, home: Path, text: str) -> None:
        self.home = home
        self._text = dedent(text)
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        environment = {"HOME": str(self.home), "PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.home,
            env=environment,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def line(self) -> str | None:
        """The next line of its output; None at the end."""
        return self._lines.get(timeout=SECONDS)

    def tell(self, line: str) -> None:
        """Write a line to its input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def interrupt_until_it_ends(self) -> None:
        """Ctrl-C, again and again: CPython misses one just before its main thread waits."""
        for _ in range(int(SECONDS)):
            self.interrupt()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)
                return
        raise AssertionError("Ctrl-C does not end it")

    def end(self) -> tuple[int, str]:
        """Its status and what it wrote to standard error; None more may come on its output."""
        status = self.process.wait(SECONDS)
        assert self.process.stderr is not None
        return status, self.process.stderr.read()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@contextmanager
def program(home: Path, text: str) -> Iterator[Program]:
    with Program(home, text) as running:
        yield running


# How long a process lives.

LISTENING = """
    import sys, threading
    from futukit.futu import *

    class Notices(SysNotifyHandlerBase):
        def on_recv_rsp(self, rsp_pb):
            print(threading.main_thread().is_alive(), flush=True)

    def obey():
        sys.stdin.readline()
        ctx.close()

    {before}
    ctx = {kind}(port={port})
    ctx.set_handler(Notices())
    threading.Thread(target=obey, daemon=True).start()
    print("end", flush=True)
"""
KINDS = ["OpenQuoteContext", "OpenSecTradeContext"]


def main_thread_ended(child: Program, opend: SimulatedOpenD) -> None:
    """Wait until pushes are handled after the end of the main thread."""
    assert child.line() == "end"
    alive = "True"
    while alive == "True":
        opend.notify("conn_status")
        alive = child.line() or "dead"
    assert alive == "False"


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_keeps_the_process_alive_until_the_context_is_closed(
    kind: str, opend: SimulatedOpenD, tmp_path: Path
) -> None:
    text = LISTENING.format(before="", kind=kind, port=opend.port)
    with program(tmp_path, text) as child:
        main_thread_ended(child, opend)
        child.tell("close")
        assert child.end() == (0, "")


def test_ctrl_c_ends_a_process_that_a_handler_keeps_alive(
    opend: SimulatedOpenD, tmp_path: Path
) -> None:
    text = LISTENING.format(before="", kind="OpenQuoteContext", port=opend.port)
    with program(tmp_path, text) as child:
        main_thread_ended(child, opend)
        child.interrupt_until_it_ends()
        until(lambda: not opend.stats().connections)


def test_a_handler_of_a_daemon_lets_the_process_end(opend: SimulatedOpenD, tmp_path: Path) -> None:
    daemon = "SysConfig.set_all_thread_daemon(True)"
    text = LISTENING.format(before=daemon, kind="OpenQuoteContext", port=opend.port)
    with program(tmp_path, text) as child:
        assert child.line() == "end"
        assert child.end() == (0, "")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_handler_the_process_ends(
    kind: str, opend: SimulatedOpenD, tmp_path: Path
) -> None:
    text = f"from futukit.futu import *\nctx = {kind}(port={opend.port})\nprint(ctx.status)"
    with program(tmp_path, text) as child:
        assert child.line() == "READY"
        assert child.end() == (0, "")


def test_a_context_that_still_connects_lets_the_process_end(tmp_path: Path) -> None:
    with no_server() as port:
        text = f"""
            from futukit.futu import *
            ctx = OpenQuoteContext(port={port}, is_async_connect=True)
            print(ctx.status)
        """
        with program(tmp_path, text) as child:
            assert child.line() == "CONNECTING"
            assert child.end() == (0, "")


# Ctrl-C.


@pytest.mark.parametrize("handler", ["", "ctx.set_handler(SysNotifyHandlerBase())"])
def test_ctrl_c_interrupts_a_call(handler: str, opend: SimulatedOpenD, tmp_path: Path) -> None:
    opend.fault("silence", proto_id=GLOBAL_STATE)
    text = f"""
        from futukit.futu import *
        ctx = OpenQuoteContext(port={opend.port})
        {handler}
        ctx.get_global_state()
    """
    with program(tmp_path, text) as child:
        until(lambda: GLOBAL_STATE in opend.stats().requests)
        child.interrupt()
        status, errors = child.end()
        assert status != 0
        assert errors.rstrip().endswith("KeyboardInterrupt")


def test_ctrl_c_during_a_call_can_be_caught(opend: SimulatedOpenD, tmp_path: Path) -> None:
    opend.fault("silence", proto_id=GLOBAL_STATE)
    text = f"""
        from futukit.futu import *
        ctx = OpenQuoteContext(port={opend.port})
        try:
            ctx.get_global_state()
        except KeyboardInterrupt:
            print(ctx.get_global_state()[0])
        ctx.close()
    """
    with program(tmp_path, text) as child:
        until(lambda: GLOBAL_STATE in opend.stats().requests)
        child.interrupt()
        assert child.line() == "0"
        assert child.end() == (0, "")


def test_ctrl_c_interrupts_a_constructor_that_waits_for_an_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        text = f"from futukit.futu import *\nOpenQuoteContext(port={listener.getsockname()[1]})"
        with program(tmp_path, text) as child:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(SECONDS)
                assert connection.recv(44)
                child.interrupt()
                status, errors = child.end()
    assert status != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_ctrl_c_interrupts_a_constructor_that_waits_for_a_server(tmp_path: Path) -> None:
    with no_server() as port:
        text = f"""
            import logging
            from futukit.futu import *

            class Print(logging.Handler):
                def emit(self, record):
                    print(record.getMessage(), flush=True)

            logger.addHandler(Print())
            OpenQuoteContext(port={port})
        """
        with program(tmp_path, text) as child:
            line = child.line()
            assert line is not None
            assert line.startswith("no connection")
            child.interrupt()
            status, errors = child.end()
    assert status != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")


# What a program loads and writes.


def test_nothing_is_written_by_itself(opend: SimulatedOpenD, tmp_path: Path) -> None:
    with no_server() as nowhere:
        text = f"""
            from futukit.futu import *
            waiting = OpenQuoteContext(port={nowhere}, is_async_connect=True)
            waiting.set_sync_query_connect_timeout(0.1)
            waiting.get_global_state()
            waiting.close()
            with OpenQuoteContext(port={opend.port}) as ctx:
                ctx.get_market_snapshot("HK.00700")
                ctx.get_market_snapshot("nonsense")
                ctx.subscribe("HK.00700", "QUOTE")
            with OpenSecTradeContext(port={opend.port}) as ctx:
                ctx.accinfo_query()
            print("end")
        """
        with program(tmp_path, text) as child:
            assert child.line() == "end"
            assert child.line() is None
            status, errors = child.end()
    # A warning of a server that is not there goes where Python's warnings go; nothing else does.
    assert status == 0
    assert [line.partition(",")[0] for line in errors.splitlines()] == ["no connection"]
    assert list(tmp_path.iterdir()) == []


def test_the_import_takes_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    text = """
        import signal, sys
        path, on_ctrl_c = list(sys.path), signal.getsignal(signal.SIGINT)
        from futukit.futu import *
        heavy = "pandas numpy asyncio ssl Crypto google.protobuf futukit.sim futukit.aio"
        print([name for name in heavy.split() if name in sys.modules])
        print(sys.path == path, signal.getsignal(signal.SIGINT) is on_ctrl_c)
    """
    with program(tmp_path, text) as child:
        assert child.line() == "[]"
        assert child.line() == "True True"
        assert child.end() == (0, "")


def test_pandas_is_imported_with_the_first_table(opend: SimulatedOpenD, tmp_path: Path) -> None:
    text = f"""
        import sys
        from futukit.futu import *
        with OpenQuoteContext(port={opend.port}) as ctx:
            print(ctx.get_global_state()[0], "pandas" in sys.modules)
            print(ctx.get_market_snapshot("HK.00700")[0], "pandas" in sys.modules)
    """
    with program(tmp_path, text) as child:
        assert child.line() == "0 False"
        assert child.line() == "0 True"
        assert child.end() == (0, "")


@pytest.mark.parametrize("module", ["futukit.futu", "futukit.moomoo"])
def test_without_pandas_the_import_says_so_in_one_line(module: str, tmp_path: Path) -> None:
    text = f"""
        import sys

        class Without:
            def __init__(self, finder):
                self.finder = finder

            def find_spec(self, name, path=None, target=None):
                return None if name == "pandas" else self.finder.find_spec(name, path, target)

        sys.meta_path = [Without(finder) for finder in sys.meta_path]
        import futukit.sync
        try:
            import {module}
        except ImportError as error:
            print(error)
    """
    with program(tmp_path, text) as child:
        line = child.line()
        assert line is not None
        assert "pip install 'futukit[pandas]'" in line
        assert child.line() is None
        assert child.end() == (0, "")


def test_the_other_name_gives_the_same_objects() -> None:
    import futukit.futu
    import futukit.moomoo

    names: dict[str, object] = {}
    exec("from futukit.moomoo import *", names)
    assert set(names) - {"__builtins__"} == set(futukit.futu.__all__)
    assert futukit.moomoo.__all__ == futukit.futu.__all__
    for name in futukit.futu.__all__:
        assert names[name] is getattr(futukit.futu, name)
