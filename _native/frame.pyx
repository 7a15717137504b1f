"""Frames of the OpenD byte stream: a splitter that decrypts and verifies, and a builder.

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
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy, memmove

from header cimport (
    DIGEST_AT,
    FORMAT_AT,
    FORMAT_HIGHEST,
    FORMAT_PROTOBUF,
    HEADER_SIZE,
    LENGTH_AT,
    MAGIC_0,
    MAGIC_1,
    PROTO_ID_AT,
    PROTOCOL_VERSION,
    SERIAL_AT,
    VERSION_AT,
    fk_load_u32,
)
from packing cimport Head, frame_sealed_by, new_frame, sealed_frame
from sealing cimport Sealing, sealing_name, unsealed
from sha1 cimport SHA1_BYTES, sha1_bind, sha1_digest
from sink cimport TakeBody, take_body_name

from futukit._native.cipher import Cipher, _calls
from futukit.errors import (
    BadLength,
    BadMagic,
    BadVersion,
    DecryptError,
    DigestMismatch,
    UsageError,
)

__all__ = ["HEADER_BYTES", "Envelope", "FrameReader", "build_frame"]

HEADER_BYTES = HEADER_SIZE

cdef enum:
    FIRST_BUFFER = 128 * 1024    # a reader's memory while frames are of the usual size
    KEPT_BUFFER = 1024 * 1024    # more than this is given back once the buffer is empty
    LEAST_ROOM = 16 * 1024       # a read never gets less room than this
    LARGEST_HINT = 1024 * 1024   # a read's size hint is followed up to this
    GIVEN_IN_PLACE = 32 * 1024   # a longer body is copied, so that others may run meanwhile

cdef unsigned long long U32_MAX = 0xFFFFFFFF

cdef str MISMATCH = "SHA1 of the body is not the header's"
cdef str UNREADABLE = "the body does not decrypt"

cdef type _sink_type = None
cdef TakeBody _take_body = NULL

cdef type _cipher_type = Cipher
cdef const Sealing* _sealing = <const Sealing*>PyCapsule_GetPointer(_calls, sealing_name())


include "envelope.pxi"
include "chunk.pxi"


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
    is complete. A bad frame raises ``BadMagic``, ``BadVersion``, ``BadLength``, ``DecryptError``
    or ``DigestMismatch``; from then on the reader raises the same, until ``clear()``.

    Frames are opened when they are taken, not when their bytes come in: ``opener`` may change
    between two frames of one read. Not to be used from two threads at once.
    """

    cdef _Chunk chunk
    cdef _Chunk scratch      # a push's plain body, while a compiled sink decodes it
    cdef object _opener
    cdef bint sinks_decode   # whether compiled sinks get bodies without a bytes object
    cdef Py_ssize_t start, end
    cdef Py_ssize_t lent
    cdef Py_ssize_t max_body
    cdef unsigned long long position
    cdef object failure

    def __init__(self, max_body_bytes=64 * 1024 * 1024):
        self.max_body = u32("max_body_bytes", max_body_bytes)
        self.opener = None
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

    @property
    def opener(self):
        """What decrypts the bodies from the next frame on; None while they are plain.

        A ``Cipher``, or an object whose ``open(wire, digest)`` returns the plain body that has
        this SHA1; its ``DecryptError`` is the reader's failure, what else it raises passes
        through. A body of no bytes is empty under every opener. ``clear()`` leaves it in place.
        """
        return self._opener

    @opener.setter
    def opener(self, opener):
        compiled = type(opener) is _cipher_type
        if opener is not None and not compiled and not callable(getattr(opener, "open", None)):
            raise UsageError("an opener is a Cipher or has a method open, or is None")
        self._opener = opener
        self.sinks_decode = opener is None or compiled

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
        """Give the protobuf bodies of complete frames to ``sinks[proto id]``, in order.

        Returns the first frame that no sink is for, which every frame with a JSON body is; None
        when no frame is complete any more. A sink may change ``sinks``, feed this reader or
        ``clear()`` it. What it raises passes through; its frame counts as taken.
        """
        cdef unsigned char claimed[HEADER_SIZE]
        cdef const unsigned char* header
        cdef Py_ssize_t size
        cdef bytes body
        cdef unsigned int number, last = 0
        cdef object key = None
        while True:
            size = self.complete()
            if size < 0:
                return None
            header = self.chunk.data + self.start
            number = fk_load_u32(header + PROTO_ID_AT)
            if number != last or key is None:
                # Most pushes have the id of the one before: its int is made once.
                key, last = number, number
            sink = sinks.get(key) if header[FORMAT_AT] == FORMAT_PROTOBUF else None
            if type(sink) is _sink_type and size <= GIVEN_IN_PLACE and self.sinks_decode:
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
        """Take the complete next frame: copy or decrypt, verify. ``claimed`` gets its header."""
        cdef unsigned char digest[SHA1_BYTES]
        cdef const unsigned char* header = self.chunk.data + self.start
        cdef unsigned long long at = self.position
        cdef bytes body
        memcpy(claimed, header, HEADER_SIZE)
        # First of all: decrypting and hashing may let other threads run, or Python code.
        self.start += HEADER_SIZE + size
        self.position += HEADER_SIZE + size
        if self._opener is None or size == 0:
            body = PyBytes_FromStringAndSize(<const char*>header + HEADER_SIZE, size)
        else:
            body = self.opened(header + HEADER_SIZE, size, claimed, at)
        sha1_digest(<const unsigned char*>PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), digest)
        if memcmp(digest, claimed + DIGEST_AT, SHA1_BYTES) != 0:
            self.fail_at(at, DigestMismatch, MISMATCH, claimed)
        return body

    cdef bytes opened(
        self,
        const unsigned char* wire,
        Py_ssize_t size,
        const unsigned char* claimed,
        unsigned long long at,
    ):
        """The plain body by the opener, not verified yet."""
        cdef _Chunk chunk = self.chunk
        cdef bytes body
        reason = None
        if self.sinks_decode:
            # As long as the chunk counts as lent, its bytes stay where and what they are.
            chunk.views += 1
            try:
                body = unsealed(_sealing, self._opener, wire, size)
            finally:
                chunk.views -= 1
            if body is None:
                self.fail_at(at, DecryptError, UNREADABLE, claimed)
            return body
        copied = PyBytes_FromStringAndSize(<const char*>wire, size)
        digest = PyBytes_FromStringAndSize(<const char*>claimed + DIGEST_AT, SHA1_BYTES)
        try:
            plain = self._opener.open(copied, digest)
        except DecryptError as error:
            reason = error.reason
        if reason is not None:
            # Out here, so that the opener's own error and its frames do not go along.
            self.fail_at(at, DecryptError, reason, claimed)
        if type(plain) is not bytes:
            raise UsageError(f"an opener must return bytes, not {type(plain).__name__}")
        return plain

    cdef int give(self, sink, Py_ssize_t size) except -1:
        """Verify the complete next frame, and let a compiled sink decode it without a copy.

        A plain body is decoded where it lies. Meanwhile the chunk counts as lent: whatever a
        handler does to this reader, these bytes stay where and what they are.
        """
        cdef _Chunk chunk = self.chunk
        cdef const unsigned char* header = chunk.data + self.start
        if self._opener is None or size == 0:
            chunk.views += 1
            try:
                return self.decode_by(sink, header, size, header + HEADER_SIZE, size)
            finally:
                chunk.views -= 1
        return self.give_opened(sink, chunk, size)

    cdef int give_opened(self, sink, _Chunk chunk, Py_ssize_t size) except -1:
        """The same for an encrypted body, which is decrypted into memory that is used again."""
        cdef _Chunk scratch = self.scratch
        cdef const unsigned char* header = chunk.data + self.start
        cdef Py_ssize_t length
        if scratch is None or scratch.views:
            # In use if a handler of a push gives us the next ones.
            scratch = self.scratch = _Chunk(GIVEN_IN_PLACE)
        chunk.views += 1
        scratch.views += 1
        try:
            length = _sealing.unseal(
                self._opener, header + HEADER_SIZE, size, <uint8_t*>scratch.data
            )
            if length < 0:
                self.fail_at(self.position, DecryptError, UNREADABLE, header)
            return self.decode_by(sink, header, size, scratch.data, length)
        finally:
            scratch.views -= 1
            chunk.views -= 1

    cdef int decode_by(
        self,
        sink,
        const unsigned char* header,
        Py_ssize_t size,
        const unsigned char* body,
        Py_ssize_t length,
    ) except -1:
        """Verify a plain body and take its frame, of ``size`` bytes after the header."""
        cdef unsigned char digest[SHA1_BYTES]
        sha1_digest(body, length, digest)
        if memcmp(digest, header + DIGEST_AT, SHA1_BYTES) != 0:
            self.fail_at(self.position, DigestMismatch, MISMATCH, header)
        self.start += HEADER_SIZE + size
        self.position += HEADER_SIZE + size
        return _take_body(sink, body, length)

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

    cdef int fail_at(
        self, unsigned long long at, error, reason, const unsigned char* header
    ) except -1:
        """Fail for a frame that begins at ``at``, whose header is sound."""
        self.position = at
        return self.fail(error, reason, header, True)

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


