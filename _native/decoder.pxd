"""Protobuf bytes → rows, driven by the Layout. Header-only.

A row is the Struct itself, filled slot by slot before anybody else can see it (or, where slots
cannot be trusted, a tuple of its cells that ``settle`` turns into the Struct).

Nothing is ever raised from within: a failure sets ``reason`` (or leaves a Python error set),
returns NULL or -1, and the trail notes the fields while the calls unwind. Three things cannot
be known before the end, because a later duplicate of a sub-message merges into the earlier one:
which required fields are missing, and how long a repeated field gets that comes in several
runs. They only mark the state ``unsettled``, and one walk at the end settles all of them, so
that hostile bytes cost no more than linear time.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from capi cimport (
    FK_TUPLE_ITEMS,
    Py_DECREF,
    Py_INCREF,
    Py_None,
    PyBytes_FromStringAndSize,
    PyList_Append,
    PyList_CheckExact,
    PySequence_List,
    PyTuple_GET_SIZE,
    fk_lowest_bit,
)
from cursor cimport (
    MAX_DEPTH,
    WIRE_FIXED32,
    WIRE_FIXED64,
    WIRE_LENGTH,
    read_size,
    read_tag,
    read_varint,
    skip_value,
)
from layout cimport (
    FIELD_BITS,
    KIND_DOUBLE,
    KIND_MESSAGE,
    KIND_STRING,
    Field,
    Layout,
    cell_of,
    field_of,
)
from real cimport TABLE_ROWS, make_real, share_reals
from trail cimport note
from values cimport (
    Decoding,
    new_row,
    new_tuple,
    number_value,
    real_value,
    refuse,
    text_value,
)


cdef enum:
    ABSENT_GUESSED = 4     # fields in a row that may be absent before the table is asked


cdef inline PyObject* decode_row(
    Decoding* state, Layout* layout, const uint8_t* at, const uint8_t* end
) noexcept:
    """A new row from the bytes of one message."""
    cdef PyObject* row = new_row(state, layout)
    if row != NULL and merge_row(state, layout, row, at, end) < 0:
        Py_DECREF(row)
        return NULL
    return row


cdef inline int merge_row(
    Decoding* state, Layout* layout, PyObject* row, const uint8_t* at, const uint8_t* end
) noexcept:
    """Read the bytes of one message into a row that is still private."""
    cdef Field* field
    cdef Field* last = layout.fields + layout.count
    cdef uint64_t absent = layout.bits
    if state.depth >= MAX_DEPTH:
        state.reason = b"nested too deep"
        return -1
    state.depth += 1
    if decode_fields(state, layout, row, at, end, &absent) < 0:
        return -1
    state.depth -= 1
    while absent:
        fill_absent(state, row, layout.fields + fk_lowest_bit(absent))
        absent &= absent - 1
    field = layout.fields + FIELD_BITS
    while field < last:
        fill_absent(state, row, field)
        field += 1
    return 0


cdef inline void fill_absent(Decoding* state, PyObject* row, Field* field) noexcept:
    """Give a cell that is still empty what its field reads when it is absent."""
    cdef PyObject** cell = cell_of(row, field)
    if cell[0] == NULL:
        if field.absent != NULL:
            Py_INCREF(field.absent)
            cell[0] = field.absent
        elif field.fallback != NULL and not state.strict:
            Py_INCREF(field.fallback)
            cell[0] = field.fallback
        else:
            state.unsettled = True


cdef inline int decode_fields(
    Decoding* state,
    Layout* layout,
    PyObject* row,
    const uint8_t* at,
    const uint8_t* end,
    uint64_t* absent_bits,
) noexcept:
    """Read fields into the row, and clear the bits of those that were there."""
    # Senders write fields in the order of their numbers. Guessing that the next field in the
    # plan comes next lets the processor run ahead, where a table would make it wait. A few
    # fields may be absent in between.
    cdef Field* field
    cdef Field* guess = layout.fields
    cdef const uint8_t* start
    cdef PyObject* value
    cdef PyObject* old
    cdef PyObject** cell
    cdef double real
    cdef bint packed
    cdef int skipped
    cdef uint16_t head
    cdef uint64_t absent = absent_bits[0]
    while at < end:
        start = at
        packed = False
        head = at[0]
        if end - at > 1:
            memcpy(&head, at, 2)
        skipped = 0
        while head & guess.head_mask != guess.head and skipped < ABSENT_GUESSED:
            skipped += 1
            guess += guess.head_mask != 0
        if head & guess.head_mask == guess.head:
            field = guess
            at += field.tag_size
        else:
            field = find_field(state, layout, at, end, &packed)
            at = state.at
            if field == NULL:
                if at == NULL:
                    return -1
                continue
        guess = field + 1
        cell = cell_of(row, field)
        absent &= ~field.bit
        if field.repeated:
            if decode_repeated(state, field, cell, start, at, end, packed) < 0:
                return -1
            at = state.at
            continue
        if field.kind == KIND_DOUBLE and end - at >= 8:
            memcpy(&real, at, 8)
            value = make_real(&state.reals, field, real)
            at += 8
        elif field.kind < KIND_DOUBLE and at < end and at[0] < 0x80:
            value = number_value(state, field, at[0])
            at += 1
        elif field.kind == KIND_MESSAGE and cell[0] != NULL and cell[0] != Py_None:
            if merge_child(state, field, cell[0], at, end) < 0:
                return note(&state.trail, field, -1)
            at = state.at
            continue
        else:
            value = read_value(state, field, at, end)
            at = state.at
        if value == NULL:
            return note(&state.trail, field, -1)
        old = cell[0]
        cell[0] = value
        if old != NULL:
            # A float of this message may die here, and sharing lends without counting.
            state.reals.sharing = False
            Py_DECREF(old)
    absent_bits[0] = absent
    return 0


cdef inline Field* find_field(
    Decoding* state, Layout* layout, const uint8_t* at, const uint8_t* end, bint* packed
) noexcept:
    """Look up the tag at ``at``; the position after it (after the value of an unknown field).

    NULL for an unknown field, and with the position NULL for a failure.
    """
    cdef uint32_t tag
    cdef Field* field
    at = read_tag(at, end, &tag)
    state.at = at
    # As upb: field number 0 is an error, but not in a message that has no fields at all.
    if at == NULL or (tag < 8 and layout.count > 0):
        state.at = NULL
        state.reason = b"malformed tag"
        return NULL
    field = field_of(layout, tag >> 3)
    if field != NULL:
        if tag & 7 == field.wire:
            return field
        if field.packable and tag & 7 == WIRE_LENGTH:
            packed[0] = True
            return field
    if state.strict:
        state.at = NULL
        state.reason = b"an unknown field"
        state.unknown = tag >> 3
        return NULL
    state.at = skip_value(at, end, tag, MAX_DEPTH + 1 - state.depth)
    if state.at == NULL:
        state.reason = b"malformed unknown field"
    return NULL


cdef inline int merge_child(
    Decoding* state, Field* field, PyObject* row, const uint8_t* at, const uint8_t* end
) noexcept:
    cdef Py_ssize_t size
    at = read_size(at, end, &size)
    if at == NULL:
        state.reason = b"malformed length"
        return -1
    if merge_row(state, field.child, row, at, at + size) < 0:
        return -1
    state.at = at + size
    return 0


cdef inline PyObject* read_value(
    Decoding* state, Field* field, const uint8_t* at, const uint8_t* end
) noexcept:
    """One value of the field, as a new reference; leaves the position after it in the state."""
    cdef uint64_t number
    cdef Py_ssize_t size
    cdef uint8_t kind = field.kind
    cdef PyObject* value
    if kind < KIND_DOUBLE:
        at = read_varint(at, end, &number)
        if at == NULL:
            return refuse(state, b"malformed varint")
        state.at = at
        return number_value(state, field, number)
    if kind < KIND_STRING:
        return real_value(state, field, at, end)
    at = read_size(at, end, &size)
    if at == NULL:
        return refuse(state, b"malformed length")
    if kind == KIND_STRING:
        value = text_value(state, at, size)
    elif kind == KIND_MESSAGE:
        value = decode_row(state, field.child, at, at + size)
    else:
        value = PyBytes_FromStringAndSize(<const char*>at, size)
    state.at = at + size
    return value


cdef inline int decode_repeated(
    Decoding* state,
    Field* field,
    PyObject** cell,
    const uint8_t* start,
    const uint8_t* at,
    const uint8_t* end,
    bint packed,
) noexcept:
    """Read the run of values that begins with the tag at ``start``.

    The first run is counted beforehand and fills a tuple of that size. A later run, or one that
    comes with a merged message, turns the tuple into a list that the final walk turns back.
    """
    cdef PyObject* items = cell[0]
    cdef Py_ssize_t size
    if items != NULL and not PyList_CheckExact(items):
        if PyTuple_GET_SIZE(items) > 0:
            items = PySequence_List(items)
            if items == NULL:
                return -1
            state.unsettled = True
        else:
            items = NULL
        Py_DECREF(cell[0])
        cell[0] = items
    if packed:
        at = read_size(at, end, &size)
        if at == NULL:
            state.reason = b"malformed length"
            return note(&state.trail, field, -1)
        state.at = at + size
        if items != NULL:
            return append_packed(state, field, items, at, at + size)
        return fill_packed(state, field, cell, at, at + size)
    if items != NULL:
        return append_value(state, field, items, at, end)
    return fill_run(state, field, cell, start, at, end)


cdef inline int fill_run(
    Decoding* state,
    Field* field,
    PyObject** cell,
    const uint8_t* start,
    const uint8_t* at,
    const uint8_t* end,
) noexcept:
    cdef Py_ssize_t tag_size = at - start
    cdef Py_ssize_t count = run_length(field, start, at, end)
    cdef Py_ssize_t index
    cdef PyObject* value
    cdef PyObject** items
    state.cells -= count
    if state.cells < 0:
        state.reason = b"too many values"
        return note(&state.trail, field, -1)
    cell[0] = new_tuple(count)
    if cell[0] == NULL:
        return -1
    items = FK_TUPLE_ITEMS(cell[0])
    if count >= TABLE_ROWS and field.kind == KIND_MESSAGE:
        share_reals(&state.reals)
    for index in range(count):
        if index > 0:
            # run_length has seen that the tag fits; the bytes may be another's to change.
            if end - at < tag_size:
                state.reason = b"truncated"
                return note(&state.trail, field, index)
            at += tag_size
        value = read_value(state, field, at, end)
        if value == NULL:
            return note(&state.trail, field, index)
        items[index] = value
        at = state.at
    return 0


cdef inline Py_ssize_t run_length(
    Field* field, const uint8_t* start, const uint8_t* at, const uint8_t* end
) noexcept:
    """How many values follow one another under the tag at ``start``; at least 1.

    Stops at the first malformed one, which the reading will then meet.
    """
    cdef Py_ssize_t tag_size = at - start
    cdef Py_ssize_t count = 0
    cdef uint32_t wire = field.wire
    while True:
        count += 1
        at = skip_value(at, end, wire, 0)
        if at == NULL or end - at < tag_size:
            return count
        if at[0] != start[0] or (tag_size > 1 and memcmp(at, start, tag_size) != 0):
            return count
        at += tag_size


cdef inline int append_value(
    Decoding* state, Field* field, PyObject* items, const uint8_t* at, const uint8_t* end
) noexcept:
    cdef PyObject* value
    cdef int failed
    state.cells -= 1
    if state.cells < 0:
        state.reason = b"too many values"
        return note(&state.trail, field, -1)
    value = read_value(state, field, at, end)
    if value == NULL:
        return note(&state.trail, field, -1)
    failed = PyList_Append(items, value)
    Py_DECREF(value)
    return failed


cdef inline int append_packed(
    Decoding* state, Field* field, PyObject* items, const uint8_t* at, const uint8_t* end
) noexcept:
    while at < end:
        if append_value(state, field, items, at, end) < 0:
            return -1
        at = state.at
    return 0


cdef inline int fill_packed(
    Decoding* state, Field* field, PyObject** cell, const uint8_t* at, const uint8_t* end
) noexcept:
    cdef Py_ssize_t count = packed_length(field, at, end)
    cdef Py_ssize_t index
    cdef PyObject* value
    cdef PyObject** items
    state.cells -= count
    if state.cells < 0:
        state.reason = b"too many values"
        return note(&state.trail, field, -1)
    cell[0] = new_tuple(count)
    if cell[0] == NULL:
        return -1
    items = FK_TUPLE_ITEMS(cell[0])
    for index in range(count):
        value = read_value(state, field, at, end)
        if value == NULL:
            return note(&state.trail, field, index)
        items[index] = value
        at = state.at
    if at != end:
        state.reason = b"malformed packed values"
        return note(&state.trail, field, -1)
    return 0


cdef inline Py_ssize_t packed_length(
    Field* field, const uint8_t* at, const uint8_t* end
) noexcept:
    """How many whole values a packed run holds."""
    cdef Py_ssize_t count = 0
    if field.wire == WIRE_FIXED64:
        return (end - at) >> 3
    if field.wire == WIRE_FIXED32:
        return (end - at) >> 2
    while at < end:
        count += at[0] < 0x80
        at += 1
    return count
