"""Protobuf bytes ↔ message Structs: one table-driven decoder and one encoder.

A ``Plan`` holds what the two need to know of a message. The decoder is in ``decoder.pxd``, the
encoder in ``encoder.pxd``; here are the Plans, the registry and the calls from Python.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release, PyObject_GetBuffer, PyBUF_SIMPLE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject, PyTypeObject
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from capi cimport (
    FK_TUPLE_OFFSET,
    Py_DECREF,
    PyBytes_Check,
    PyBytes_GET_SIZE,
    fk_copyable,
    fk_slot_offset,
)
from cursor cimport WIRE_FIXED32, WIRE_FIXED64, WIRE_LENGTH, WIRE_VARINT
from decoder cimport decode_row
from encoder cimport encode_row
from header cimport DIGEST_AT, HEADER_SIZE, write_header
from layout cimport (
    DIRECT_NUMBERS,
    KIND_BOOL,
    KIND_BYTES,
    KIND_DOUBLE,
    KIND_ENUM,
    KIND_FLOAT,
    KIND_INT32,
    KIND_INT64,
    KIND_MESSAGE,
    KIND_STRING,
    KIND_UINT32,
    KIND_UINT64,
    EnumTable,
    Field,
    Layout,
)
from output cimport MAX_BODY, Encoding, begin, end, put_bytes, written
from settle cimport settle
from sha1 cimport sha1_bind, sha1_digest
from sink cimport take_body_name
from slots cimport blank_row, slots_fillable, slots_usable
from trail cimport path_of
from values cimport Decoding, start_decoding

import enum
import threading

import msgspec

from futukit._native.frame import _bind_sink
from futukit.errors import DecodeError, EncodeError, UsageError

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CELLS",
    "Plan",
    "PushSink",
    "decode",
    "decode_as",
    "define",
    "encode",
    "encode_frame",
    "encode_message",
    "encode_message_frame",
    "plan_of",
]

# The longest body that is written.
MAX_BODY_BYTES = MAX_BODY
# How many fields and values one decoded message may have altogether, absent fields included.
MAX_CELLS = 16 * 1024 * 1024

cdef long long _max_cells = MAX_CELLS

cdef enum:
    ENUM_SPAN = 4096  # widest range of numbers that an enum's table covers

# kind → (code, wire type, packable)
cdef dict _KINDS = {
    "int32": (KIND_INT32, WIRE_VARINT, True),
    "int64": (KIND_INT64, WIRE_VARINT, True),
    "uint32": (KIND_UINT32, WIRE_VARINT, True),
    "uint64": (KIND_UINT64, WIRE_VARINT, True),
    "bool": (KIND_BOOL, WIRE_VARINT, True),
    "enum": (KIND_ENUM, WIRE_VARINT, True),
    "double": (KIND_DOUBLE, WIRE_FIXED64, True),
    "float": (KIND_FLOAT, WIRE_FIXED32, True),
    "string": (KIND_STRING, WIRE_LENGTH, False),
    "bytes": (KIND_BYTES, WIRE_LENGTH, False),
    "message": (KIND_MESSAGE, WIRE_LENGTH, False),
}
cdef tuple _LABELS = ("required", "optional", "repeated")

cdef dict _plans = {}

cdef enum:
    RECENT_COUNT = 256

cdef struct Recent:
    PyObject* cls
    PyObject* plan

cdef Recent[RECENT_COUNT] _recent
cdef dict _enums = {}
cdef object _building = threading.RLock()
cdef bint _slots_trusted = False


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
            field.absent = <PyObject*>absent
        field.tag_size = write_tag(field.tag, field.number << 3 | field.wire)
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
    """What an absent field reads; Ellipsis when it may not be absent."""
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


def _trust_slots(trusted):
    """Choose slot filling or calls for plans that are built from now on (for tests)."""
    global _slots_trusted
    _slots_trusted = trusted and slots_fillable()
    return _slots_trusted


def _limit_cells(cells):
    """Set the budget of values per decoded message (for tests); returns the one before."""
    global _max_cells
    before = _max_cells
    _max_cells = cells
    return before


def define(cls, full_name, fields):
    """Make the plan of ``cls`` and remember it; see ``Plan``. A class is registered once."""
    if cls in _plans:
        raise UsageError(f"{full_name}: {cls!r} has a plan already")
    plan = Plan(cls, full_name, fields)
    _plans[cls] = plan
    return plan


cpdef Plan plan_of(cls):
    """Return the plan of a message class; raises ``UsageError`` when it has none."""
    # A look-up by address first: plans live for ever, so neither pointer can go stale.
    cdef size_t address = <size_t><PyObject*>cls
    cdef Recent* recent = &_recent[(address >> 4 ^ address >> 12) % RECENT_COUNT]
    if recent.cls == <PyObject*>cls:
        return <Plan>recent.plan
    found = _plans.get(cls)
    if found is None:
        raise UsageError(f"{cls!r} is not a message class")
    recent.cls, recent.plan = <PyObject*>cls, <PyObject*>found
    return <Plan>found


def decode(Plan plan not None, data):
    """Decode a protobuf body (any bytes-like object) to the plan's Struct.

    Raises ``DecodeError``, which names the field.
    """
    return decode_data(plan, data)


def decode_as(cls, data):
    """Decode a protobuf body (any bytes-like object) to ``cls``. Raises ``DecodeError``."""
    return decode_data(plan_of(cls), data)


@cython.final
cdef class PushSink:
    """Takes the body of each push of one kind.

    ``plan`` is a Response's. ``consumer`` gets the S2C of a push that succeeded; an exception
    of its own goes to ``failed``. ``unusable`` gets what cannot be consumed: the DecodeError of
    a body, or a Response without S2C or with a retType other than 0.
    """

    cdef Plan plan
    cdef object consumer, unusable, failed

    def __init__(self, Plan plan not None, consumer, unusable, failed):
        plan.prepare()
        self.plan = plan
        self.consumer, self.unusable, self.failed = consumer, unusable, failed

    def __call__(self, body):
        cdef Py_buffer view
        PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
        try:
            self.take(<const uint8_t*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef int take(self, const uint8_t* data, Py_ssize_t size) except -1:
        if self.plan is None:
            raise UsageError("this sink was never initialised")
        try:
            response = decode_bytes(self.plan, data, size)
        except DecodeError as error:
            self.unusable(error)
            return 0
        s2c = response.s2c
        if s2c is None or response.ret_type:
            self.unusable(response)
            return 0
        try:
            self.consumer(s2c)
        except Exception as error:
            self.failed(error)
        return 0


cdef int take_body(object sink, const uint8_t* data, Py_ssize_t size) except -1:
    return (<PushSink>sink).take(data, size)


cdef object decode_data(Plan plan, data):
    cdef Py_buffer view
    plan.prepare()
    if PyBytes_Check(<PyObject*>data):
        return decode_bytes(
            plan, <const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(<PyObject*>data)
        )
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return decode_bytes(plan, <const uint8_t*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef object decode_bytes(Plan plan, const uint8_t* data, Py_ssize_t size):
    cdef Decoding state
    cdef PyObject* row
    start_decoding(&state, _max_cells)
    row = decode_row(&state, &plan.layout, data, data + size)
    if row != NULL and state.unsettled and settle(&state, &plan.layout, &row) < 0:
        Py_DECREF(row)
        row = NULL
    if row == NULL:
        raise_decode_error(plan, &state)
    message = <object>row
    Py_DECREF(row)
    return message


cdef int raise_decode_error(Plan plan, Decoding* state) except -1:
    if state.reason != NULL:
        raise DecodeError(
            (<bytes>state.reason).decode("ascii"), path_of(&plan.layout, &state.trail)
        )
    return -1


def encode(Plan plan not None, message):
    """Encode a message of the plan's class. Raises ``EncodeError``, which names the field."""
    return encode_plain(plan, message)


