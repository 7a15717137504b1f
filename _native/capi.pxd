"""The part of Python's C API that the hot path calls with bare pointers.

Cython's own declarations hand out counted objects, which costs a count up and down on each
step. Here a ``PyObject*`` is a plain pointer; who owns it is said at each function.
"""

from cpython.object cimport PyObject, PyTypeObject

cdef extern from *:
    """
    #include "structmember.h"

    #if PY_VERSION_HEX < 0x030C0000
    #define FK_OBJECT_EX T_OBJECT_EX
    #else
    #define FK_OBJECT_EX Py_T_OBJECT_EX
    #endif

    #define FK_TUPLE_ITEMS(tuple) (((PyTupleObject *)(tuple))->ob_item)
    #define FK_TUPLE_OFFSET ((Py_ssize_t)offsetof(PyTupleObject, ob_item))
    #define FK_DATA_OFFSET ((Py_ssize_t)sizeof(PyObject))
    #define FK_ASCII_DATA(text) ((unsigned char *)((PyASCIIObject *)(text) + 1))

    /* Slot offset that a member descriptor writes to, or -1 when it is not a plain object slot. */
    static Py_ssize_t fk_slot_offset(PyObject *descriptor) {
        PyMemberDef *member;
        if (!Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) return -1;
        member = ((PyMemberDescrObject *)descriptor)->d_member;
        return member->type == FK_OBJECT_EX ? member->offset : -1;
    }

    static CYTHON_INLINE PyObject *fk_alloc(PyTypeObject *type) {
        return type->tp_alloc(type, 0);
    }

    #if defined(Py_REF_DEBUG) || defined(Py_TRACE_REFS) || defined(Py_GIL_DISABLED)
    #define FK_COUNTED_ELSEWHERE 1
    #else
    #define FK_COUNTED_ELSEWHERE 0
    #endif

    /* Whether the type's own allocator does no more than fk_copy does. */
    static int fk_copyable(PyTypeObject *type) {
        return !FK_COUNTED_ELSEWHERE && type->tp_alloc == PyType_GenericAlloc
            && type->tp_itemsize == 0 && type->tp_basicsize <= 512
            && !PyType_HasFeature(type, Py_TPFLAGS_HAVE_GC)
            && PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE);
    }

    /* A new object with the bytes of a blank one: head and empty slots in one go. */
    static CYTHON_INLINE PyObject *fk_copy(PyTypeObject *type, const void *blank) {
        PyObject *object = (PyObject *)PyObject_Malloc(type->tp_basicsize);
        if (object == NULL) return PyErr_NoMemory();
        memcpy(object, blank, type->tp_basicsize);
        Py_INCREF(type);
        return object;
    }

    /* PyFloat_FromDouble without the way to the interpreter's short list of free floats, which
       a decoder of thousands of them empties at once. Debug builds count references elsewhere,
       so they go the official way. */
    static CYTHON_INLINE PyObject *fk_float(double value) {
    #if FK_COUNTED_ELSEWHERE
        return PyFloat_FromDouble(value);
    #else
        PyFloatObject *object = (PyFloatObject *)PyObject_Malloc(sizeof(PyFloatObject));
        if (object == NULL) return PyErr_NoMemory();
        Py_SET_TYPE(object, &PyFloat_Type);
        /* Not Py_SET_REFCNT: it believes a count that says "immortal", and this one is junk. */
        ((PyObject *)object)->ob_refcnt = 1;
        object->ob_fval = value;
        return (PyObject *)object;
    #endif
    }

    /* A float for ``place``, which keeps a reference to it: as long as nobody else has one, the
       same object serves again with another value, and nothing is made or released. */
    static CYTHON_INLINE PyObject *fk_kept_float(PyObject **place, double value) {
    #if FK_COUNTED_ELSEWHERE
        return PyFloat_FromDouble(value);
    #else
        PyObject *kept = *place;
        if (kept == NULL || kept->ob_refcnt != 1) {
            PyObject *made = fk_float(value);
            if (made == NULL) return NULL;
            *place = made;
            Py_XDECREF(kept);
            kept = made;
        }
        ((PyFloatObject *)kept)->ob_fval = value;
        kept->ob_refcnt += 1;
        return kept;
    #endif
    }

    /* Ask for the values of a row that will be read soon: they lie all over the heap. */
    static CYTHON_INLINE void fk_prefetch_row(PyObject *row) {
    #if defined(__GNUC__)
        PyObject **cell = (PyObject **)(row + 1);
        PyObject **end = (PyObject **)((char *)row + Py_TYPE(row)->tp_basicsize);
        for (; cell < end; cell++) __builtin_prefetch(*cell);
    #endif
    }

    static CYTHON_INLINE void fk_prefetch(PyObject *object) {
    #if defined(__GNUC__)
        __builtin_prefetch(object);
        __builtin_prefetch((char *)object + 64);
    #endif
    }

    static CYTHON_INLINE int fk_lowest_bit(unsigned long long bits) {
    #if defined(__GNUC__)
        return __builtin_ctzll(bits);
    #else
        int place = 0;
        while (!(bits >> place & 1)) place++;
        return place;
    #endif
    }

    static CYTHON_INLINE const char *fk_type_name(PyObject *object) {
        return Py_TYPE(object)->tp_name;
    }

    static CYTHON_INLINE Py_ssize_t fk_basic_size(PyTypeObject *type) {
        return type->tp_basicsize;
    }
    """
    Py_ssize_t FK_TUPLE_OFFSET
    Py_ssize_t FK_DATA_OFFSET
    PyObject** FK_TUPLE_ITEMS(PyObject* tuple) noexcept
    unsigned char* FK_ASCII_DATA(PyObject* text) noexcept
    Py_ssize_t fk_slot_offset(object descriptor) noexcept
    PyObject* fk_alloc(PyTypeObject* type) noexcept
    bint fk_copyable(PyTypeObject* type) noexcept
    PyObject* fk_copy(PyTypeObject* type, const void* blank) noexcept
    void fk_prefetch_row(PyObject* row) noexcept
    void fk_prefetch(PyObject* object) noexcept
    PyObject* fk_float(double value) noexcept
    PyObject* fk_kept_float(PyObject** place, double value) noexcept
    int fk_lowest_bit(unsigned long long bits) noexcept
    const char* fk_type_name(PyObject* object) noexcept
    Py_ssize_t fk_basic_size(PyTypeObject* type) noexcept