def build_frame(proto_id, serial, body, body_format=0, cipher=None):
    """Return header and body as one ``bytes``.

    ``body`` is any bytes-like object. It goes out as it is, or encrypted by ``cipher``: a
    ``Cipher``, or an object whose ``seal(plain)`` returns what goes over the wire. Raises
    ``UsageError`` for numbers that do not fit the header.
    """
    cdef Head head
    cdef Py_buffer view
    cdef bytes frame
    cdef unsigned char* at
    head.proto_id = u32("proto_id", proto_id)
    head.serial = u32("serial", serial)
    head.body_format = known_format(body_format)
    if cipher is not None:
        return encrypted_frame(&head, body, cipher)
    PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
    try:
        frame = new_frame(&head, view.len)
        at = <unsigned char*>PyBytes_AS_STRING(frame)
        memcpy(at + HEADER_SIZE, view.buf, view.len)
        # Of our own copy: the caller's buffer may change while other threads run.
        sha1_digest(at + HEADER_SIZE, view.len, at + DIGEST_AT)
    finally:
        PyBuffer_Release(&view)
    return frame


cdef bytes encrypted_frame(const Head* head, body, cipher):
    # A copy of what may change while other threads run: digest and wire must agree.
    cdef bytes plain = body if type(body) is bytes else bytes(memoryview(body))
    if type(cipher) is not _cipher_type:
        return frame_sealed_by(head, cipher, plain)
    return sealed_frame(
        head, _sealing, cipher, <const uint8_t*>PyBytes_AS_STRING(plain), PyBytes_GET_SIZE(plain)
    )


def _bind_sink(sink_type, capsule):
    """Learn how compiled sinks take bytes; ``wire`` tells when it is imported."""
    global _sink_type, _take_body
    _take_body = <TakeBody>PyCapsule_GetPointer(capsule, take_body_name())
    _sink_type = sink_type


def _use_native_sha1(native):
    """Choose libcrypto's SHA1 or hashlib's (for tests); returns whether libcrypto's is used."""
    return sha1_bind(native)


sha1_bind(True)
