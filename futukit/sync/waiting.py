"""What threads wait at: one answer, or the callbacks' turn."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from futukit.core.pushes import without

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

    The reader thread collects pushes with ``collect``, a plain list's append, and hands over all
    of one read with ``deliver``; each finds its handlers by its class. At most ``maxsize`` pushes
    wait; the oldest make room. State changes are never dropped.

    Nothing here locks per push: a deque's ends are safe between threads. Only an idle thread has
    to be woken, and it says that it is idle before it looks at the queues for the last time.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._handlers: dict[type[Any], tuple[Callable[[Any], object], ...]] = {}
        self._incoming: list[Any] = []
        self.collect = self._incoming.append
        self._urgent: deque[Callable[[], object]] = deque()
        self._pushes: deque[Any] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._idle = False
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.dropped = 0

    def add(self, content: type[Any], handler: Callable[[Any], object]) -> bool:
        """Let ``handler`` have the pushes of a class; gives whether it is their first."""
        known = self._handlers.get(content, ())
        self._handlers[content] = (*known, handler)
        return not known

    def remove(self, content: type[Any], handler: Callable[[Any], object]) -> bool:
        """Take a handler away; gives whether it was the last of this class."""
        left = without(self._handlers.get(content, ()), handler)
        self._handlers[content] = left
        return not left

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._changed:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(
                    target=self._run, name="futukit-callbacks", daemon=True
                )
                self._thread.start()

    def deliver(self) -> None:
        """Hand over what was collected."""
        incoming, pushes = self._incoming, self._pushes
        if not incoming:
            return
        pushes.extend(incoming)
        incoming.clear()
        if len(pushes) > self._maxsize:
            self._drop()
        if self._idle:
            self._wake()

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
        if not self.dropped:
            _logger.warning("push handlers are too slow: the oldest pushes are dropped")
        try:
            while len(self._pushes) > self._maxsize:
                self._pushes.popleft()
                self.dropped += 1
        except IndexError:
            return  # the thread was faster: there is room now

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
        urgent, popleft, handlers = self._urgent, self._pushes.popleft, self._handlers
        while True:
            if urgent:
                self._hurry()
            try:
                push = popleft()
            except IndexError:
                return
            for handler in handlers[type(push)]:
                try:
                    handler(push)
                except (Exception, SystemExit):
                    # A thread that ends by sys.exit() would end without a word.
                    _logger.exception("a push handler failed")

    def _hurry(self) -> None:
        while self._urgent:
            work = self._urgent.popleft()
            try:
                work()
            except (Exception, SystemExit):
                _logger.exception("a handler failed")
