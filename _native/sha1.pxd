"""SHA1 by the libcrypto that Python's own ``_hashlib`` has loaded. Header-only.

Nothing is linked: the low-level functions are looked up with dlsym in the library behind
``_hashlib``, past OpenSSL's per-call algorithm fetch, which costs more than hashing a push does.
They are believed only after a self-test. Where they are not to be had (a static Python,
Windows, a libcrypto without them) every digest goes through ``hashlib``: slower, the same bytes.

Each compiled module that cimports this has its own pointers and calls ``sha1_bind`` at import.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #ifndef _WIN32
    #include <dlfcn.h>
    #endif

    static int (*fk_sha1_init)(void *) = NULL;
    static int (*fk_sha1_update)(void *, const void *, size_t) = NULL;
    static int (*fk_sha1_final)(unsigned char *, void *) = NULL;

    static void fk_sha1_unbind(void) {
        fk_sha1_init = NULL;
        fk_sha1_update = NULL;
        fk_sha1_final = NULL;
    }

    /* Looks the functions up behind an already loaded library; true when all were found. */
    static int fk_sha1_bind(const char *library) {
    #ifdef _WIN32
        (void)library;
        return 0;
    #else
        void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
        if (handle == NULL) return 0;
        *(void **)&fk_sha1_init = dlsym(handle, "SHA1_Init");
        *(void **)&fk_sha1_update = dlsym(handle, "SHA1_Update");
        *(void **)&fk_sha1_final = dlsym(handle, "SHA1_Final");
        /* The handle is kept on purpose: the functions must stay mapped. */
        if (fk_sha1_init && fk_sha1_update && fk_sha1_final) return 1;
        fk_sha1_unbind();
        return 0;
    #endif
    }

    static CYTHON_INLINE int fk_sha1_bound(void) { return fk_sha1_init != NULL; }

    static CYTHON_INLINE void fk_sha1(const unsigned char *data, size_t size, unsigned char *out) {
        /* An SHA_CTX has 96 bytes in every OpenSSL; the rest is a margin. */
        union { unsigned char bytes[256]; uint64_t alignment; } context;
        fk_sha1_init(&context);
        fk_sha1_update(&context, data, size);
        fk_sha1_final(out, &context);
    }
    """
    void fk_sha1_unbind() noexcept nogil
    bint fk_sha1_load "fk_sha1_bind"(const char* library) noexcept nogil
    bint fk_sha1_bound() noexcept nogil
    void fk_sha1(const unsigned char* data, size_t size, unsigned char* out) noexcept nogil

cdef enum:
    SHA1_BYTES = 20
    # Below this, giving the GIL away and taking it back costs more than the others gain.
    SHA1_NOGIL_BYTES = 65536


cdef inline int sha1_digest(
    const unsigned char* data, Py_ssize_t size, unsigned char* out
) except -1:
    """Write the 20-byte SHA1 of ``data`` to ``out``. ``data`` must stay put meanwhile."""
    if not fk_sha1_bound():
        memcpy(out, PyBytes_AS_STRING(_portable_sha1(data, size)), SHA1_BYTES)
    elif size < SHA1_NOGIL_BYTES:
        fk_sha1(data, size, out)
    else:
        with nogil:
            fk_sha1(data, size, out)
    return 0


cdef inline bytes _portable_sha1(const unsigned char* data, Py_ssize_t size):
    from hashlib import sha1

    plain = PyBytes_FromStringAndSize(<const char*>data, size)
    return sha1(plain, usedforsecurity=False).digest()


cdef inline bint sha1_bind(bint native) except -1:
    """Choose libcrypto (``native``) or hashlib; returns whether libcrypto is in use now."""
    fk_sha1_unbind()
    if not native:
        return False
    try:
        import _hashlib
    except ImportError:
        return False
    cdef bytes path
    library = getattr(_hashlib, "__file__", None)
    if library is None:
        found = fk_sha1_load(NULL)
    else:
        path = library.encode()
        found = fk_sha1_load(path)
    if found and not _sha1_agrees():
        fk_sha1_unbind()
    return fk_sha1_bound()


cdef inline bint _sha1_agrees() except -1:
    """Compare with hashlib around the block borders, where a wrong context would show."""
    cdef unsigned char digest[SHA1_BYTES]
    cdef bytes plain
    for size in (0, 3, 55, 56, 63, 64, 65, 119, 120, 255, 256, 1000):
        plain = b"futukit self-test " * 64
        plain = plain[:size]
        fk_sha1(<const unsigned char*>PyBytes_AS_STRING(plain), size, digest)
        if _portable_sha1(<const unsigned char*>PyBytes_AS_STRING(plain), size) != (
            <char*>digest
        )[:SHA1_BYTES]:
            return False
    return True
