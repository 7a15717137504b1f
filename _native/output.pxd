"""The encoder's output: memory that is written backwards and grows. Header-only."""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from capi cimport Py_XDECREF, PyErr_NoMemory, PyUnicode_FromFormat, fk_type_name
from header cimport HEADER_SIZE
from trail cimport Trail

cdef extern from *:
    """
    static CYTHON_INLINE int fk_varint_size(uint64_t value) {
    #if defined(__GNUC__)
        return (70 - __builtin_clzll(value | 1)) / 7;
    #else
        int size = 1;
        while (value >>= 7) size++;
        return size;
    #endif
    }

    static uint8_t *fk_output = NULL;
    static Py_ssize_t fk_output_size = 0;

    static CYTHON_INLINE void fk_set_output(uint8_t *base, Py_ssize_t size) {
        fk_output = base;
        fk_output_size = size;
    }
    """
    int fk_varint_size(uint64_t value) noexcept
    uint8_t* fk_output
    Py_ssize_t fk_output_size
    void fk_set_output(uint8_t* base, Py_ssize_t size) noexcept

cdef enum:
    FIRST_OUTPUT = 4096
    KEPT_OUTPUT = 1048576       # a larger output is given back after use
    MAX_BODY = 67108864         # the frame reader's default cap: what it would refuse to read
    VARINT_BYTES = 10


cdef struct Encoding:
    uint8_t* base
    uint8_t* head       # the output so far is head .. base + size
    Py_ssize_t size
    int depth
    PyObject* reason    # of a failure, owned
    Trail trail


cdef inline Py_ssize_t written(Encoding* state) noexcept:
    return state.base + state.size - state.head


cdef inline int fail(Encoding* state, PyObject* reason) noexcept:
    """Fail for a reason whose reference is taken over; NULL means a Python error is set."""
    Py_XDECREF(state.reason)
    state.reason = reason
    return -1


cdef inline int fail_type(Encoding* state, const char* expected, PyObject* value) noexcept:
    # Never the value itself: it may be a password.
    return fail(
        state, PyUnicode_FromFormat(b"expected %s, not %.100s", expected, fk_type_name(value))
    )


cdef inline int reserve(Encoding* state, Py_ssize_t size) noexcept:
    """Have room for ``size`` bytes before the head."""
    if state.head - state.base >= size:
        return 0
    return grow(state, size)


cdef inline int grow(Encoding* state, Py_ssize_t size) noexcept:
    cdef Py_ssize_t used = written(state)
    cdef Py_ssize_t larger = state.size
    cdef uint8_t* base
    if size > MAX_BODY + HEADER_SIZE - used:
        return fail(state, PyUnicode_FromFormat(b"a body may have %d bytes at most", MAX_BODY))
    while larger - used < size:
        larger *= 2
    base = <uint8_t*>malloc(larger)
    if base == NULL:
        PyErr_NoMemory()
        return -1
    memcpy(base + larger - used, state.head, used)
    free(state.base)
    state.base = base
    state.size = larger
    state.head = base + larger - used
    return 0


cdef inline int put_varint(Encoding* state, uint64_t value) noexcept:
    if reserve(state, VARINT_BYTES) < 0:
        return -1
    if value < 0x80:
        state.head -= 1
        state.head[0] = <uint8_t>value
        return 0
    put_long_varint(state, value)
    return 0


cdef inline void put_long_varint(Encoding* state, uint64_t value) noexcept:
    cdef int size = fk_varint_size(value)
    cdef uint8_t* at
    state.head -= size
    at = state.head
    while value >= 0x80:
        at[0] = <uint8_t>(value | 0x80)
        value >>= 7
        at += 1
    at[0] = <uint8_t>value


cdef inline int put_bytes(Encoding* state, const void* data, Py_ssize_t size) noexcept:
    if reserve(state, size) < 0:
        return -1
    state.head -= size
    memcpy(state.head, data, size)
    return 0


cdef inline int begin(Encoding* state) noexcept:
    """Start with the memory that the last encoder left, if there is one."""
    # It is taken away, so that an encoder that starts meanwhile (other people's __index__, a
    # finaliser) finds none and gets its own.
    state.base = fk_output
    state.size = fk_output_size
    fk_set_output(NULL, 0)
    if state.base == NULL:
        state.base = <uint8_t*>malloc(FIRST_OUTPUT)
        state.size = FIRST_OUTPUT
        if state.base == NULL:
            PyErr_NoMemory()
            return -1
    state.head = state.base + state.size
    state.depth = 0
    state.reason = NULL
    state.trail.count = 0
    return 0


cdef inline void end(Encoding* state) noexcept:
    """Leave the memory for the next encoder."""
    Py_XDECREF(state.reason)
    if fk_output == NULL and state.size <= KEPT_OUTPUT:
        fk_set_output(state.base, state.size)
    else:
        free(state.base)
