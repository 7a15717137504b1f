"""Rows → protobuf bytes, driven by the Layout. Header-only.

The output is written backwards: values before their lengths, lengths before their tags, the
last field first. So every length is known when it is written, and nothing is measured twice.

As in the decoder, a failure is kept in the state (``reason``, a new string) or as a Python
error, and the trail notes the fields while the calls unwind.

Values are held while they are written: a number that is not an ``int`` or ``float`` is asked
for ``__index__`` or ``__float__``, which is other people's code and may do anything, encoding
included.
"""

from cpython.object cimport PyObject
from libc.stdint cimport INT32_MAX, INT32_MIN, UINT32_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from capi cimport (
    FK_TUPLE_ITEMS,
    Py_DECREF,
    Py_False,
    Py_INCREF,
    Py_None,
    Py_True,
    PyBytes_AS_STRING,
    PyBytes_Check,
    PyBytes_GET_SIZE,
    PyErr_Clear,
    PyErr_ExceptionMatches,
    PyErr_Occurred,
    PyExc_OverflowError,
    PyExc_TypeError,
    PyExc_UnicodeError,
    PyFloat_AS_DOUBLE,
    PyFloat_AsDouble,
    PyFloat_CheckExact,
    PyIndex_Check,
    PyList_AsTuple,
    PyList_Check,
    PyLong_AsLongLongAndOverflow,
    PyLong_AsUnsignedLongLong,
    PyLong_Check,
    PyLong_CheckExact,
    PyNumber_Index,
    PyObject_GetAttr,
    PyObject_TypeCheck,
    PyTuple_Check,
    PyTuple_GET_SIZE,
    PyUnicode_AsUTF8AndSize,
    PyUnicode_Check,
    PyUnicode_FromFormat,
    fk_prefetch,
    fk_prefetch_row,
)
from cursor cimport MAX_DEPTH
from layout cimport (
    KIND_BOOL,
    KIND_BYTES,
    KIND_DOUBLE,
    KIND_FLOAT,
    KIND_INT32,
    KIND_INT64,
    KIND_MESSAGE,
    KIND_STRING,
    KIND_UINT32,
    KIND_UINT64,
    Field,
    Layout,
    cell_of,
)
from output cimport Encoding, fail, fail_type, put_bytes, put_varint, reserve, written
from trail cimport note


cdef inline int put_tag(Encoding* state, Field* field) noexcept:
    cdef uint8_t size = field.tag_size
    if size == 1:
        if reserve(state, 1) < 0:
            return -1
        state.head -= 1
        state.head[0] = field.tag[0]
        return 0
    return put_bytes(state, field.tag, size)


cdef inline int encode_row(Encoding* state, Layout* layout, PyObject* row) noexcept:
    """Write the fields of a row, the last first."""
    cdef Field* field = layout.fields + layout.count
    cdef PyObject* value
    cdef int failed
    cdef double real
    if not PyObject_TypeCheck(row, layout.cls):
        return fail_type(state, layout.cls.tp_name, row)
    if state.depth >= MAX_DEPTH:
        return fail(state, PyUnicode_FromFormat(b"nested too deep"))
    state.depth += 1
    while field > layout.fields:
        field -= 1
        if layout.direct:
            value = cell_of(row, field)[0]
            if value == NULL or value == Py_None:
                if field.required or field.repeated:
                    return fail_absent(state, field)
                continue
            if field.kind == KIND_DOUBLE and PyFloat_CheckExact(value) and field.tag_size == 1:
                if reserve(state, 9) < 0:
                    return note(&state.trail, field, -1)
                real = PyFloat_AS_DOUBLE(value)
                state.head -= 9
                state.head[0] = field.tag[0]
                memcpy(state.head + 1, &real, 8)
                continue
            if (
                (field.kind == KIND_INT64 or field.kind == KIND_INT32)
                and PyLong_CheckExact(value)
                and not field.repeated
            ):
                if encode_int(state, value, field.kind) < 0 or put_tag(state, field) < 0:
                    return note(&state.trail, field, -1)
                continue
            if field.repeated and PyTuple_Check(value) and PyTuple_GET_SIZE(value) == 0:
                continue
            Py_INCREF(value)
        else:
            value = PyObject_GetAttr(row, <PyObject*>field.attribute)
            if value == NULL:
                return -1
            if value == Py_None:
                Py_DECREF(value)
                if field.required or field.repeated:
                    return fail_absent(state, field)
                continue
        if field.repeated:
            failed = encode_repeated(state, field, value)
        else:
            failed = encode_value(state, field, value)
            if failed < 0:
                note(&state.trail, field, -1)
        Py_DECREF(value)
        if failed < 0:
            return -1
    state.depth -= 1
    return 0


cdef inline int fail_absent(Encoding* state, Field* field) noexcept:
    fail(
        state,
        PyUnicode_FromFormat(
            b"expected a tuple, not None" if field.repeated else b"required field is missing"
        ),
    )
    return note(&state.trail, field, -1)


cdef inline int encode_repeated(Encoding* state, Field* field, PyObject* values) noexcept:
    cdef Py_ssize_t index
    cdef int failed
    cdef PyObject* value
    if PyList_Check(values):
        # A copy, because a list may change under our hands.
        values = PyList_AsTuple(values)
        if values == NULL:
            return -1
        failed = encode_repeated(state, field, values)
        Py_DECREF(values)
        return failed
    if not PyTuple_Check(values):
        fail_type(state, b"a tuple", values)
        return note(&state.trail, field, -1)
    # The tuple is held by the caller, and holds its items.
    index = PyTuple_GET_SIZE(values)
    while index > 0:
        index -= 1
        value = FK_TUPLE_ITEMS(values)[index]
        if field.kind == KIND_MESSAGE and field.child.direct and index >= 2:
            fk_prefetch(FK_TUPLE_ITEMS(values)[index - 2])
            if PyObject_TypeCheck(FK_TUPLE_ITEMS(values)[index - 1], field.child.cls):
                fk_prefetch_row(FK_TUPLE_ITEMS(values)[index - 1])
        if encode_value(state, field, value) < 0:
            return note(&state.trail, field, index)
    return 0


