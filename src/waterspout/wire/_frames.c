/* The functions of frames.py, which says what they promise, at the speed of C.

   Of what comes, only the common frame is known here: whole, unfragmented text, masked, its length in the fewest bytes;
   and in it, only the common packet. All else is left where it stands, for others to judge, so no rule of the protocols
   is written down twice. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { FINAL_TEXT = 0x81, MASKED = 0x80, SHORT = 126, MEDIUM = 126, LONG = 127, MOST_BYTES = 4096, MOST_DIGITS = 16 };

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

static PyObject *text_frame(PyObject *module, PyObject *payload)
{
    char *bytes, *to;
    unsigned char head[10] = {FINAL_TEXT};
    Py_ssize_t size, head_size = 2, i;
    PyObject *result;

    (void)module;
    if (PyBytes_AsStringAndSize(payload, &bytes, &size) < 0)
        return NULL;
    if (size < SHORT)
        head[1] = (unsigned char)size;
    else {
        head[1] = size < 65536 ? MEDIUM : LONG;
        head_size = size < 65536 ? 4 : 10;
        for (i = 0; i < head_size - 2; i++)
            head[head_size - 1 - i] = (unsigned char)((uint64_t)size >> 8 * i);
    }
    result = PyBytes_FromStringAndSize(NULL, head_size + size);
    if (result == NULL)
        return NULL;
    to = PyBytes_AsString(result);
    memcpy(to, head, head_size);
    memcpy(to + head_size, bytes, size);
    return result;
}

/* What frames.py says of these; they are the same there. */
enum { MAX_DEPTH = 250, MAX_CONTAINERS = 50000, BYTES_EACH = 20 };
enum { MAX_DIGITS = 400 };
enum { WITHIN, TOO_DEEP, TOO_MANY, TOO_LONG };

static Py_ssize_t most_containers(Py_ssize_t n)
{
    return n / BYTES_EACH > MAX_CONTAINERS ? n / BYTES_EACH : MAX_CONTAINERS;
}

