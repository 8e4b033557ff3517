/* The two inner loops of frames.py, which says what they promise, at the speed of C.

   Only the common frame is known here: whole, unfragmented text, masked, its length in the fewest bytes. All else is
   left where it stands, for Reader to judge, so no rule of the protocol is written down twice. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

enum { FINAL_TEXT = 0x81, MASKED = 0x80, SHORT = 126, MEDIUM = 126, MOST_BYTES = 4096 };

static void exclusive_or(unsigned char *to, const unsigned char *from, Py_ssize_t size, const unsigned char *mask)
{
    uint32_t four;
    uint64_t eight, word;
    Py_ssize_t i = 0;

    memcpy(&four, mask, 4);
    eight = (uint64_t)four << 32 | four; /* the same four bytes twice, whatever the byte order */
    for (; i + 8 <= size; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= eight;
        memcpy(to + i, &word, 8);
    }
    for (; i < size; i++)
        to[i] = from[i] ^ mask[i & 3];
}

static PyObject *cut(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char *bytes, text[MOST_BYTES];
    const unsigned char *data;
    Py_ssize_t n, at, limit;

    (void)module;
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "cut takes data, at, limit and messages, not %zd arguments", count);
    if (PyBytes_AsStringAndSize(args[0], &bytes, &n) < 0)
        return NULL;
    at = PyLong_AsSsize_t(args[1]);
    limit = PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred())
        return NULL;
    if (at < 0) {
        PyErr_SetString(PyExc_ValueError, "at is negative: give an index into the data");
        return NULL;
    }
    data = (const unsigned char *)bytes;
    while (n - at >= 6 && data[at] == FINAL_TEXT && data[at + 1] & MASKED) {
        Py_ssize_t size = data[at + 1] & 0x7f, body = at + 6;
        PyObject *message;

        if (size == MEDIUM) {
            size = data[at + 2] << 8 | data[at + 3];
            body = at + 8;
            if (size < SHORT || size > MOST_BYTES)
                break;
        } else if (size > MEDIUM)
            break;
        if (size > limit || n - body < size)
            break;
        exclusive_or((unsigned char *)text, data + body, size, data + body - 4);
        message = PyUnicode_DecodeUTF8(text, size, "strict");
        if (message == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
                return NULL;
            PyErr_Clear(); /* the Reader meets it again, and says so */
            break;
        }
        if (PyList_Append(args[3], message) < 0) {
            Py_DECREF(message);
            return NULL;
        }
        Py_DECREF(message);
        at = body + size;
    }
    return PyLong_FromSsize_t(at);
}

static PyObject *unmask(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char *mask, *data, *to;
    Py_ssize_t four, size;
    PyObject *result;

    (void)module;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "unmask takes mask and data, not %zd arguments", count);
    if (PyBytes_AsStringAndSize(args[0], &mask, &four) < 0 || PyBytes_AsStringAndSize(args[1], &data, &size) < 0)
        return NULL;
    if (four != 4)
        return PyErr_Format(PyExc_ValueError, "the mask has %zd bytes: give 4", four);
    result = PyBytes_FromStringAndSize(NULL, size);
    if (result == NULL)
        return NULL;
    if (PyBytes_AsStringAndSize(result, &to, &size) < 0) {
        Py_DECREF(result);
        return NULL;
    }
    exclusive_or((unsigned char *)to, (unsigned char *)data, size, (unsigned char *)mask);
    return result;
}

static PyMethodDef methods[] = {
    {"cut", (PyCFunction)(void (*)(void))cut, METH_FASTCALL, "Cut short text frames; see frames.py."},
    {"unmask", (PyCFunction)(void (*)(void))unmask, METH_FASTCALL, "Exclusive-or with a mask; see frames.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_frames",
    .m_doc = "The inner loops of a WebSocket's reader, compiled.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__frames(void)
{
    return PyModule_Create(&module);
}
