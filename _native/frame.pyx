"""Frames of the OpenD byte stream: a splitter that verifies, and a builder.

The layout is drawn in ``header.pxd``. Nothing here does IO or knows a message; the body of an
``Envelope`` is the plain body, whose SHA1 the header carries.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer, PyBUF_SIMPLE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.object cimport Py_EQ, Py_NE
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.string cimport memcmp, memcpy, memmove

from header cimport (
    DIGEST_AT,
    FORMAT_AT,
    FORMAT_HIGHEST,
    HEADER_SIZE,
    LENGTH_AT,
    MAGIC_0,
    MAGIC_1,
    PROTO_ID_AT,
    PROTOCOL_VERSION,
    SERIAL_AT,
    VERSION_AT,
    fk_load_u32,
    write_header,
)
from sha1 cimport SHA1_BYTES, sha1_bind, sha1_digest
from sink cimport TakeBody, take_body_name

from futukit.errors import BadLength, BadMagic, BadVersion, DigestMismatch, UsageError

__all__ = ["HEADER_BYTES", "Envelope", "FrameReader", "build_frame"]

HEADER_BYTES = HEADER_SIZE

cdef enum:
    FIRST_BUFFER = 128 * 1024    # a reader's memory while frames are of the usual size
    KEPT_BUFFER = 1024 * 1024    # more than this is given back once the buffer is empty
    LEAST_ROOM = 16 * 1024       # a read never gets less room than this
    LARGEST_HINT = 1024 * 1024   # a read's size hint is followed up to this
    GIVEN_IN_PLACE = 32 * 1024   # a longer body is copied, so that others may run meanwhile

cdef unsigned long long U32_MAX = 0xFFFFFFFF

cdef type _sink_type = None
cdef TakeBody _take_body = NULL


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


@cython.final
cdef class _Chunk:
    """A block of memory that views may be out on. It is never resized, only replaced."""

    cdef unsigned char* data
    cdef Py_ssize_t size
    cdef Py_ssize_t lent_from
    cdef Py_ssize_t views

    def __cinit__(self, Py_ssize_t size):
        self.data = <unsigned char*>PyMem_RawMalloc(size)
        if self.data == NULL:
            raise MemoryError
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.data)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(
            view, self, self.data + self.lent_from, self.size - self.lent_from, 0, flags
        )
        self.views += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.views -= 1


@cython.final
cdef class FrameReader:
    """Splits a byte stream into envelopes, however the bytes were cut.

    Bytes go in through ``feed(data)``, or without a copy through ``get_buffer()`` and
    ``buffer_updated(n)`` (the names of ``asyncio.BufferedProtocol``). Iterating yields every
    frame that is complete by now and can be repeated after more bytes came::

        reader.feed(data)
        for envelope in reader:
            ...

    ``max_body_bytes`` caps a body's length on the wire; a longer one is refused when its header
    is complete. A bad frame raises ``BadMagic``, ``BadVersion``, ``BadLength`` or
    ``DigestMismatch``; from then on the reader raises the same, until ``clear()``.

    Not to be used from two threads at once.
    """

    cdef _Chunk chunk
    cdef Py_ssize_t start, end
    cdef Py_ssize_t lent
    cdef Py_ssize_t max_body
    cdef unsigned long long position
    cdef object failure

    def __init__(self, max_body_bytes=64 * 1024 * 1024):
        self.max_body = u32("max_body_bytes", max_body_bytes)
        self.chunk = _Chunk(FIRST_BUFFER)
        self.clear()

    def __cinit__(self, *args, **kwargs):
        self.chunk = _Chunk(0)

    @property
    def offset(self):
        """Position of the next frame's first byte in the stream, from 0."""
        return self.position

    @property
    def pending_bytes(self):
        """How many bytes are held that no yielded frame has used."""
        return self.end - self.start

    def get_buffer(self, Py_ssize_t sizehint=-1):
        """Return writable memory for the next read; tell ``buffer_updated`` what came.

        Of several views only the last one given counts. Raises ``UsageError`` when frames pile
        up because nobody iterates.
        """
        if self.end - self.start > HEADER_SIZE + self.max_body + LARGEST_HINT:
            raise UsageError("iterate over the frames that are complete before reading more")
        self.make_room(max(self.wanted(), min(sizehint, <Py_ssize_t>LARGEST_HINT)))
        self.chunk.lent_from = self.end
        self.lent = self.chunk.size - self.end
        return PyMemoryView_FromObject(self.chunk)

    def buffer_updated(self, Py_ssize_t nbytes):
        """Say that the first ``nbytes`` bytes of the last ``get_buffer`` were written."""
        if not 0 <= nbytes <= self.lent:
            raise UsageError("more bytes than the last get_buffer had room for")
        self.lent = 0
        self.end += nbytes

    def feed(self, data):
        """Append a copy of ``data`` (any bytes-like object)."""
        cdef Py_buffer view
        if type(data) is bytes:
            self.append(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            return
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.append(view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def __iter__(self):
        return self

    def __next__(self):
        cdef unsigned char claimed[HEADER_SIZE]
        cdef Py_ssize_t size = self.complete()
        cdef bytes body
        if size < 0:
            raise StopIteration
        body = self.open_frame(size, claimed)
        return new_envelope(claimed, body)

    def route(self, dict sinks not None):
        """Give the bodies of complete frames to ``sinks[proto id]``, in order.

        Returns the first frame that no sink is for, None when no frame is complete any more. A
        sink may change ``sinks``, feed this reader or ``clear()`` it. What it raises passes
        through; its frame counts as taken.
        """
        cdef unsigned char claimed[HEADER_SIZE]
        cdef Py_ssize_t size
        cdef bytes body
        cdef unsigned int number, last = 0
        cdef object key = None
        while True:
            size = self.complete()
            if size < 0:
                return None
            number = fk_load_u32(self.chunk.data + self.start + PROTO_ID_AT)
            if number != last or key is None:
                # Most pushes have the id of the one before: its int is made once.
                key, last = number, number
            sink = sinks.get(key)
            if sink is not None and type(sink) is _sink_type and size <= GIVEN_IN_PLACE:
                self.give(sink, size)
                continue
            body = self.open_frame(size, claimed)
            if sink is None:
                return new_envelope(claimed, body)
            sink(body)

    def eof(self):
        """Say that the stream has ended; raises ``BadLength`` if that was within a frame."""
        cdef Py_ssize_t at = self.start
        cdef const unsigned char* header
        if self.failure is not None:
            self.fail_again()
        while self.end - at >= HEADER_SIZE:
            header = self.chunk.data + at
            if self.end - at - HEADER_SIZE < <Py_ssize_t>fk_load_u32(header + LENGTH_AT):
                self.position += at - self.start
                self.fail(BadLength, "the stream ended within a frame", header, True)
            at += HEADER_SIZE + <Py_ssize_t>fk_load_u32(header + LENGTH_AT)
        if at < self.end:
            self.position += at - self.start
            self.fail(BadLength, "the stream ended within a frame", NULL, True)

    def clear(self):
        """Forget all bytes and any failure; the stream starts anew at offset 0."""
        # A view that is still out writes into the old chunk, not into the new stream.
        if self.chunk.views or self.chunk.size != FIRST_BUFFER:
            self.chunk = _Chunk(FIRST_BUFFER)
        self.start = self.end = self.lent = 0
        self.position = 0
        self.failure = None

    cdef int append(self, const void* data, Py_ssize_t size) except -1:
        self.lent = 0
        self.make_room(size)
        memcpy(self.chunk.data + self.end, data, size)
        self.end += size
        return 0

    cdef Py_ssize_t complete(self) except -2:
        """Length of the next frame's body on the wire, -1 if the frame is not complete yet."""
        cdef const unsigned char* header = self.chunk.data + self.start
        cdef Py_ssize_t have = self.end - self.start
        cdef Py_ssize_t size
        if self.failure is not None:
            self.fail_again()
        if have < HEADER_SIZE:
            self.check_magic(header, have)
            return -1
        size = self.checked_length(header)
        return size if have >= HEADER_SIZE + size else -1

    cdef bytes open_frame(self, Py_ssize_t size, unsigned char* claimed):
        """Take the complete next frame: copy, open, verify. ``claimed`` gets its header."""
        cdef unsigned char digest[SHA1_BYTES]
        cdef const unsigned char* header = self.chunk.data + self.start
        cdef bytes body = self.plain_body(header + HEADER_SIZE, size)
        # From here on nothing looks at the buffer: the digest may let other threads run.
        memcpy(claimed, header, HEADER_SIZE)
        self.start += HEADER_SIZE + size
        self.position += HEADER_SIZE + size
        sha1_digest(<const unsigned char*>PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), digest)
        if memcmp(digest, claimed + DIGEST_AT, SHA1_BYTES) != 0:
            self.position -= HEADER_SIZE + size
            self.fail(DigestMismatch, "SHA1 of the body is not the header's", claimed, True)
        return body

    cdef int give(self, sink, Py_ssize_t size) except -1:
        """Verify the complete next frame where it lies, and let a compiled sink decode it there.

        Only for bodies that came in plain. Meanwhile the chunk counts as lent: whatever a
        handler does to this reader, these bytes stay where and what they are.
        """
        cdef _Chunk chunk = self.chunk
        cdef const unsigned char* header = chunk.data + self.start
        cdef unsigned char digest[SHA1_BYTES]
        chunk.views += 1
        try:
            sha1_digest(header + HEADER_SIZE, size, digest)
            if memcmp(digest, header + DIGEST_AT, SHA1_BYTES) != 0:
                self.fail(DigestMismatch, "SHA1 of the body is not the header's", header, True)
            self.start += HEADER_SIZE + size
            self.position += HEADER_SIZE + size
            return _take_body(sink, header + HEADER_SIZE, size)
        finally:
            chunk.views -= 1

    cdef bytes plain_body(self, const unsigned char* wire, Py_ssize_t size):
        """Open a body as it came over the wire: the step between splitting and SHA1."""
        return PyBytes_FromStringAndSize(<const char*>wire, size)

    cdef int check_magic(self, const unsigned char* header, Py_ssize_t have) except -1:
        # Also on a half header: garbage is refused at its first byte, not after 44.
        if (have > 0 and header[0] != MAGIC_0) or (have > 1 and header[1] != MAGIC_1):
            self.fail(BadMagic, "a frame must begin with FT", header, False)
        return 0

    cdef Py_ssize_t checked_length(self, const unsigned char* header) except -1:
        """The body's length on the wire, once the header has proved sound."""
        cdef Py_ssize_t size = <Py_ssize_t>fk_load_u32(header + LENGTH_AT)
        self.check_magic(header, HEADER_SIZE)
        if header[VERSION_AT] != PROTOCOL_VERSION:
            self.fail(BadVersion, f"protocol version {header[VERSION_AT]}", header, True)
        if header[FORMAT_AT] > FORMAT_HIGHEST:
            self.fail(BadVersion, f"unknown body format {header[FORMAT_AT]}", header, True)
        if size > self.max_body:
            self.fail(BadLength, f"body of {size} bytes, at most {self.max_body}", header, True)
        return size

    cdef int fail(self, error, reason, const unsigned char* header, bint believed) except -1:
        proto_id = serial = None
        if believed and header != NULL:
            proto_id = fk_load_u32(header + PROTO_ID_AT)
            serial = fk_load_u32(header + SERIAL_AT)
        # The recipe is kept, not the exception: that would hold its traceback, and so us.
        self.failure = (error, (reason, self.position, proto_id, serial))
        return self.fail_again()

    cdef int fail_again(self) except -1:
        error, facts = self.failure
        raise error(*facts)

    cdef Py_ssize_t wanted(self):
        """Room for the rest of the frame that has begun, at most doubling what we hold.

        A header alone can so never make us allocate what it merely announces.
        """
        cdef Py_ssize_t have = self.end - self.start
        cdef Py_ssize_t rest = 0
        if have >= HEADER_SIZE:
            rest = HEADER_SIZE + <Py_ssize_t>fk_load_u32(
                self.chunk.data + self.start + LENGTH_AT
            ) - have
        return max(min(rest, self.chunk.size), <Py_ssize_t>LEAST_ROOM)

    cdef int make_room(self, Py_ssize_t room) except -1:
        """Have at least ``room`` writable bytes after ``end``."""
        cdef Py_ssize_t have = self.end - self.start
        cdef Py_ssize_t size = self.chunk.size
        if have == 0 and self.chunk.views == 0:
            self.start = self.end = 0
            if size > KEPT_BUFFER and room <= FIRST_BUFFER:
                self.replace_chunk(FIRST_BUFFER)
        if self.chunk.size - self.end >= room:
            return 0
        if have + room <= size and self.chunk.views == 0:
            memmove(self.chunk.data, self.chunk.data + self.start, have)
            self.start, self.end = 0, have
            return 0
        while size < have + room:
            size *= 2
        return self.replace_chunk(size)

    cdef int replace_chunk(self, Py_ssize_t size) except -1:
        cdef _Chunk chunk = _Chunk(size)
        cdef Py_ssize_t have = self.end - self.start
        memcpy(chunk.data, self.chunk.data + self.start, have)
        self.chunk = chunk
        self.start, self.end = 0, have
        return 0


def build_frame(proto_id, serial, body, body_format=0):
    """Return header and body as one ``bytes``.

    ``body`` is any bytes-like object and goes out as it is. Raises ``UsageError`` for numbers
    that do not fit the header.
    """
    cdef unsigned int checked_id = u32("proto_id", proto_id)
    cdef unsigned int checked_serial = u32("serial", serial)
    cdef unsigned char checked_format = known_format(body_format)
    cdef Py_buffer view
    cdef bytes frame
    cdef unsigned char* at
    PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
    try:
        if <unsigned long long>view.len > U32_MAX:
            raise UsageError("a body must be shorter than 4 GiB")
        frame = PyBytes_FromStringAndSize(NULL, HEADER_SIZE + view.len)
        at = <unsigned char*>PyBytes_AS_STRING(frame)
        write_header(at, checked_id, checked_serial, checked_format, <unsigned int>view.len)
        memcpy(at + HEADER_SIZE, view.buf, view.len)
        # Of our own copy: the caller's buffer may change while other threads run.
        sha1_digest(at + HEADER_SIZE, view.len, at + DIGEST_AT)
    finally:
        PyBuffer_Release(&view)
    return frame


def _bind_sink(sink_type, capsule):
    """Learn how compiled sinks take bytes; ``wire`` tells when it is imported."""
    global _sink_type, _take_body
    _take_body = <TakeBody>PyCapsule_GetPointer(capsule, take_body_name())
    _sink_type = sink_type


def _use_native_sha1(native):
    """Choose libcrypto's SHA1 or hashlib's (for tests); returns whether libcrypto's is used."""
    return sha1_bind(native)


sha1_bind(True)
