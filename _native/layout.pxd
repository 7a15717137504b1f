"""What a Plan looks like to the decoder and the encoder: flat C records. Header-only.

A ``Plan`` (``wire.pyx``) owns one ``Layout``; the pointers in it are borrowed from objects that
the Plan keeps alive.
"""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    # In this order: varints, reals (from KIND_DOUBLE), length-delimited (from KIND_STRING).
    KIND_INT32 = 1
    KIND_INT64
    KIND_UINT32
    KIND_UINT64
    KIND_BOOL
    KIND_ENUM      # a true enum, and an int32 that carries one
    KIND_DOUBLE
    KIND_FLOAT
    KIND_STRING
    KIND_BYTES
    KIND_MESSAGE

    DIRECT_NUMBERS = 1024  # field numbers up to this are looked up in a table
    FIELD_BITS = 64        # the first fields of a message have a bit each


cdef struct EnumTable:
    PyObject* cls
    PyObject** members     # of low, low + 1, ...; NULL where no member has the number
    int32_t low
    uint32_t count


cdef struct Field:
    Py_ssize_t offset      # of the slot within the row
    Layout* child          # of a sub-message
    EnumTable* enums
    PyObject* absent       # what an absent field reads; NULL when it is required
    PyObject* fallback     # what a required field reads if it may be absent when not strict
    PyObject* attribute
    PyObject* name         # the proto field name
    uint64_t bit           # 1 << position; 0 from FIELD_BITS on
    uint32_t number
    uint16_t head          # the first two bytes of a tag of that size or less, little-endian,
    uint16_t head_mask     # and which of them count; a head that no bytes have for a longer tag
    int16_t misses         # the score of real.pxd
    int16_t rest
    uint8_t kind
    uint8_t repeated
    uint8_t required
    uint8_t wire           # wire type of one value
    uint8_t packable       # whether a packed run is read too
    uint8_t tag_size
    uint8_t tag[5]


cdef struct Layout:
    Field* fields          # ascending numbers, and one more whose head_mask is 0
    int count
    uint64_t bits          # of all fields
    int cost               # of one row, in cells
    bint direct            # rows are Structs from the start, filled through slot offsets
    PyTypeObject* cls
    PyObject* blank        # a row with all slots empty, to be copied; NULL when not allowed
    PyObject* names        # all attributes, as the keyword names of a call
    PyObject* full_name
    uint16_t* by_number    # position in fields + 1, 0 for an unknown number
    uint32_t numbers       # length of by_number


cdef inline Field* field_of(Layout* layout, uint32_t number) noexcept:
    """The field with this number, or NULL."""
    cdef int low, high, middle
    if number < layout.numbers:
        low = layout.by_number[number]
        if low == 0:
            return NULL
        return &layout.fields[low - 1]
    low, high = 0, layout.count
    while low < high:
        middle = (low + high) >> 1
        if layout.fields[middle].number < number:
            low = middle + 1
        else:
            high = middle
    if low < layout.count and layout.fields[low].number == number:
        return &layout.fields[low]
    return NULL


cdef inline PyObject** cell_of(PyObject* row, Field* field) noexcept:
    """The slot of ``field`` in ``row``."""
    return <PyObject**>(<char*>row + field.offset)
