"""gRPC and the process around it: Ctrl-C, forks, an event loop that ends, grpcio missing."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import Any

from futukit.messages.futu_service import FutuRequest
from tests.contract.grpc.server import FakeServer
from tests.contract.grpc.test_hostile import ORDER


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ctrl_c_interrupts_a_waiting_order(server: FakeServer) -> None:
    code = """
        import signal, sys
        from futukit import sync
        from tests.contract.grpc.test_hostile import ORDER, RECONFIRM
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has none
        with sync.connect(sys.argv[1]) as client:
            try:
                client.call(ORDER, RECONFIRM)
            except KeyboardInterrupt as error:
                [serial] = error.requests_in_doubt
                print([found.serial for found in client.requests_in_doubt] == [serial])
            print(client.system.get_global_state().qot_logined)
    """
    asking = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), server.url],
        stdout=subprocess.PIPE,
        text=True,
    )

    def interrupt(request: FutuRequest, context: Any) -> bytes:
        asking.send_signal(signal.SIGINT)
        return server.silent(request, context)

    server.replies[ORDER] = interrupt
    with asking:
        told, _ = asking.communicate(timeout=30)
    assert (told.split(), asking.returncode) == (["True", "True"], 0)


def test_a_child_is_told_and_the_parent_goes_on(server: FakeServer) -> None:
    code = """
        import os, sys
        from futukit import sync
        from futukit.errors import ForkedProcessError
        client = sync.connect(sys.argv[1])
        child = os.fork()
        if not child:
            try:
                client.system.get_global_state()
            except ForkedProcessError:
                client.close()
                os._exit(7)
            os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(client.system.get_global_state().qot_logined)
        client.close()
    """
    assert run(code, server.url).split() == ["7", "True"]


def test_nothing_is_left_when_an_event_loop_ends(server: FakeServer) -> None:
    code = """
        import asyncio, sys
        from futukit import aio

        async def main():
            async with aio.connect(sys.argv[1]) as client:
                await client.system.get_global_state()
                waiting = asyncio.create_task(client.system.get_global_state())
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            async with asyncio.timeout(5):
                while len(asyncio.all_tasks()) > 1:  # grpcio's own take a turn or two
                    await asyncio.sleep(0)
            print("none")

        for _ in range(2):
            asyncio.run(main(), debug=True)
    """
    assert run(code, server.url).split() == ["none", "none"]


def test_event_loops_one_after_the_other_meet_nothing_of_the_one_before(
    server: FakeServer,
) -> None:
    code = """
        import asyncio, logging, sys
        from futukit import aio
        from futukit.messages import get_user_info

        complaints = []
        handler = logging.Handler()
        handler.emit = complaints.append
        logging.getLogger("asyncio").addHandler(handler)

        async def main():
            async with aio.connect(sys.argv[1]) as client:
                pass
            async with aio.connect(sys.argv[1]) as client:
                waiting = asyncio.create_task(client.call(1005, get_user_info.C2S()))
                await asyncio.sleep(0)
            await asyncio.gather(waiting, return_exceptions=True)

        for _ in range(15):
            asyncio.run(main())
        print(len(complaints))
    """
    server.replies[1005] = server.silent
    assert run(code, server.url).split() == ["0"]


def test_a_client_that_nobody_closes_lets_the_process_end(server: FakeServer) -> None:
    code = """
        import sys
        from futukit import sync
        client = sync.connect(sys.argv[1])
        print(client.state.value)
    """
    assert run(code, server.url).split() == ["ready"]


def test_without_grpcio_everything_else_works() -> None:
    code = """
        import sys
        sys.modules["grpc"] = None
        from futukit import aio, sync
        from futukit.errors import UsageError
        from futukit.sim import SimulatedOpenD
        for connect in (aio.connect, sync.connect):
            try:
                connect("grpc://127.0.0.1:9")
            except UsageError as error:
                print(error)
        try:
            SimulatedOpenD(grpc=0).__enter__()
        except UsageError as error:
            print(error)
        with SimulatedOpenD(freeze=True) as opend, sync.connect(opend.url) as client:
            print(client.state.value)
    """
    reason = "gRPC needs grpcio: pip install 'futukit[grpc]'"
    assert run(code).splitlines() == [reason, reason, reason, "ready"]


def test_no_one_else_loads_grpcio() -> None:
    code = """
        import sys
        from futukit import sync
        from futukit.sim import SimulatedOpenD
        with SimulatedOpenD(freeze=True, ws=0) as opend, sync.connect(opend.url):
            print([name for name in sys.modules if name.partition(".")[0] == "grpc"])
    """
    assert run(code).split() == ["[]"]
