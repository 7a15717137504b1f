"""What threads wait at: one answer, or the callbacks' turn."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Dispatcher", "Waiter"]

_logger: Final = logging.getLogger("futukit.sync")


class Waiter:
    """One answer for one waiting thread. Ctrl-C interrupts the wait at once."""

    __slots__ = ("_error", "_lock", "_result", "done")

    def __init__(self) -> None:
        self.done = False
        self._lock = threading.Lock()
        self._lock.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def set_result(self, result: Any) -> None:
        """Let the waiter have its answer; the second of two does nothing."""
        if not self.done:
            self.done = True
            self._result = result
            self._lock.release()

    def set_exception(self, error: BaseException) -> None:
        """Let the waiter raise."""
        if not self.done:
            self.done = True
            self._error = error
            self._lock.release()

    @property
    def failed(self) -> bool:
        """Whether ``wait`` raises."""
        return self._error is not None

    def wait(self) -> Any:
        """The answer, when it comes. Raises what was set instead."""
        with self._lock:
            if self._error is not None:
                raise self._error
            return self._result


class Dispatcher:
    """Runs callbacks one after the other in a daemon thread, which starts with the first.

    At most ``maxsize`` pushes wait; the oldest makes room. State changes are never dropped.

    A push takes no lock: a deque's ends are safe between threads. Only an idle thread has to be
    woken, and it says that it is idle before it looks at the queues for the last time.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._urgent: deque[Callable[[], object]] = deque()
        self._pushes: deque[tuple[Callable[[Any], object], Any]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._idle = False
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.dropped = 0

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._changed:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(
                    target=self._run, name="futukit-callbacks", daemon=True
                )
                self._thread.start()

    def pusher(self, handler: Callable[[Any], object]) -> Callable[[Any], None]:
        """The function that queues a push for ``handler``."""
        pushes, append, maxsize = self._pushes, self._pushes.append, self._maxsize

        def push(s2c: Any) -> None:  # the hot path: once per push
            if len(pushes) >= maxsize:
                self._drop()
            append((handler, s2c))
            if self._idle:
                self._idle = False  # one call is enough: the thread may need a while to come
                self._wake()

        return push

    def urgent(self, work: Callable[[], object]) -> None:
        """Queue something that must not be dropped, before all pushes."""
        self._urgent.append(work)
        self._wake()

    def stop(self) -> None:
        """Run what is urgent, forget the pushes, end the thread after the present callback."""
        self._stopped = True
        self._pushes.clear()
        self._wake()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end, at most so many seconds; not from within a callback."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _drop(self) -> None:
        try:
            self._pushes.popleft()
        except IndexError:
            return  # the thread was faster: there is room now
        if not self.dropped:
            _logger.warning("push handlers are too slow: the oldest pushes are dropped")
        self.dropped += 1

    def _run(self) -> None:
        while not self._stopped:
            self._work()
            self._rest()
        self._hurry()

    def _rest(self) -> None:
        with self._changed:
            self._idle = True
            if not (self._urgent or self._pushes or self._stopped):
                self._changed.wait()
            self._idle = False

    def _work(self) -> None:
        urgent, popleft = self._urgent, self._pushes.popleft
        while True:
            if urgent:
                self._hurry()
            try:
                handler, s2c = popleft()
            except IndexError:
                return
            try:
                handler(s2c)
            except Exception:
                _logger.exception("a handler failed")

    def _hurry(self) -> None:
        while self._urgent:
            work = self._urgent.popleft()
            try:
                work()
            except Exception:
                _logger.exception("a handler failed")