def encode_message(message):
    """Encode a message. Raises ``EncodeError``, which names the field."""
    return encode_plain(plan_of(type(message)), message)


def encode_frame(Plan plan not None, message, proto_id, serial):
    """Encode a message of the plan's class with the frame header before it, as one ``bytes``.

    Raises ``EncodeError`` for a field and ``UsageError`` for numbers that do not fit the header.
    """
    return encode_framed(plan, message, u32("proto_id", proto_id), u32("serial", serial))


def encode_message_frame(message, proto_id, serial):
    """Encode a message with the frame header before it; see ``encode_frame``."""
    return encode_framed(
        plan_of(type(message)), message, u32("proto_id", proto_id), u32("serial", serial)
    )


cdef unsigned int u32(str name, value) except? 0xFFFFFFFF:
    if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
        raise UsageError(f"{name} must be an integer from 0 to 2**32 - 1")
    return value


cdef bytes encode_plain(Plan plan, message):
    cdef Encoding state
    if begin(&state) < 0:
        raise MemoryError
    try:
        encode_body(plan, message, &state)
        return PyBytes_FromStringAndSize(<const char*>state.head, written(&state))
    finally:
        end(&state)


cdef bytes encode_framed(Plan plan, message, unsigned int proto_id, unsigned int serial):
    cdef Encoding state
    cdef uint8_t header[HEADER_SIZE]
    cdef Py_ssize_t size
    if begin(&state) < 0:
        raise MemoryError
    try:
        encode_body(plan, message, &state)
        size = written(&state)
        write_header(header, proto_id, serial, 0, <unsigned int>size)
        sha1_digest(state.head, size, header + DIGEST_AT)
        put_bytes(&state, header, HEADER_SIZE)
        return PyBytes_FromStringAndSize(<const char*>state.head, written(&state))
    finally:
        end(&state)


cdef int encode_body(Plan plan, message, Encoding* state) except -1:
    plan.prepare()
    if encode_row(state, &plan.layout, <PyObject*>message) < 0:
        if state.reason != NULL:
            raise EncodeError(<str><object>state.reason, path_of(&plan.layout, &state.trail))
        return -1
    if written(state) > MAX_BODY:
        raise EncodeError(f"a body may have {MAX_BODY} bytes at most", plan.full_name)
    return 0


def _use_native_sha1(native):
    """Choose libcrypto's SHA1 or hashlib's (for tests); returns whether libcrypto's is used."""
    return sha1_bind(native)


_trust_slots(True)
sha1_bind(True)

_bind_sink(PushSink, PyCapsule_New(<void*>take_body, take_body_name(), NULL))
