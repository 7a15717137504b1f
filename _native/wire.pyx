"""Protobuf bytes ↔ message Structs: one table-driven decoder and one encoder.

A ``Plan`` (``plan.pxi``) holds what the two need to know of a message. The decoder is in
``decoder.pxd``, the encoder in ``encoder.pxd``; here are the registry and the calls from Python.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release, PyObject_GetBuffer, PyBUF_SIMPLE
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_FromStringAndSize,
    PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject, PyTypeObject, Py_TYPE
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from capi cimport (
    FK_TUPLE_OFFSET,
    Py_DECREF,
    PyBytes_Check,
    PyBytes_GET_SIZE,
    PyErr_Clear,
    PyErr_ExceptionMatches,
    PyExc_UnicodeError,
    PyList_New,
    PyList_SET_ITEM,
    PySequence_Fast_GET_ITEM,
    fk_copyable,
    fk_lowest_bit,
    fk_slot_offset,
)
from cursor cimport (
    MAX_DEPTH,
    WIRE_FIXED32,
    WIRE_FIXED64,
    WIRE_LENGTH,
    WIRE_VARINT,
    read_size,
    read_tag,
    read_varint,
    skip_value,
)
from decoder cimport decode_row
from encoder cimport encode_row
from header cimport DIGEST_AT, FORMAT_PROTOBUF, HEADER_SIZE, write_header
from layout cimport (
    DIRECT_NUMBERS,
    FIELD_BITS,
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
    cell_of,
    field_of,
)
from output cimport MAX_BODY, Encoding, begin, end, put_bytes, written
from packing cimport Head, frame_sealed_by, sealed_frame
from real cimport trust_kept_reals
from sealing cimport Sealing, sealing_name
from settle cimport settle
from sha1 cimport sha1_bind, sha1_digest
from sink cimport take_body_name
from slots cimport blank_row, slots_fillable, slots_usable
from text cimport make_text
from trail cimport path_of
from values cimport Decoding, start_decoding

import enum
import threading

import msgspec

from futukit._native.cipher import Cipher, _calls
from futukit._native.frame import _bind_sink
from futukit.errors import DecodeError, EncodeError, UsageError

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CELLS",
    "Plan",
    "PushSink",
    "decode",
    "decode_as",
    "decode_strict",
    "decode_table",
    "define",
    "encode",
    "encode_frame",
    "encode_message",
    "encode_message_frame",
    "plan_of",
    "real_columns",
]

# The longest body that is written.
MAX_BODY_BYTES = MAX_BODY
# How many fields and values one decoded message may have altogether, absent fields included.
MAX_CELLS = 16 * 1024 * 1024

cdef long long _max_cells = MAX_CELLS

cdef type _cipher_type = Cipher
cdef const Sealing* _sealing = <const Sealing*>PyCapsule_GetPointer(_calls, sealing_name())

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


include "plan.pxi"


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
    return decode_data(plan, data, False)


def decode_as(cls, data):
    """Decode a protobuf body (any bytes-like object) to ``cls``. Raises ``DecodeError``."""
    return decode_data(plan_of(cls), data, False)


def decode_strict(cls, data):
    """Decode a protobuf body (any bytes-like object) that is a ``cls`` and nothing else.

    Raises ``DecodeError`` also for an unknown field and for an absent required one that has a
    default, at every depth. A field with another wire type than its own is unknown.
    """
    return decode_data(plan_of(cls), data, True)


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
            response = decode_bytes(self.plan, data, size, False)
        except DecodeError as error:
            self.unusable(error)
            return 0
        self.give(response)
        return 0

    cpdef object give(self, response):
        """Take the Response of a push that was decoded elsewhere."""
        s2c = response.s2c
        if s2c is None or response.ret_type:
            self.unusable(response)
            return
        try:
            self.consumer(s2c)
        except Exception as error:
            self.failed(error)


cdef int take_body(object sink, const uint8_t* data, Py_ssize_t size) except -1:
    return (<PushSink>sink).take(data, size)


cdef object decode_data(Plan plan, data, bint strict):
    cdef Py_buffer view
    plan.prepare()
    if PyBytes_Check(<PyObject*>data):
        return decode_bytes(
            plan,
            <const uint8_t*>PyBytes_AS_STRING(data),
            PyBytes_GET_SIZE(<PyObject*>data),
            strict,
        )
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return decode_bytes(plan, <const uint8_t*>view.buf, view.len, strict)
    finally:
        PyBuffer_Release(&view)


cdef object decode_bytes(Plan plan, const uint8_t* data, Py_ssize_t size, bint strict):
    cdef Decoding state
    cdef PyObject* row
    start_decoding(&state, _max_cells, strict)
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
        reason = (<bytes>state.reason).decode("ascii")
        if state.unknown >= 0:
            reason += f" {state.unknown}"
        raise DecodeError(reason, path_of(&plan.layout, &state.trail))
    return -1


def real_columns(Plan plan not None, rows, tuple attributes not None):
    """Fields of type double of many rows, column by column.

    ``rows`` is a list or tuple of the plan's class. Returns for each attribute its values as
    native doubles in a ``bytearray``, or None if one of the rows does not have it. Raises
    ``UsageError`` for an attribute that is no double, ``TypeError`` for a row of another class.
    """
    plan.prepare()
    return [real_column(plan, rows, real_field(plan, attribute)) for attribute in attributes]


cdef Field* real_field(Plan plan, attribute) except NULL:
    cdef int position
    for position in range(plan.layout.count):
        field = &plan.layout.fields[position]
        if <object>field.attribute == attribute and field.kind == KIND_DOUBLE:
            if not field.repeated:
                return field
    raise UsageError(f"{plan.full_name} has no double {attribute!r}")


cdef object real_column(Plan plan, rows, Field* field):
    cdef Py_ssize_t position
    cdef Py_ssize_t count = -1
    cdef PyObject* row
    cdef double* column
    if type(rows) is list or type(rows) is tuple:
        count = len(rows)
    if count < 0:
        raise TypeError("rows are a list or a tuple")
    values = PyByteArray_FromStringAndSize(NULL, count * <Py_ssize_t>sizeof(double))
    column = <double*>PyByteArray_AS_STRING(values)
    for position in range(count):
        row = PySequence_Fast_GET_ITEM(rows, position)
        if Py_TYPE(<object>row) != <PyTypeObject*>plan.cls:
            raise TypeError(f"a row is no {plan.full_name}")
        value = real_cell(plan, row, field)
        if value is None:
            return None
        # Nothing here runs code of others, which could change the list under our feet.
        if type(value) is not float and type(value) is not int:
            raise TypeError(f"{<object>field.attribute} is no number in a {plan.full_name}")
        column[position] = value
    return values


cdef inline object real_cell(Plan plan, PyObject* row, Field* field):
    if plan.layout.direct and cell_of(row, field)[0] != NULL:
        return <object>cell_of(row, field)[0]
    return getattr(<object>row, <object>field.attribute)


include "table.pxi"


def encode(Plan plan not None, message):
    """Encode a message of the plan's class. Raises ``EncodeError``, which names the field."""
    return encode_plain(plan, message)


