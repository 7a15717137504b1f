# A message whose long list of rows is read as columns, without an object for each row.
#
# Only what senders really write is read here: each field of a row once, with its own wire type.
# Everything else gives None, and the caller decodes the ordinary way, which knows all the rules
# and has the right error for what breaks them.

cdef enum:
    TABLE_COLUMNS = 32


cdef struct Table:
    Layout* layout                        # of a row
    uint64_t required                     # bits of the fields that every row must have
    int16_t column[FIELD_BITS]            # of each field of a row; -1 for one that is not wanted
    uint8_t incomplete[TABLE_COLUMNS]     # columns that some row lacks
    double* reals[TABLE_COLUMNS]
    uint8_t* flags[TABLE_COLUMNS]
    PyObject* texts[TABLE_COLUMNS]


def decode_table(Plan plan not None, bytes data not None, tuple path not None, tuple attributes):
    """Decode a message, but one list of rows in it as columns.

    ``path`` names a sub-message and a repeated sub-message in that; ``attributes`` are fields of
    the rows: doubles, strings and bools. Returns the message, with that list left empty, the
    columns, and a ``bytearray`` of native doubles. A column is a list of texts, a byte for each
    bool in a ``bytearray``, or the number of a row of those doubles, one column after the other;
    None for one that some row lacks. Returns None instead for bytes that have to be decoded in
    the ordinary way. Raises ``UsageError`` for names that are not such fields.
    """
    cdef Table table
    cdef Field* outer
    cdef Field* inner
    cdef Py_ssize_t count = 0
    plan.prepare()
    if len(path) != 2 or len(attributes) > TABLE_COLUMNS:
        raise UsageError("a table is a list of rows in a sub-message, with few columns")
    outer = named_field(&plan.layout, path[0], plan)
    if outer.kind != KIND_MESSAGE or outer.repeated:
        raise UsageError(f"{path[0]!r} is no sub-message of a {plan.full_name}")
    inner = named_field(outer.child, path[1], plan)
    if inner.kind != KIND_MESSAGE or not inner.repeated:
        raise UsageError(f"{path[1]!r} is no list of rows in a {plan.full_name}")
    if not start_table(&table, inner.child, attributes, plan):
        return None
    rest = bytearray()
    rows = split_rows(data, outer, inner, rest, &count)
    if rows is None:
        return None
    if count * inner.child.cost > _max_cells:
        return None
    reals = bytearray()
    columns = new_columns(&table, attributes, count, reals, plan)
    if not fill_columns(&table, <Span*>PyByteArray_AS_STRING(rows), count):
        return None
    for position in range(len(attributes)):
        if table.incomplete[position]:
            columns[position] = None
    return decode_data(plan, bytes(rest), False), columns, reals


cdef struct Span:
    const uint8_t* at
    const uint8_t* end


cdef Field* named_field(Layout* layout, attribute, Plan plan) except NULL:
    cdef int position
    for position in range(layout.count):
        if <object>layout.fields[position].attribute == attribute:
            return &layout.fields[position]
    raise UsageError(f"{attribute!r} is no field in a {plan.full_name}")


cdef bint start_table(Table* table, Layout* layout, tuple attributes, Plan plan) except -1:
    """Find the columns; False for a row with more fields than there are bits."""
    cdef int position
    cdef Field* field
    if layout.count > FIELD_BITS:
        return False
    table.layout = layout
    table.required = 0
    for position in range(layout.count):
        table.column[position] = -1
        if layout.fields[position].required:
            table.required |= layout.fields[position].bit
    for position, attribute in enumerate(attributes):
        field = named_field(layout, attribute, plan)
        if field.repeated or field.kind not in (KIND_DOUBLE, KIND_STRING, KIND_BOOL):
            raise UsageError(f"{attribute!r} is neither double, string nor bool")
        table.column[field - layout.fields] = position
        table.incomplete[position] = 0
    return True


cdef list new_columns(
    Table* table, tuple attributes, Py_ssize_t count, bytearray reals, Plan plan
):
    """Room for each column; the doubles' in ``reals``, in the order of the attributes."""
    cdef int place
    cdef int number = 0
    cdef Py_ssize_t row
    cdef Field* field
    columns = []
    for attribute in attributes:
        field = named_field(table.layout, attribute, plan)
        place = len(columns)
        if field.kind == KIND_STRING:
            column = PyList_New(count)
            table.texts[place] = <PyObject*>column
        elif field.kind == KIND_BOOL:
            column = PyByteArray_FromStringAndSize(NULL, count)
            table.flags[place] = <uint8_t*>PyByteArray_AS_STRING(column)
        else:
            column = number
            number += 1
        columns.append(column)
    PyByteArray_Resize(reals, number * count * <Py_ssize_t>sizeof(double))
    for place in range(<int>len(columns)):
        if type(columns[place]) is int:
            row = columns[place]
            table.reals[place] = <double*>PyByteArray_AS_STRING(reals) + row * count
    return columns