/* Returns how often the character stands there, up to one more than `most`: memchr is six times as fast as a loop. */
static Py_ssize_t count_up_to(Py_ssize_t most, const char *text, Py_ssize_t n, char character)
{
    const char *at = text, *end = text + n;
    Py_ssize_t count = 0;

    while (count <= most && at < end && (at = memchr(at, character, (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

static int is_digit_at(const char *text, Py_ssize_t n, Py_ssize_t at)
{
    return at >= 0 && at < n && text[at] >= '0' && text[at] <= '9';
}

/* So many digits cannot stand between two places that are looked at; those around a digit there are counted. */
static int has_many_digits(const char *text, Py_ssize_t n)
{
    Py_ssize_t at, first, last;

    for (at = MAX_DIGITS; at < n; at += MAX_DIGITS + 1)
        if (is_digit_at(text, n, at)) {
            for (first = at; is_digit_at(text, n, first - 1) && at - first <= MAX_DIGITS; first--)
                ;
            for (last = at; is_digit_at(text, n, last + 1) && last - first < MAX_DIGITS; last++)
                ;
            if (last - first >= MAX_DIGITS)
                return 1;
        }
    return 0;
}

static int has_long_number(const char *text, Py_ssize_t n)
{
    Py_ssize_t i, digits = 0;

    if (!has_many_digits(text, n))
        return 0;
    for (i = 0; i < n; i++) { /* they may be those of a string */
        digits = is_digit_at(text, n, i) ? digits + 1 : 0;
        if (digits > MAX_DIGITS)
            return 1;
        if (text[i] == '"')
            for (i++; i < n && text[i] != '"'; i++)
                i += text[i] == '\\';
    }
    return 0;
}

/* Nearly every text is short, or has few brackets: only others are looked at more closely. */
static int json_bounds(const char *text, Py_ssize_t n)
{
    Py_ssize_t i, most = most_containers(n), containers = 0, depth = 0;

    if (n <= MAX_DEPTH)
        return WITHIN;
    if (has_long_number(text, n))
        return TOO_LONG;
    if (count_up_to(MAX_DEPTH, text, n, '[') + count_up_to(MAX_DEPTH, text, n, '{') <= MAX_DEPTH)
        return WITHIN;
    for (i = 0; i < n; i++)
        switch (text[i]) {
        case '"':
            for (i++; i < n && text[i] != '"'; i++)
                i += text[i] == '\\';
            break;
        case '[':
        case '{':
            if (++depth > MAX_DEPTH)
                return TOO_DEEP;
            if (++containers > most)
                return TOO_MANY;
            break;
        case ']':
        case '}':
            depth--;
        }
    return WITHIN;
}

/* Takes str or bytes; -1 with an exception for anything else. */
static int bounds_of_text(PyObject *text)
{
    char *bytes;
    const char *utf8;
    Py_ssize_t n;

    if (PyBytes_Check(text)) {
        if (PyBytes_AsStringAndSize(text, &bytes, &n) < 0)
            return -1;
        return json_bounds(bytes, n);
    }
    utf8 = PyUnicode_AsUTF8AndSize(text, &n);
    if (utf8 != NULL)
        return json_bounds(utf8, n);
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return -1;
    PyErr_Clear(); /* a lone surrogate: the reader says so */
    return WITHIN;
}

static PyObject *text_bounds(PyObject *module, PyObject *text)
{
    int bounds = bounds_of_text(text);

    (void)module;
    return bounds < 0 ? NULL : PyLong_FromLong(bounds);
}

/* How many bytes a head of MessagePack announces behind itself: those of its number, and those of its content. */
static int packed_number(const unsigned char *data, Py_ssize_t n, Py_ssize_t *at, int bytes, uint64_t *number)
{
    if (n - *at < bytes)
        return 0;
    for (*number = 0; bytes > 0; bytes--)
        *number = *number << 8 | data[(*at)++];
    return 1;
}

static int msgpack_bounds(const unsigned char *data, Py_ssize_t n)
{
    uint64_t left[MAX_DEPTH + 1], number;
    Py_ssize_t most = most_containers(n), containers = 0, at = 0;
    int depth = 0, is_container;

    left[0] = 1;
    for (;;) {
        unsigned char head;

        while (left[depth] == 0)
            if (depth-- == 0)
                return WITHIN;
        left[depth]--;
        if (at >= n)
            return WITHIN; /* cut short: the reader says so, here as below */
        head = data[at++];
        is_container = 0;
        number = 0;
        if (head < 0x80 || head >= 0xe0)
            continue;
        if (head < 0xa0) {
            is_container = 1;
            number = head < 0x90 ? 2 * (head & 15) : head & 15;
        } else if (head < 0xc0) {
            number = head & 31;
        } else if (head <= 0xc3) {
            continue;
        } else if (head <= 0xc6) { /* binary content */
            if (!packed_number(data, n, &at, 1 << (head - 0xc4), &number))
                return WITHIN;
        } else if (head <= 0xc9) { /* an extension */
            if (!packed_number(data, n, &at, 1 << (head - 0xc7), &number))
                return WITHIN;
            number++;
        } else if (head <= 0xcb) { /* floats */
            number = head == 0xca ? 4 : 8;
        } else if (head <= 0xd3) { /* integers */
            number = 1 << (head & 3);
        } else if (head <= 0xd8) { /* extensions without a length */
            number = 1 + (1 << (head - 0xd4));
        } else if (head <= 0xdb) { /* strings */
            if (!packed_number(data, n, &at, 1 << (head - 0xd9), &number))
                return WITHIN;
        } else {
            if (!packed_number(data, n, &at, head & 1 ? 4 : 2, &number))
                return WITHIN;
            is_container = 1;
            if (head >= 0xde)
                number *= 2;
        }
        if (is_container) {
            if (++containers > most)
                return TOO_MANY;
            if (depth == MAX_DEPTH)
                return TOO_DEEP;
            left[++depth] = number;
        } else if (number > (uint64_t)(n - at)) {
            return WITHIN;
        } else {
            at += (Py_ssize_t)number;
        }
    }
}

static PyObject *packed_bounds(PyObject *module, PyObject *data)
{
    char *bytes;
    Py_ssize_t n;

    (void)module;
    if (PyBytes_AsStringAndSize(data, &bytes, &n) < 0)
        return NULL;
    return PyLong_FromLong(msgpack_bounds((const unsigned char *)bytes, n));
}

/* Reads digits from `at`, MOST_DIGITS of them at most; returns where they end. */
static Py_ssize_t read_number(PyObject *text, Py_ssize_t at, Py_ssize_t n, long long *number)
{
    Py_ssize_t end = n - at > MOST_DIGITS ? at + MOST_DIGITS : n;

    for (*number = 0; at < end; at++) {
        Py_UCS4 c = PyUnicode_ReadChar(text, at);

        if (c < '0' || c > '9')
            break;
        *number = *number * 10 + (c - '0');
    }
    return at;
}

/* Returns where this piece of ASCII ends, if it stands at `at`, else -1. */
static Py_ssize_t skip(PyObject *text, Py_ssize_t at, Py_ssize_t n, const char *piece)
{
    for (; *piece != 0; piece++, at++)
        if (at >= n || PyUnicode_ReadChar(text, at) != (Py_UCS4)*piece)
            return -1;
    return at;
}

/* Instead of Py_RETURN_NONE, which in the headers of 3.12 and 3.13 counts on a None that is never freed. What they
   compile runs on 3.11 too, where each use would take a reference away, until Python ends. */
static PyObject *none(void)
{
    return Py_NewRef(Py_None);
}

static PyObject *id_or_none(int is_there, long long number)
{
    if (is_there)
        return PyLong_FromLongLong(number);
    return none();
}

/* Takes the references, of which any may be NULL: then something has failed, and so does this. */
static PyObject *tuple_of(PyObject **items, Py_ssize_t count)
{
    PyObject *result = PyTuple_New(count);
    Py_ssize_t i;
    int failed = result == NULL;

    for (i = 0; i < count; i++)
        failed |= items[i] == NULL;
    for (i = 0; i < count; i++)
        if (failed)
            Py_XDECREF(items[i]);
        else
            PyTuple_SetItem(result, i, items[i]);
    if (failed)
        Py_CLEAR(result);
    return result;
}

/* Tells whether JSON of about this length is beyond the bounds, and drops it then. It may be NULL. */
static int is_beyond(PyObject *text, Py_ssize_t length)
{
    if (length <= MAX_DEPTH || text == NULL || bounds_of_text(text) == WITHIN)
        return 0;
    Py_DECREF(text);
    return 1;
}

static PyObject *split_event(PyObject *module, PyObject *text)
{
    Py_ssize_t n = PyUnicode_GetLength(text), bracket;
    long long number;
    PyObject *items[2];

    (void)module;
    if (n < 0)
        return NULL;
    if (skip(text, 0, n, "42") < 0)
        return none();
    bracket = read_number(text, 2, n, &number);
    if (skip(text, bracket, n, "[") < 0)
        return none();
    items[1] = PyUnicode_Substring(text, bracket, n);
    if (is_beyond(items[1], n))
        return none();
    items[0] = id_or_none(bracket > 2, number);
    return tuple_of(items, 2);
}

static PyObject *split_event_1(PyObject *module, PyObject *text)
{
    Py_ssize_t n = PyUnicode_GetLength(text), at, name, name_end;
    long long number;
    int has_id;
    PyObject *items[3];

    (void)module;
    if (n < 0)
        return NULL;
    if (skip(text, 0, n, "5:") < 0)
        return none();
    at = read_number(text, 2, n, &number);
    has_id = at > 2;
    name = skip(text, at, n, has_id ? "+::{\"name\":\"" : "::{\"name\":\"");
    if (name < 0)
        return none();
    for (name_end = name; name_end < n; name_end++) {
        Py_UCS4 c = PyUnicode_ReadChar(text, name_end);

        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            break;
    }
    at = skip(text, name_end, n, "\",\"args\":[");
    if (at < 0 || skip(text, n - 2 < at ? at : n - 2, n, "]}") < 0)
        return none();
    items[2] = PyUnicode_Substring(text, at - 1, n - 1);
    if (is_beyond(items[2], n))
        return none();
    items[0] = id_or_none(has_id, number);
    items[1] = PyUnicode_Substring(text, name, name_end);
    return tuple_of(items, 3);
}

static PyMethodDef methods[] = {
    {"cut", (PyCFunction)(void (*)(void))cut, METH_FASTCALL, "Cut short text frames; see frames.py."},
    {"unmask", (PyCFunction)(void (*)(void))unmask, METH_FASTCALL, "Exclusive-or with a mask; see frames.py."},
    {"text_frame", text_frame, METH_O, "Make a text message; see frames.py."},
    {"split_event", split_event, METH_O, "Split an event's text; see frames.py."},
    {"split_event_1", split_event_1, METH_O, "Split the text of an event of 0.9; see frames.py."},
    {"text_bounds", text_bounds, METH_O, "Hold JSON against its bounds; see frames.py."},
    {"packed_bounds", packed_bounds, METH_O, "Hold MessagePack against its bounds; see frames.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_frames",
    .m_doc = "What is done for each message of a WebSocket, compiled.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__frames(void)
{
    return PyModule_Create(&module);
}
