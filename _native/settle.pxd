"""The decoder's final walk over a message that could not be settled while it was read.

Header-only. Turns lists into tuples, rows of cells into Structs, and finds the first required
field that is missing.
"""

from cpython.object cimport PyObject

from capi cimport (
    FK_TUPLE_ITEMS,
    Py_DECREF,
    Py_None,
    PyList_AsTuple,
    PyList_CheckExact,
    PyObject_Vectorcall,
    PyTuple_GET_SIZE,
)
from layout cimport KIND_MESSAGE, Field, Layout, cell_of
from trail cimport note
from values cimport Decoding


cdef inline int settle(Decoding* state, Layout* layout, PyObject** place) noexcept:
    """The final walk over a tree of rows; may replace the row at ``place`` by its Struct."""
    cdef PyObject* row = place[0]
    cdef PyObject** cell
    cdef PyObject* items
    cdef int position
    cdef Py_ssize_t index
    cdef Field* field
    for position in range(layout.count):
        field = &layout.fields[position]
        cell = cell_of(row, field)
        if cell[0] == NULL:
            state.reason = b"required field is missing"
            return note(&state.trail, field, -1)
        if field.repeated:
            if PyList_CheckExact(cell[0]):
                items = PyList_AsTuple(cell[0])
                if items == NULL:
                    return -1
                Py_DECREF(cell[0])
                cell[0] = items
            if field.kind == KIND_MESSAGE:
                for index in range(PyTuple_GET_SIZE(cell[0])):
                    if settle(state, field.child, FK_TUPLE_ITEMS(cell[0]) + index) < 0:
                        return note(&state.trail, field, index)
        elif field.kind == KIND_MESSAGE and cell[0] != Py_None:
            if settle(state, field.child, cell) < 0:
                return note(&state.trail, field, -1)
    if layout.direct:
        return 0
    place[0] = PyObject_Vectorcall(
        <PyObject*>layout.cls, FK_TUPLE_ITEMS(row), 0, layout.names
    )
    if place[0] == NULL:
        place[0] = row
        return -1
    Py_DECREF(row)
    return 0
