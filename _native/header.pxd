"""The 44-byte frame header, shared by what reads frames and what writes them. Header-only.

Little endian, packed; the wire body follows at once::

     0   2   magic "FT"
     2   4   proto id
     6   1   body format: 0 protobuf, 1 JSON
     7   1   protocol version, 0
     8   4   serial number
    12   4   length of the body on the wire
    16  20   SHA1 of the plain body
    36   8   reserved, zero
"""

from libc.string cimport memset

cdef extern from *:
    """
    static CYTHON_INLINE uint32_t fk_load_u32(const unsigned char *at) {
        return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16
             | (uint32_t)at[3] << 24;
    }

    static CYTHON_INLINE void fk_store_u32(unsigned char *at, uint32_t value) {
        at[0] = (unsigned char)value;
        at[1] = (unsigned char)(value >> 8);
        at[2] = (unsigned char)(value >> 16);
        at[3] = (unsigned char)(value >> 24);
    }
    """
    unsigned int fk_load_u32(const unsigned char* at) noexcept nogil
    void fk_store_u32(unsigned char* at, unsigned int value) noexcept nogil

cdef enum:
    MAGIC_AT = 0
    PROTO_ID_AT = MAGIC_AT + 2
    FORMAT_AT = PROTO_ID_AT + 4
    VERSION_AT = FORMAT_AT + 1
    SERIAL_AT = VERSION_AT + 1
    LENGTH_AT = SERIAL_AT + 4
    DIGEST_AT = LENGTH_AT + 4
    RESERVED_AT = DIGEST_AT + 20
    HEADER_SIZE = RESERVED_AT + 8

    MAGIC_0 = 0x46  # F
    MAGIC_1 = 0x54  # T
    PROTOCOL_VERSION = 0
    FORMAT_PROTOBUF = 0
    FORMAT_HIGHEST = 1


cdef inline void write_header(
    unsigned char* at,
    unsigned int proto_id,
    unsigned int serial,
    unsigned char body_format,
    unsigned int wire_length,
) noexcept:
    """Write all of the header but the digest, which goes to ``at + DIGEST_AT``."""
    at[MAGIC_AT] = MAGIC_0
    at[MAGIC_AT + 1] = MAGIC_1
    fk_store_u32(at + PROTO_ID_AT, proto_id)
    at[FORMAT_AT] = body_format
    at[VERSION_AT] = PROTOCOL_VERSION
    fk_store_u32(at + SERIAL_AT, serial)
    fk_store_u32(at + LENGTH_AT, wire_length)
    memset(at + RESERVED_AT, 0, HEADER_SIZE - RESERVED_AT)
