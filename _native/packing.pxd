"""Frames with an encrypted body, for both modules that build frames. Header-only."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from header cimport DIGEST_AT, HEADER_SIZE, write_header
from sealing cimport Sealing
from sha1 cimport sha1_digest

from futukit.errors import UsageError

cdef struct Head:
    unsigned int proto_id
    unsigned int serial
    unsigned char body_format


cdef inline bytes new_frame(const Head* head, Py_ssize_t size):
    """A frame of a body of ``size`` bytes on the wire; digest and body are still to be written."""
    if <unsigned long long>size > 0xFFFFFFFFULL:
        raise UsageError("a body must be shorter than 4 GiB")
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, HEADER_SIZE + size)
    write_header(
        <unsigned char*>PyBytes_AS_STRING(frame),
        head.proto_id,
        head.serial,
        head.body_format,
        <unsigned int>size,
    )
    return frame


cdef inline bytes sealed_frame(
    const Head* head, const Sealing* calls, object cipher, const uint8_t* plain, Py_ssize_t size
):
    """A frame whose body a ``Cipher`` encrypts from ``plain``, which must stay as it is."""
    cdef bytes frame = new_frame(head, calls.sealed_size(cipher, size))
    cdef uint8_t* at = <uint8_t*>PyBytes_AS_STRING(frame)
    sha1_digest(plain, size, at + DIGEST_AT)
    calls.seal(cipher, plain, size, at + HEADER_SIZE)
    return frame


cdef inline bytes frame_sealed_by(const Head* head, object sealer, bytes plain):
    """A frame whose body an object's ``seal`` encrypts."""
    wire = sealer.seal(plain)
    if type(wire) is not bytes:
        raise UsageError(f"seal must return bytes, not {type(wire).__name__}")
    cdef bytes frame = new_frame(head, PyBytes_GET_SIZE(wire))
    cdef uint8_t* at = <uint8_t*>PyBytes_AS_STRING(frame)
    sha1_digest(<const uint8_t*>PyBytes_AS_STRING(plain), PyBytes_GET_SIZE(plain), at + DIGEST_AT)
    memcpy(at + HEADER_SIZE, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire))
    return frame
