"""What the decoder knows while it runs, and the values without parts. Header-only.

A failure sets ``reason``, or leaves a Python error set, and is a NULL.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from capi cimport (
    Py_DECREF,
    Py_False,
    Py_INCREF,
    Py_True,
    PyErr_Clear,
    PyErr_ExceptionMatches,
    PyExc_UnicodeError,
    PyExc_ValueError,
    PyLong_FromLong,
    PyLong_FromLongLong,
    PyLong_FromUnsignedLong,
    PyLong_FromUnsignedLongLong,
    PyObject_CallOneArg,
    PyObject_GC_UnTrack,
    PyTuple_New,
    fk_alloc,
    fk_copy,
)
from layout cimport (
    KIND_BOOL,
    KIND_DOUBLE,
    KIND_ENUM,
    KIND_FLOAT,
    KIND_INT32,
    KIND_INT64,
    KIND_UINT64,
    EnumTable,
    Field,
    Layout,
)
from real cimport Reals, make_real, start_reals
from text cimport make_text
from trail cimport Trail


cdef struct Decoding:
    const uint8_t* at      # where the last read ended
    const char* reason     # of a failure; NULL while all is well or a Python error is set
    int depth              # messages that are open
    bint unsettled         # the final walk is needed
    bint strict            # an unknown field and an absent required one are failures
    int64_t unknown        # the number of the unknown field that was the failure; -1 for none
    int64_t cells          # what may still be allocated
    Reals reals
    Trail trail


cdef inline void start_decoding(Decoding* state, int64_t cells, bint strict) noexcept:
    state.reason = NULL
    state.depth = 0
    state.unsettled = False
    state.strict = strict
    state.unknown = -1
    state.cells = cells
    state.trail.count = 0
    start_reals(&state.reals)


cdef inline PyObject* refuse(Decoding* state, const char* reason) noexcept:
    state.reason = reason
    return NULL


cdef inline PyObject* new_row(Decoding* state, Layout* layout) noexcept:
    """A row with all cells NULL."""
    cdef PyObject* row
    state.cells -= layout.cost
    if state.cells < 0:
        return refuse(state, b"too many values")
    if layout.blank != NULL:
        return fk_copy(layout.cls, layout.blank)
    if layout.direct:
        return fk_alloc(layout.cls)
    state.unsettled = True
    return new_tuple(layout.count)


cdef inline PyObject* new_tuple(Py_ssize_t size) noexcept:
    """A tuple with all items NULL, kept from the garbage collector: it can be in no cycle."""
    cdef PyObject* items = PyTuple_New(size)
    if items != NULL and size > 0:
        PyObject_GC_UnTrack(items)
    return items


cdef inline PyObject* real_value(
    Decoding* state, Field* field, const uint8_t* at, const uint8_t* end
) noexcept:
    cdef double real
    cdef float short_real
    if field.kind == KIND_DOUBLE and end - at >= 8:
        memcpy(&real, at, 8)
        state.at = at + 8
        return make_real(&state.reals, field, real)
    if field.kind == KIND_FLOAT and end - at >= 4:
        memcpy(&short_real, at, 4)
        state.at = at + 4
        return make_real(&state.reals, field, short_real)
    return refuse(state, b"truncated")


cdef inline PyObject* text_value(Decoding* state, const uint8_t* at, Py_ssize_t size) noexcept:
    cdef PyObject* text = make_text(at, size, state.reals.sharing)
    if text == NULL and PyErr_ExceptionMatches(PyExc_UnicodeError):
        PyErr_Clear()
        state.reason = b"not UTF-8"
    return text


cdef inline PyObject* number_value(Decoding* state, Field* field, uint64_t number) noexcept:
    """The Python number of a varint, cut to the width of the field's kind as upb does."""
    cdef PyObject* value
    cdef uint8_t kind = field.kind
    if kind == KIND_ENUM:
        return member_value(state, field.enums, <int32_t>number)
    if kind == KIND_INT64:
        return PyLong_FromLongLong(<int64_t>number)
    if kind == KIND_INT32:
        return PyLong_FromLong(<int32_t>number)
    if kind == KIND_BOOL:
        value = Py_True if number else Py_False
        Py_INCREF(value)
        return value
    if kind == KIND_UINT64:
        return PyLong_FromUnsignedLongLong(number)
    return PyLong_FromUnsignedLong(<uint32_t>number)


cdef inline PyObject* member_value(Decoding* state, EnumTable* enums, int32_t number) noexcept:
    cdef uint32_t place = <uint32_t>number - <uint32_t>enums.low
    cdef PyObject* member
    if place < enums.count:
        member = enums.members[place]
        if member != NULL:
            Py_INCREF(member)
            return member
    return unlisted_member(state, enums, number)


cdef inline PyObject* unlisted_member(Decoding* state, EnumTable* enums, int32_t number) noexcept:
    """Ask the enum class for a number that its table lacks; open enums make a member of it."""
    cdef PyObject* member
    cdef PyObject* value = PyLong_FromLong(number)
    if value == NULL:
        return NULL
    member = PyObject_CallOneArg(enums.cls, value)
    Py_DECREF(value)
    if member == NULL and PyErr_ExceptionMatches(PyExc_ValueError):
        PyErr_Clear()
        state.reason = b"not a value of the enum"
    return member
