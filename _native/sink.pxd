"""How a frame reader gives the bytes of a push to a compiled sink.

``frame`` and ``wire`` are modules of their own. ``wire`` hands ``frame`` this function, so that
most pushes are decoded where they were received, without a ``bytes`` object for the body.
"""

from libc.stdint cimport uint8_t

ctypedef int (*TakeBody)(object sink, const uint8_t* data, Py_ssize_t size) except -1

cdef inline const char* take_body_name() noexcept:
    return b"futukit._native.sink.TakeBody"