cdef extern from "Python.h":
    PyObject* Py_None
    PyObject* Py_True
    PyObject* Py_False

    void Py_INCREF(PyObject*) noexcept
    void Py_DECREF(PyObject*) noexcept
    void Py_XDECREF(PyObject*) noexcept
    bint PyObject_TypeCheck(PyObject*, PyTypeObject*) noexcept

    bint PyFloat_CheckExact(PyObject*) noexcept
    double PyFloat_AS_DOUBLE(PyObject*) noexcept
    double PyFloat_AsDouble(PyObject*) noexcept

    PyObject* PyLong_FromLong(long) noexcept
    PyObject* PyLong_FromLongLong(long long) noexcept
    PyObject* PyLong_FromUnsignedLong(unsigned long) noexcept
    PyObject* PyLong_FromUnsignedLongLong(unsigned long long) noexcept
    bint PyLong_Check(PyObject*) noexcept
    bint PyLong_CheckExact(PyObject*) noexcept
    long long PyLong_AsLongLongAndOverflow(PyObject*, int*) noexcept
    unsigned long long PyLong_AsUnsignedLongLong(PyObject*) noexcept
    bint PyIndex_Check(PyObject*) noexcept
    PyObject* PyNumber_Index(PyObject*) noexcept

    PyObject* PyBytes_FromStringAndSize(const char*, Py_ssize_t) noexcept
    bint PyBytes_Check(PyObject*) noexcept
    char* PyBytes_AS_STRING(PyObject*) noexcept
    Py_ssize_t PyBytes_GET_SIZE(PyObject*) noexcept

    PyObject* PyUnicode_New(Py_ssize_t, Py_UCS4) noexcept
    PyObject* PyUnicode_DecodeUTF8(const char*, Py_ssize_t, const char*) noexcept
    PyObject* PyUnicode_FromFormat(const char*, ...) noexcept
    bint PyUnicode_Check(PyObject*) noexcept
    const char* PyUnicode_AsUTF8AndSize(PyObject*, Py_ssize_t*) noexcept

    PyObject* PyTuple_New(Py_ssize_t) noexcept
    bint PyTuple_Check(PyObject*) noexcept
    Py_ssize_t PyTuple_GET_SIZE(PyObject*) noexcept
    bint PyList_Check(PyObject*) noexcept
    bint PyList_CheckExact(PyObject*) noexcept
    int PyList_Append(PyObject*, PyObject*) noexcept
    list PyList_New(Py_ssize_t)
    void PyList_SET_ITEM(PyObject*, Py_ssize_t, PyObject*) noexcept
    PyObject* PyList_AsTuple(PyObject*) noexcept
    PyObject* PySequence_List(PyObject*) noexcept
    PyObject* PySequence_Fast_GET_ITEM(object, Py_ssize_t) noexcept
    void PyObject_GC_UnTrack(PyObject*) noexcept

    PyObject* PyObject_CallOneArg(PyObject*, PyObject*) noexcept
    PyObject* PyObject_Vectorcall(PyObject*, PyObject**, size_t, PyObject*) noexcept
    PyObject* PyObject_GetAttr(PyObject*, PyObject*) noexcept

    PyObject* PyErr_Occurred() noexcept
    bint PyErr_ExceptionMatches(PyObject*) noexcept
    void PyErr_Clear() noexcept
    PyObject* PyErr_NoMemory() noexcept
    PyObject* PyExc_ValueError
    PyObject* PyExc_TypeError
    PyObject* PyExc_OverflowError
    PyObject* PyExc_UnicodeError
