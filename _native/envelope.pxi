# Part of frame.pyx: what a channel carries, and the checks of the numbers in a header.


cdef unsigned int u32(str name, value) except? 0xFFFFFFFF:
    if not isinstance(value, int) or not 0 <= value <= U32_MAX:
        raise UsageError(f"{name} must be an integer from 0 to 2**32 - 1")
    return value


cdef unsigned char known_format(value) except? 0xFF:
    if not isinstance(value, int) or not 0 <= value <= FORMAT_HIGHEST:
        raise UsageError("body_format must be 0 (protobuf) or 1 (JSON)")
    return value


@cython.final
@cython.freelist(64)
cdef class Envelope:
    """One frame without its header: what a channel carries.

    ``proto_id`` names the message, ``serial`` ties an answer to its request, ``body_format`` is
    0 for protobuf and 1 for JSON, ``body`` is the plain (decrypted) body. Immutable.
    """

    cdef unsigned int _proto_id
    cdef unsigned int _serial
    cdef unsigned char _body_format
    cdef bytes _body

    __match_args__ = ("proto_id", "serial", "body_format", "body")

    def __init__(self, proto_id, serial, body_format, body):
        # Only the first call may set anything: envelopes are immutable.
        if self._body is not None:
            raise UsageError("an envelope cannot be changed")
        if not isinstance(body, bytes):
            raise UsageError(f"body must be bytes, not {type(body).__name__}")
        self._proto_id = u32("proto_id", proto_id)
        self._serial = u32("serial", serial)
        self._body_format = known_format(body_format)
        self._body = bytes(body)

    @property
    def proto_id(self):
        """Which message the body is (the table of ids is ``futukit.messages.registry``)."""
        return self._proto_id

    @property
    def serial(self):
        """The serial number; an answer has its request's."""
        return self._serial

    @property
    def body_format(self):
        """0 protobuf, 1 JSON."""
        return self._body_format

    @property
    def body(self):
        """The plain body."""
        return self._body

    def __richcmp__(self, other, int operation):
        if not isinstance(other, Envelope) or operation not in (Py_EQ, Py_NE):
            return NotImplemented
        cdef Envelope that = <Envelope>other
        equal = (
            self._proto_id == that._proto_id
            and self._serial == that._serial
            and self._body_format == that._body_format
            and self._body == that._body
        )
        return equal if operation == Py_EQ else not equal

    def __hash__(self):
        return hash((self._proto_id, self._serial, self._body_format, self._body))

    def __repr__(self):
        # Bodies hold passwords and keys: only their length is ever shown.
        return (
            f"Envelope(proto_id={self._proto_id}, serial={self._serial}, "
            f"body_format={self._body_format}, body=<{len(self._body)} bytes>)"
        )

    def __reduce__(self):
        return Envelope, (self._proto_id, self._serial, self._body_format, self._body)


cdef Envelope new_envelope(const unsigned char* header, bytes body):
    cdef Envelope envelope = Envelope.__new__(Envelope)
    envelope._proto_id = fk_load_u32(header + PROTO_ID_AT)
    envelope._serial = fk_load_u32(header + SERIAL_AT)
    envelope._body_format = header[FORMAT_AT]
    envelope._body = body
    return envelope
