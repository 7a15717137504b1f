"""How frames are encrypted and decrypted by a ``Cipher`` without a call through Python.

``cipher`` is a module of its own; ``frame`` and ``wire`` get these functions from it in a
capsule. The first argument is a ``Cipher``, which the caller has made sure of. Longer bodies let
other threads run meanwhile: what is read and written must stay where it is.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t

cdef extern from "Python.h":
    # With bare pointers: bytes that shrink are counted once, or not at all.
    void Py_DECREF(PyObject*) noexcept
    char* PyBytes_AS_STRING(PyObject*) noexcept
    PyObject* PyBytes_FromStringAndSize(const char*, Py_ssize_t) noexcept
    int _PyBytes_Resize(PyObject** text, Py_ssize_t size) noexcept

cdef struct Sealing:
    # The length on the wire of a plain body of ``size`` bytes.
    Py_ssize_t (*sealed_size)(object cipher, Py_ssize_t size) noexcept
    # Encrypts to ``wire``, which has room for as much as sealed_size says.
    int (*seal)(object cipher, const uint8_t* plain, Py_ssize_t size, uint8_t* wire) except -1
    # Decrypts to ``plain``, which has room for ``size`` bytes; gives the length of the plain
    # body, or -1 where the bytes do not decrypt.
    Py_ssize_t (*unseal)(
        object cipher, const uint8_t* wire, Py_ssize_t size, uint8_t* plain
    ) except -2


cdef inline const char* sealing_name() noexcept:
    return b"futukit._native.sealing.Sealing"


cdef inline bytes unsealed(
    const Sealing* calls, object cipher, const uint8_t* wire, Py_ssize_t size
):
    """The plain body as a ``bytes`` of its own, None where the bytes do not decrypt."""
    cdef PyObject* body = PyBytes_FromStringAndSize(NULL, size)
    cdef Py_ssize_t length
    if body == NULL:
        raise MemoryError
    try:
        length = calls.unseal(cipher, wire, size, <uint8_t*>PyBytes_AS_STRING(body))
    except BaseException:
        Py_DECREF(body)
        raise
    if length < 0:
        Py_DECREF(body)
        return None
    # Nobody else has it yet: it may shrink. A failure releases it.
    if _PyBytes_Resize(&body, length) < 0:
        raise MemoryError
    plain = <bytes>body
    Py_DECREF(body)
    return plain