def encode_message(message):
    """Encode a message. Raises ``EncodeError``, which names the field."""
    return encode_plain(plan_of(type(message)), message)


def encode_frame(Plan plan not None, message, proto_id, serial, cipher=None):
    """Encode a message of the plan's class with the frame header before it, as one ``bytes``.

    The body goes out as it is, or encrypted by ``cipher``: a ``Cipher``, or an object whose
    ``seal(plain)`` returns what goes over the wire. Raises ``EncodeError`` for a field and
    ``UsageError`` for numbers that do not fit the header.
    """
    return encode_framed(plan, message, proto_id, serial, cipher)


def encode_message_frame(message, proto_id, serial, cipher=None):
    """Encode a message with the frame header before it; see ``encode_frame``."""
    return encode_framed(plan_of(type(message)), message, proto_id, serial, cipher)


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


cdef bytes encode_framed(Plan plan, message, proto_id, serial, cipher):
    cdef Encoding state
    cdef uint8_t header[HEADER_SIZE]
    cdef Head head
    cdef Py_ssize_t size
    head.proto_id = u32("proto_id", proto_id)
    head.serial = u32("serial", serial)
    head.body_format = FORMAT_PROTOBUF
    if begin(&state) < 0:
        raise MemoryError
    try:
        encode_body(plan, message, &state)
        if cipher is not None:
            return encrypted(plan, &head, &state, cipher)
        size = written(&state)
        write_header(header, head.proto_id, head.serial, FORMAT_PROTOBUF, <unsigned int>size)
        sha1_digest(state.head, size, header + DIGEST_AT)
        put_bytes(&state, header, HEADER_SIZE)
        return PyBytes_FromStringAndSize(<const char*>state.head, written(&state))
    finally:
        end(&state)


cdef bytes encrypted(Plan plan, const Head* head, Encoding* state, cipher):
    """The frame of an encoded body. Its length on the wire counts for the limit too."""
    cdef bytes frame
    if type(cipher) is _cipher_type:
        frame = sealed_frame(head, _sealing, cipher, state.head, written(state))
    else:
        body = PyBytes_FromStringAndSize(<const char*>state.head, written(state))
        frame = frame_sealed_by(head, cipher, body)
    if len(frame) - HEADER_SIZE > MAX_BODY:
        raise too_long(plan)
    return frame


cdef object too_long(Plan plan):
    return EncodeError(f"a body may have {MAX_BODY} bytes at most", plan.full_name)


cdef int encode_body(Plan plan, message, Encoding* state) except -1:
    plan.prepare()
    if encode_row(state, &plan.layout, <PyObject*>message) < 0:
        if state.reason != NULL:
            raise EncodeError(<str><object>state.reason, path_of(&plan.layout, &state.trail))
        return -1
    if written(state) > MAX_BODY:
        raise too_long(plan)
    return 0


def _use_native_sha1(native):
    """Choose libcrypto's SHA1 or hashlib's (for tests); returns whether libcrypto's is used."""
    return sha1_bind(native)


def _keep_reals(kept):
    """Let the decoder keep floats to use again, or not (for tests); returns whether it does."""
    return trust_kept_reals(kept)


_trust_slots(True)
trust_kept_reals(True)
sha1_bind(True)

_bind_sink(PushSink, PyCapsule_New(<void*>take_body, take_body_name(), NULL))
