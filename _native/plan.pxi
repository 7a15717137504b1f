# Plans: the tables of one message that decoder and encoder walk. A part of wire.pyx.

@cython.final
cdef class _Members:
    """The members of one enum class as a dense C table."""

    cdef EnumTable table
    cdef object cls
    cdef list members

    def __cinit__(self, cls):
        self.cls = cls
        self.members = list(cls)
        numbers = [int(member) for member in self.members]
        low = min(numbers, default=0)
        span = min(max(numbers, default=-1) - low + 1, ENUM_SPAN)
        self.table.cls = <PyObject*>cls
        self.table.low = low
        self.table.members = <PyObject**>PyMem_Calloc(max(span, 1), sizeof(PyObject*))
        if self.table.members == NULL:
            raise MemoryError
        self.table.count = span
        for number, member in zip(numbers, self.members):
            if number - low < span:
                self.table.members[<Py_ssize_t>(number - low)] = <PyObject*>member

    def __dealloc__(self):
        PyMem_Free(self.table.members)


cdef _Members members_of(cls):
    found = _enums.get(cls)
    if found is None:
        if not (isinstance(cls, type) and issubclass(cls, enum.IntEnum)):
            raise UsageError(f"the target of an enum field must be an IntEnum, not {cls!r}")
        found = _enums.setdefault(cls, _Members(cls))
    return found