cdef inline int encode_value(Encoding* state, Field* field, PyObject* value) noexcept:
    """Write one value and its tag."""
    cdef uint8_t kind = field.kind
    cdef Py_ssize_t size
    cdef const char* text
    cdef int failed
    if kind == KIND_STRING:
        failed = encode_text(state, value)
    elif kind == KIND_DOUBLE or kind == KIND_FLOAT:
        failed = encode_real(state, value, kind)
    elif kind == KIND_MESSAGE:
        size = written(state)
        failed = encode_row(state, field.child, value)
        if failed >= 0:
            failed = put_varint(state, written(state) - size)
    elif kind == KIND_BYTES:
        failed = encode_bytes(state, value)
    elif kind == KIND_BOOL:
        failed = encode_bool(state, value)
    elif PyLong_Check(value):
        failed = encode_int(state, value, kind)
    else:
        failed = encode_index(state, value, kind)
    if failed < 0:
        return -1
    return put_tag(state, field)


cdef inline int encode_text(Encoding* state, PyObject* value) noexcept:
    cdef Py_ssize_t size
    cdef const char* text
    if not PyUnicode_Check(value):
        return fail_type(state, b"str", value)
    text = PyUnicode_AsUTF8AndSize(value, &size)
    if text == NULL:
        if not PyErr_ExceptionMatches(PyExc_UnicodeError):
            return -1
        PyErr_Clear()
        return fail(state, PyUnicode_FromFormat(b"not a text that UTF-8 can express"))
    if put_bytes(state, text, size) < 0:
        return -1
    return put_varint(state, size)


cdef inline int encode_bytes(Encoding* state, PyObject* value) noexcept:
    if not PyBytes_Check(value):
        return fail_type(state, b"bytes", value)
    if put_bytes(state, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)) < 0:
        return -1
    return put_varint(state, PyBytes_GET_SIZE(value))


cdef inline int encode_bool(Encoding* state, PyObject* value) noexcept:
    if value != Py_True and value != Py_False:
        return fail_type(state, b"bool", value)
    return put_varint(state, value == Py_True)


cdef inline int encode_real(Encoding* state, PyObject* value, uint8_t kind) noexcept:
    cdef double real
    cdef float short_real
    if PyFloat_CheckExact(value):
        real = PyFloat_AS_DOUBLE(value)
    else:
        Py_INCREF(value)
        real = PyFloat_AsDouble(value)
        if real == -1.0 and PyErr_Occurred() != NULL:
            fail_real(state, value)
            Py_DECREF(value)
            return -1
        Py_DECREF(value)
    if kind == KIND_DOUBLE:
        return put_bytes(state, &real, 8)
    short_real = <float>real
    return put_bytes(state, &short_real, 4)


cdef inline int fail_real(Encoding* state, PyObject* value) noexcept:
    if PyErr_ExceptionMatches(PyExc_TypeError):
        PyErr_Clear()
        return fail_type(state, b"float", value)
    if PyErr_ExceptionMatches(PyExc_OverflowError):
        PyErr_Clear()
        return fail(state, PyUnicode_FromFormat(b"out of range"))
    return -1


cdef inline int encode_index(Encoding* state, PyObject* value, uint8_t kind) noexcept:
    """An integer of another type, such as numpy's."""
    cdef PyObject* number
    cdef int failed
    if not PyIndex_Check(value):
        return fail_type(state, b"int", value)
    Py_INCREF(value)
    number = PyNumber_Index(value)
    Py_DECREF(value)
    if number == NULL:
        return -1
    failed = encode_int(state, number, kind)
    Py_DECREF(number)
    return failed


cdef inline int encode_int(Encoding* state, PyObject* value, uint8_t kind) noexcept:
    cdef int overflow = 0
    cdef int64_t number
    cdef uint64_t large
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if kind == KIND_UINT64 and overflow > 0:
        large = PyLong_AsUnsignedLongLong(value)
        if large == <uint64_t>-1 and PyErr_Occurred() != NULL:
            PyErr_Clear()
            return fail_range(state, kind)
        return put_varint(state, large)
    if overflow or not in_range(number, kind):
        return fail_range(state, kind)
    return put_varint(state, <uint64_t>number)


cdef inline bint in_range(int64_t number, uint8_t kind) noexcept:
    if kind == KIND_INT64:
        return True
    if kind == KIND_UINT64:
        return number >= 0
    if kind == KIND_UINT32:
        return 0 <= number <= <int64_t>UINT32_MAX
    return INT32_MIN <= number <= INT32_MAX


cdef inline int fail_range(Encoding* state, uint8_t kind) noexcept:
    if kind == KIND_UINT64:
        return fail(state, PyUnicode_FromFormat(b"out of range for uint64"))
    if kind == KIND_INT64:
        return fail(state, PyUnicode_FromFormat(b"out of range for int64"))
    if kind == KIND_UINT32:
        return fail(state, PyUnicode_FromFormat(b"out of range for uint32"))
    return fail(state, PyUnicode_FromFormat(b"out of range for int32"))
