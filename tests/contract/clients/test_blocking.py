"""What only the blocking face has: threads, Ctrl-C, the end of the process, fork."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from futukit import sync
from futukit.errors import UsageError
from futukit.messages import get_user_info, qot_common, qot_update_ticker
from futukit.messages.common import RetType
from tests.contract.clients.opend import WAIT, Connection, FakeOpenD, bar, stay_silent, ticker
from tests.contract.clients.test_calls import PLACE_ORDER, USER_INFO, answer_user_info

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def opend() -> Iterator[FakeOpenD]:
    server = FakeOpenD()
    yield server
    server.close()


def child(code: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_a_client_serves_many_threads(opend: FakeOpenD) -> None:
    def echo(connection: Connection, envelope: Any) -> None:
        flag = connection.asked(USER_INFO)[-1].flag
        s2c = get_user_info.S2C(nick_name=str(flag))
        connection.reply(envelope, get_user_info.Response(ret_type=RetType.SUCCEED, s2c=s2c))

    opend.answers[USER_INFO] = echo
    with sync.connect(opend.url) as client, ThreadPoolExecutor(8) as pool:
        names = pool.map(lambda n: client.system.get_user_info(flag=n).nick_name, range(200))
        assert list(names) == [str(n) for n in range(200)]


def test_a_callback_may_call_and_may_close(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = answer_user_info
    names: queue.Queue[Any] = queue.Queue()
    with sync.connect(opend.url) as client:

        def handler(push: qot_update_ticker.S2C) -> None:
            names.put(client.system.get_user_info().nick_name)
            client.close()
            names.put(client.state.value)

        client.on(qot_update_ticker.Response, handler)
        opend.next_connection().push(3011, ticker())
        assert names.get(timeout=WAIT) == "somebody"
        assert names.get(timeout=WAIT) == "closed"


def test_a_coroutine_function_is_no_callback(opend: FakeOpenD) -> None:
    async def handler(s2c: Any) -> None:
        raise AssertionError

    with sync.connect(opend.url) as client, pytest.raises(UsageError, match="await"):
        client.on(3011, handler)


def test_slow_callbacks_drop_the_oldest(opend: FakeOpenD, caplog: pytest.LogCaptureFixture) -> None:
    started, go_on = threading.Event(), threading.Event()
    seen: list[str] = []
    done = threading.Event()

    def handler(push: qot_update_ticker.S2C) -> None:
        started.set()
        go_on.wait(WAIT)
        seen.append(push.security.code)
        if push.security.code == "9":
            done.set()

    with sync.connect(opend.url, push_queue=2) as client:
        client.on(qot_update_ticker.Response, handler)
        through = client.pushes(3011, maxsize=100)
        later = client.pushes(3007)
        connection = opend.next_connection()
        connection.push(3011, ticker("0"))
        assert started.wait(WAIT)
        for number in range(1, 10):
            connection.push(3011, ticker(str(number)))
        for _ in range(10):
            next(through)
        # The callbacks get theirs at the end of a read: that of the ten is over when one more came.
        connection.push(3007, bar("0", qot_common.KLType.DAY, ""))
        next(later)
        go_on.set()
        assert done.wait(WAIT)
    assert seen == ["0", "8", "9"]
    assert "too slow" in caplog.text


def test_no_event_loop_and_only_daemon_threads(opend: FakeOpenD) -> None:
    before = set(threading.enumerate())
    with sync.connect(opend.url) as client:
        client.on_state(print)
        made = set(threading.enumerate()) - before
        names = {thread.name for thread in made if thread.name.startswith("futukit")}
        assert names == {"futukit-reader", "futukit-callbacks"}
        assert all(thread.daemon for thread in made)
    assert not [t for t in threading.enumerate() if t.name.startswith("futukit")]


def test_asyncio_is_not_even_imported(opend: FakeOpenD) -> None:
    code = (
        "import sys; from futukit import sync\n"
        "with sync.connect(sys.argv[1]) as client: print(client.state.value)\n"
        "sys.exit('asyncio' in sys.modules or 'ssl' in sys.modules)"
    )
    process = child(code, opend.url)
    assert process.communicate(timeout=WAIT) == ("ready\n", "")
    assert process.returncode == 0


def test_a_client_does_not_keep_its_process_alive(opend: FakeOpenD) -> None:
    code = (
        "import sys; from futukit import sync\n"
        "client = sync.connect(sys.argv[1]); client.on(1003, print); client.on_state(print)\n"
        "print('end')"
    )
    process = child(code, opend.url)
    assert process.communicate(timeout=WAIT) == ("end\n", "")
    assert process.returncode == 0


WAITING_CALL = """
import sys
from futukit import sync
from futukit.errors import UsageError
from tests.contract.clients.test_calls import order
client = sync.connect(sys.argv[1], request_timeout=60)
try:
    client.call(2202, order())
except KeyboardInterrupt as error:
    [doubt] = client.requests_in_doubt
    print(error.requests_in_doubt == (doubt.serial,), doubt.proto_id)
client.close()
"""


def test_ctrl_c_interrupts_a_waiting_call_at_once(opend: FakeOpenD) -> None:
    opend.answers[PLACE_ORDER] = stay_silent
    process = child(WAITING_CALL, opend.url)
    opend.next_request()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=WAIT) == ("True 2202\n", "")
    assert process.returncode == 0


WAITING_PUSHES = """
import sys
from futukit import sync
from futukit.errors import UsageError
with sync.connect(sys.argv[1]) as client:
    try:
        client.quote.unsubscribe_all()
        for push in client.pushes(1003):
            pass
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_interrupts_an_iteration_at_once(opend: FakeOpenD) -> None:
    process = child(WAITING_PUSHES, opend.url)
    connection, _ = opend.next_request()
    assert connection.session.hello is not None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=WAIT) == ("interrupted\n", "")


FORK = """
import os, sys, warnings
# Python 3.12 warns of what this test is about.
warnings.simplefilter("ignore", DeprecationWarning)
from futukit import sync
from futukit.errors import UsageError
from futukit.errors import ForkedProcessError
client = sync.connect(sys.argv[1])
pushes = client.pushes(1003)
child = os.fork()
if child == 0:
    failed = []
    for use in (
        lambda: client.quote.unsubscribe_all(),
        lambda: client.pushes(1003),
        lambda: next(pushes),
        lambda: client.on(1003, print),
        lambda: client.on_state(print),
    ):
        try:
            use()
        except ForkedProcessError:
            failed.append(True)
    client.close()
    os._exit(len(failed))
_, status = os.waitpid(child, 0)
client.quote.unsubscribe_all()
print(os.waitstatus_to_exitcode(status), client.state.value)
client.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_is_told_and_the_parent_is_not_disturbed(opend: FakeOpenD) -> None:
    process = child(FORK, opend.url)
    assert process.communicate(timeout=WAIT) == ("5 ready\n", "")