@cython.final
cdef class Plan:
    """How one message goes to and from the wire.

    ``cls`` is the Struct class, ``full_name`` the message's name (``Qot_GetKL.C2S``), ``fields``
    the rows ``(number, attribute, proto name, json name, kind, label, target, default)`` in the
    order of their numbers. The tables are built when the plan is first used; only then are the
    rows checked, and a row that makes no sense raises ``UsageError``.
    """

    cdef readonly object cls
    cdef readonly str full_name
    cdef readonly tuple fields
    cdef Layout layout
    cdef list kept
    cdef tuple names
    cdef object blank
    cdef bint ready

    def __init__(self, cls, full_name, fields):
        if self.cls is not None:
            raise UsageError("a plan cannot be changed")
        if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
            raise UsageError(f"{full_name}: {cls!r} is not a msgspec.Struct")
        self.cls = cls
        self.full_name = full_name
        self.fields = tuple(fields)

    def __dealloc__(self):
        PyMem_Free(self.layout.fields)
        PyMem_Free(self.layout.by_number)

    def __repr__(self):
        return f"<Plan of {self.full_name}>"

    @property
    def direct(self):
        """Whether Structs are filled through their slots instead of by calling the class."""
        self.prepare()
        return self.layout.direct

    cdef int prepare(self) except -1:
        if not self.ready:
            self.build()
        return 0

    cdef int build(self) except -1:
        """Build the tables of this message and of all below it."""
        cdef Plan plan
        cdef list closure = []
        with _building:
            self.collect(closure)
            for plan in closure:
                plan.fill()
            for plan in closure:
                plan.ready = True
        return 0

    cdef int collect(self, list closure) except -1:
        if self.ready or self in closure:
            return 0
        closure.append(self)
        for row in self.fields:
            if len(row) == 8 and row[4] == "message":
                plan_of(row[6]).collect(closure)
        return 0

    cdef int fill(self) except -1:
        cdef Layout* layout = &self.layout
        cdef Py_ssize_t position
        rows = self.checked_rows()
        self.kept = []
        self.names = tuple([row[1] for row in rows])
        PyMem_Free(layout.fields)
        layout.fields = <Field*>PyMem_Calloc(len(rows) + 1, sizeof(Field))
        if layout.fields == NULL:
            raise MemoryError
        layout.count = <int>len(rows)
        layout.bits = 0
        write_head(&layout.fields[layout.count])
        layout.cost = <int>len(rows) + 2
        layout.cls = <PyTypeObject*>self.cls
        layout.names = <PyObject*>self.names
        layout.full_name = <PyObject*>self.full_name
        layout.direct = _slots_trusted and slots_usable(self.cls, self.names)
        self.blank = None
        layout.blank = NULL
        if layout.direct and fk_copyable(layout.cls):
            self.blank = blank_row(layout.cls)
            layout.blank = <PyObject*>self.blank
        for position, row in enumerate(rows):
            self.fill_field(&layout.fields[position], position, row)
        return self.fill_tables()

    cdef list checked_rows(self):
        """The rows, or ``UsageError`` for what the tables could not express."""
        rows = list(self.fields)
        for row in rows:
            if len(row) != 8 or row[4] not in _KINDS or row[5] not in _LABELS:
                raise UsageError(f"{self.full_name}: not a field: {row!r}")
            if not 1 <= row[0] < 2**29:
                raise UsageError(f"{self.full_name}.{row[2]}: field number {row[0]}")
        numbers = [row[0] for row in rows]
        if numbers != sorted(set(numbers)):
            raise UsageError(f"{self.full_name}: field numbers must ascend")
        if sorted(row[1] for row in rows) != sorted(self.cls.__struct_fields__):
            raise UsageError(f"{self.full_name}: the fields are not those of {self.cls!r}")
        return rows

    cdef int fill_field(self, Field* field, Py_ssize_t position, tuple row) except -1:
        number, attribute, name, _, kind, label, target, default = row
        field.number = number
        field.kind, field.wire, packable = _KINDS[kind]
        field.repeated = label == "repeated"
        field.required = label == "required"
        field.packable = field.repeated and packable
        field.attribute = <PyObject*>attribute
        field.name = <PyObject*>name
        if field.kind == KIND_MESSAGE:
            field.child = &plan_of(target).layout
        elif target is not None:
            if field.kind not in (KIND_INT32, KIND_ENUM):
                raise UsageError(f"{self.full_name}.{name}: {kind} cannot carry an enum")
            field.kind = KIND_ENUM
            field.enums = &members_of(target).table
        elif field.kind == KIND_ENUM:
            raise UsageError(f"{self.full_name}.{name}: an enum field needs its class")
        if self.layout.direct:
            field.offset = fk_slot_offset(getattr(self.cls, attribute))
        else:
            field.offset = FK_TUPLE_OFFSET + position * <Py_ssize_t>sizeof(PyObject*)
        absent = absent_value(field, target, default)
        if absent is not Ellipsis:
            self.kept.append(absent)
            if field.required:
                field.fallback = <PyObject*>absent
            else:
                field.absent = <PyObject*>absent
        field.tag_size = write_tag(field.tag, field.number << 3 | field.wire)
        write_head(field)
        if position < FIELD_BITS:
            field.bit = <uint64_t>1 << position
            self.layout.bits |= field.bit
        return 0

    cdef int fill_tables(self) except -1:
        cdef Layout* layout = &self.layout
        cdef Field* field
        cdef int position
        cdef uint32_t highest = 0
        if layout.count:
            highest = min(layout.fields[layout.count - 1].number, <uint32_t>DIRECT_NUMBERS)
        PyMem_Free(layout.by_number)
        layout.by_number = <uint16_t*>PyMem_Calloc(highest + 1, sizeof(uint16_t))
        if layout.by_number == NULL:
            raise MemoryError
        layout.numbers = highest + 1
        for position in range(layout.count):
            field = &layout.fields[position]
            if field.number <= highest:
                layout.by_number[field.number] = position + 1
        return 0


cdef object absent_value(Field* field, target, default):
    """What an absent field reads; Ellipsis when it has no default and may not be absent."""
    if field.repeated:
        return ()
    if default is not None:
        return default if target is None else target(default)
    return Ellipsis if field.required else None


cdef uint8_t write_tag(uint8_t* at, uint32_t tag) noexcept:
    cdef uint8_t size = 0
    while tag >= 0x80:
        at[size] = <uint8_t>(tag | 0x80)
        tag >>= 7
        size += 1
    at[size] = <uint8_t>tag
    return size + 1


cdef void write_head(Field* field) noexcept:
    """What the decoder compares at first; a value outside its mask is one it never finds."""
    if field.tag_size == 0:
        field.head, field.head_mask = 1, 0
    elif field.tag_size == 1:
        field.head, field.head_mask = field.tag[0], 0xFF
    elif field.tag_size == 2:
        field.head, field.head_mask = field.tag[0] | <uint16_t>field.tag[1] << 8, 0xFFFF
    else:
        field.head, field.head_mask = 0x100, 0xFF