cdef bytearray split_rows(
    bytes data, Field* outer, Field* inner, bytearray rest, Py_ssize_t* count
):
    """The rows' places in ``data`` as Spans; what is left of it goes to ``rest``.

    None where the sub-message comes twice or the bytes are no message.
    """
    cdef const uint8_t* at = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef const uint8_t* end = at + PyBytes_GET_SIZE(<PyObject*>data)
    cdef const uint8_t* start
    cdef Py_ssize_t size
    cdef uint32_t tag
    rows = None
    while at < end:
        start = at
        at = read_tag(at, end, &tag)
        if at == NULL or tag >> 3 == 0:
            return None
        if tag != (outer.number << 3 | WIRE_LENGTH):
            at = skip_value(at, end, tag, MAX_DEPTH)
            if at == NULL:
                return None
            rest += (<const char*>start)[:at - start]
            continue
        at = read_size(at, end, &size)
        if at == NULL or rows is not None:
            return None
        within = bytearray()
        rows = spans_in(at, at + size, inner, within, count)
        if rows is None:
            return None
        rest += (<const char*>start)[: outer.tag_size]
        append_size(rest, len(within))
        rest += within
        at += size
    return rows


cdef bytearray spans_in(
    const uint8_t* at, const uint8_t* end, Field* inner, bytearray within, Py_ssize_t* count
):
    """The same for the sub-message."""
    cdef const uint8_t* start
    cdef Py_ssize_t size
    cdef Py_ssize_t room = 64
    cdef uint32_t tag
    cdef Span* span
    cdef bytearray rows = PyByteArray_FromStringAndSize(NULL, room * <Py_ssize_t>sizeof(Span))
    count[0] = 0
    while at < end:
        start = at
        at = read_tag(at, end, &tag)
        if at == NULL or tag >> 3 == 0:
            return None
        if tag == (inner.number << 3 | WIRE_LENGTH):
            at = read_size(at, end, &size)
            if at == NULL:
                return None
            if count[0] == room:
                room *= 2
                PyByteArray_Resize(rows, room * <Py_ssize_t>sizeof(Span))
            span = <Span*>PyByteArray_AS_STRING(rows) + count[0]
            span.at = at
            at += size
            span.end = at
            count[0] += 1
            continue
        at = skip_value(at, end, tag, MAX_DEPTH)
        if at == NULL:
            return None
        within += (<const char*>start)[:at - start]
    return rows


cdef int append_size(bytearray rest, Py_ssize_t size) except -1:
    while size >= 0x80:
        rest.append(size & 0x7F | 0x80)
        size >>= 7
    rest.append(size)
    return 0


cdef bint fill_columns(Table* table, Span* rows, Py_ssize_t count) except -1:
    """Read every row; False at the first that is not as senders write it."""
    cdef Py_ssize_t row
    cdef uint64_t seen
    cdef uint64_t wanted
    for row in range(count):
        seen = 0
        if not fill_row(table, rows[row].at, rows[row].end, row, &seen):
            return False
        if seen & table.required != table.required:
            return False
        wanted = table.layout.bits & ~seen
        while wanted:
            note_absent(table, fk_lowest_bit(wanted))
            wanted &= wanted - 1
    return True


cdef inline void note_absent(Table* table, int field) noexcept:
    if table.column[field] >= 0:
        table.incomplete[table.column[field]] = 1


cdef bint fill_row(
    Table* table, const uint8_t* at, const uint8_t* end, Py_ssize_t row, uint64_t* seen
) except -1:
    cdef Field* field
    cdef Field* guess = table.layout.fields
    cdef uint16_t head
    cdef uint32_t tag
    while at < end:
        head = at[0]
        if end - at > 1:
            memcpy(&head, at, 2)
        if head & guess.head_mask == guess.head:
            field = guess
            at += field.tag_size
        else:
            at = read_tag(at, end, &tag)
            if at == NULL or tag >> 3 == 0:
                return False
            field = field_of(table.layout, tag >> 3)
            if field == NULL:
                at = skip_value(at, end, tag, MAX_DEPTH)
                if at == NULL:
                    return False
                continue
            if tag & 7 != field.wire:
                return False
        guess = field + 1
        if seen[0] & field.bit or field.repeated:
            return False
        seen[0] |= field.bit
        at = fill_cell(table, field, at, end, row)
        if at == NULL:
            return False
    return True


cdef const uint8_t* fill_cell(
    Table* table, Field* field, const uint8_t* at, const uint8_t* end, Py_ssize_t row
) except? NULL:
    """Read one value; the position after it, or NULL where this is no place for it."""
    cdef int column = table.column[field - table.layout.fields]
    cdef Py_ssize_t size
    cdef uint64_t number
    cdef PyObject* text
    if field.kind == KIND_DOUBLE:
        if end - at < 8:
            return NULL
        if column >= 0:
            memcpy(&table.reals[column][row], at, 8)
        return at + 8
    if field.kind < KIND_DOUBLE:
        at = read_varint(at, end, &number)
        if at != NULL and column >= 0:
            table.flags[column][row] = number != 0
        return at
    if field.kind != KIND_STRING or column < 0:
        return NULL
    at = read_size(at, end, &size)
    if at == NULL:
        return NULL
    text = make_text(at, size, True)
    if text == NULL:
        if PyErr_ExceptionMatches(PyExc_UnicodeError):
            PyErr_Clear()
        return NULL
    PyList_SET_ITEM(table.texts[column], row, text)
    return at + size
