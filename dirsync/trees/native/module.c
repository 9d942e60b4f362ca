/* Small files for Python: dirsync.trees.native._small. */
#define PY_SSIZE_T_CLEAN /* lengths of y# */
#include <Python.h>

#include "small.h"

#include <stdlib.h>
#include <string.h>

/* Taking what is given. Each gives 0, or -1 with an exception. */

static int take_making(PyObject *given, struct making *how)
{
    int gives_owner, same_group, sets_mtime, attributes, sparse, places, names;
    unsigned int bits;
    Py_ssize_t most_bytes;
    if (!PyArg_ParseTuple(given, "pppppInpp:making", &gives_owner, &same_group, &sets_mtime, &attributes, &sparse,
                          &bits, &most_bytes, &places, &names))
        return -1;
    *how = (struct making){
        .gives_owner = gives_owner,
        .same_group = same_group,
        .sets_mtime = sets_mtime,
        .attributes = attributes,
        .sparse = sparse,
        .bits = bits,
        .most_bytes = most_bytes < 0 ? 0 : (size_t)most_bytes,
        .places = places,
        .names = names,
    };
    return 0;
}

/* Point to names that are joined by NUL; each ends with one, the last with that behind all bytes. */
static int take_names(const char *names, Py_ssize_t length, const char **name, size_t count)
{
    const char *at = names, *end = names + length;
    for (size_t each = 0; each < count; each++) {
        if (at > end) {
            PyErr_SetString(PyExc_ValueError, "fewer names than files");
            return -1;
        }
        name[each] = at;
        at += strlen(at) + 1;
    }
    if (count == 0 || at != end + 1) {
        PyErr_SetString(PyExc_ValueError, "more names than files");
        return -1;
    }
    return 0;
}

/* What files are made of, which the caller keeps alive. */
struct given {
    const char *names, *random, *expected;
    Py_ssize_t names_length, random_length, expected_length;
};

static size_t count_of(const struct given *given)
{
    return (size_t)given->random_length / RANDOM_BYTES;
}

/* Point to what is expected of the n-th; NULL: nothing is. */
static const unsigned char *expected_of(const char *expected, size_t at)
{
    static const unsigned char no_mode[4];
    const unsigned char *each = (const unsigned char *)expected + at * EXPECTED_BYTES;
    return memcmp(each, no_mode, sizeof no_mode) == 0 ? NULL : each;
}

/* Make files of what is given. NULL: an exception is set. */
static struct made *take_files(const struct given *given)
{
    size_t count = count_of(given);
    if (given->expected_length != 0 && (size_t)given->expected_length != count * EXPECTED_BYTES) {
        PyErr_SetString(PyExc_ValueError, "what is expected has to be said of each file, or of none");
        return NULL;
    }
    struct made *files = calloc(count + 1, sizeof *files);
    const char **name = calloc(count + 1, sizeof *name);
    if (files == NULL || name == NULL) {
        PyErr_NoMemory();
    } else if (take_names(given->names, given->names_length, name, count) == 0) {
        for (size_t at = 0; at < count; at++) {
            files[at].name = name[at];
            files[at].random = (const unsigned char *)given->random + at * RANDOM_BYTES;
            if (given->expected_length != 0)
                files[at].expected = expected_of(given->expected, at);
        }
        free(name);
        return files;
    }
    free(name);
    free(files);
    return NULL;
}

/* Take files' rows, and point to their data, which lie one behind another. 0, or -1 with an exception. */
static int take_rows(struct made *files, size_t count, const unsigned char *rows, const unsigned char *data,
                     size_t room)
{
    for (size_t at = 0; at < count; at++) {
        if (!take_row(rows + at * ROW_BYTES, &files[at]) || files[at].length > room) {
            PyErr_SetString(PyExc_ValueError, "fewer data than the files have");
            return -1;
        }
        files[at].data = data;
        data += files[at].length;
        room -= files[at].length;
    }
    return 0;
}

/* Giving what came of it */

/* Give a byte for each of `count` endings that are `apart` bytes from one to the next. */
static PyObject *bytes_of(const enum ended *ended, size_t apart, size_t count)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    if (bytes != NULL) {
        char *each = PyBytes_AsString(bytes);
        for (size_t at = 0; at < count; at++)
            each[at] = (char)*(const enum ended *)((const char *)ended + at * apart);
    }
    return bytes;
}

/* How each file of an array ended. */
#define ENDED_OF(files, count) bytes_of(&(files)->ended, sizeof *(files), count)

static PyObject *identity(uint64_t device, uint64_t inode)
{
    return Py_BuildValue("(KK)", (unsigned long long)device, (unsigned long long)inode);
}

static PyObject *copy_of(const struct made *file)
{
    return identity(file->device, file->inode);
}

static PyObject *origin_of(const struct made *file)
{
    return file->is_alone ? Py_BuildValue("") : identity(file->source_device, file->source_inode);
}

/* Tell something of each file, or, if that is not to be, of none. */
static PyObject *of_each(PyObject *(*tell)(const struct made *), const struct made *files, size_t count, bool is_told)
{
    PyObject *list = PyList_New(is_told ? (Py_ssize_t)count : 0);
    for (size_t at = 0; is_told && list != NULL && at < count; at++) {
        PyObject *told = tell(&files[at]);
        if (told == NULL || PyList_SetItem(list, (Py_ssize_t)at, told) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *told_of(const struct making *how, const struct made *files, size_t count)
{
    size_t bytes = 0;
    for (size_t at = 0; at < count; at++)
        bytes += files[at].bytes;
    PyObject *ended = ENDED_OF(files, count);
    PyObject *copies = of_each(copy_of, files, count, !how->places || how->names);
    PyObject *origins = of_each(origin_of, files, count, how->names);
    if (ended != NULL && copies != NULL && origins != NULL)
        return Py_BuildValue("(NnNN)", ended, (Py_ssize_t)bytes, copies, origins);
    Py_XDECREF(ended);
    Py_XDECREF(copies);
    Py_XDECREF(origins);
    return NULL;
}

#define TELLS                                                                                             \
    "Gives a byte for each that was tried, which are the first, 1 where it is done; how many bytes were\n" \
    "written; without `places`, or with `names`, which (device, inode) each is; and with `names`, which\n"   \
    "each was made of, None where that has no other name.\n"                                               \
    "Other threads run meanwhile.\n\n"                                                                     \
    "Raises:\n    ValueError: there are not as many names as temporary ones.\n    MemoryError: there is none left."

PyDoc_STRVAR(copy_doc, "copy($module, making, source, destination, names, random, expected, /)\n--\n\n"
                       "Copy files of one open directory to another: small.h. `names` are joined by NUL,\n"
                       "`random` has 8 bytes for the temporary name of each, `expected` says what each replaces\n"
                       "(empty: all names are free).\n\n" TELLS);

static PyObject *native_copy(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *making;
    int source, destination;
    struct given given;
    struct making how;
    if (!PyArg_ParseTuple(arguments, "O!iiy#y#y#:copy", &PyTuple_Type, &making, &source, &destination, &given.names,
                          &given.names_length, &given.random, &given.random_length, &given.expected,
                          &given.expected_length) ||
        take_making(making, &how) != 0)
        return NULL;
    struct made *files = take_files(&given);
    if (files == NULL)
        return NULL;
    size_t tried;
    Py_BEGIN_ALLOW_THREADS
    tried = copy_files(&how, source, destination, files, count_of(&given));
    Py_END_ALLOW_THREADS
    PyObject *told = told_of(&how, files, tried);
    free(files);
    return told;
}

PyDoc_STRVAR(write_doc, "write($module, making, destination, names, rows, data, start, random, expected, /)\n--\n\n"
                        "Write files to an open directory: small.h. `names` are joined by NUL; `rows` are the files'\n"
                        "statuses, `data` from `start` on what they hold, one behind another; `random` and\n"
                        "`expected` as for copy.\n\n" TELLS);

static PyObject *native_write(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *making;
    int destination;
    const char *rows, *data;
    Py_ssize_t rows_length, data_length, start;
    struct given given;
    struct making how;
    if (!PyArg_ParseTuple(arguments, "O!iy#y#y#ny#y#:write", &PyTuple_Type, &making, &destination, &given.names,
                          &given.names_length, &rows, &rows_length, &data, &data_length, &start, &given.random,
                          &given.random_length, &given.expected, &given.expected_length) ||
        take_making(making, &how) != 0)
        return NULL;
    size_t count = count_of(&given);
    if ((size_t)rows_length != count * ROW_BYTES || start < 0 || start > data_length) {
        PyErr_SetString(PyExc_ValueError, "a row and data for each file are needed");
        return NULL;
    }
    struct made *files = take_files(&given);
    if (files == NULL)
        return NULL;
    PyObject *told = NULL;
    if (take_rows(files, count, (const unsigned char *)rows, (const unsigned char *)data + start,
                  (size_t)(data_length - start)) == 0) {
        size_t tried;
        Py_BEGIN_ALLOW_THREADS
        tried = write_files(&how, destination, files, count);
        Py_END_ALLOW_THREADS
        told = told_of(&how, files, tried);
    }
    free(files);
    return told;
}

PyDoc_STRVAR(place_doc, "place($module, destination, temporaries, names, count, /)\n--\n\n"
                        "Give files that are under their temporary names theirs: small.h. Names are joined by NUL.\n\n"
                        "Gives a byte for each, 1 where it has its name; another is where it was.\n"
                        "Other threads run meanwhile.\n\n"
                        "Raises:\n    ValueError: there are not so many names.\n    MemoryError: there is none left.");

static PyObject *place_names(int destination, const char *const *temporaries, const char *const *names, size_t count)
{
    struct placed *files = calloc(count, sizeof *files);
    if (files == NULL)
        return PyErr_NoMemory();
    for (size_t at = 0; at < count; at++)
        files[at] = (struct placed){.temporary = temporaries[at], .name = names[at]};
    Py_BEGIN_ALLOW_THREADS
    place_files(destination, files, count);
    Py_END_ALLOW_THREADS
    PyObject *ended = ENDED_OF(files, count);
    free(files);
    return ended;
}

static PyObject *native_place(PyObject *module, PyObject *arguments)
{
    (void)module;
    int destination;
    const char *temporaries, *names;
    Py_ssize_t temporaries_length, length, count;
    if (!PyArg_ParseTuple(arguments, "iy#y#n:place", &destination, &temporaries, &temporaries_length, &names, &length,
                          &count))
        return NULL;
    if (count < 1 || count > length + 1) {
        PyErr_SetString(PyExc_ValueError, "fewer names than files");
        return NULL;
    }
    const char **both = calloc((size_t)count * 2, sizeof *both);
    if (both == NULL)
        return PyErr_NoMemory();
    PyObject *ended = NULL;
    if (take_names(temporaries, temporaries_length, both, (size_t)count) == 0 &&
        take_names(names, length, both + count, (size_t)count) == 0)
        ended = place_names(destination, both, both + count, (size_t)count);
    free(both);
    return ended;
}

PyDoc_STRVAR(link_doc, "link($module, source, leading, destination, names, leaders, models, random, /)\n--\n\n"
                       "Link names of one directory to files that have others: small.h. Names are joined by NUL.\n\n"
                       "Gives a byte for each, 1 where it is linked.\n"
                       "Other threads run meanwhile.\n\n"
                       "Raises:\n    ValueError: there are not as many of each.\n    MemoryError: there is none left.");

static PyObject *link_names(int source, int leading, int destination, struct link *files, size_t count)
{
    Py_BEGIN_ALLOW_THREADS
    link_files(source, leading, destination, files, count);
    Py_END_ALLOW_THREADS
    return ENDED_OF(files, count);
}

static PyObject *native_link(PyObject *module, PyObject *arguments)
{
    (void)module;
    int source, leading, destination;
    const char *names, *leaders, *models, *random;
    Py_ssize_t names_length, leaders_length, models_length, random_length;
    if (!PyArg_ParseTuple(arguments, "iiiy#y#y#y#:link", &source, &leading, &destination, &names, &names_length, &leaders,
                          &leaders_length, &models, &models_length, &random, &random_length))
        return NULL;
    size_t count = (size_t)random_length / RANDOM_BYTES;
    if ((size_t)models_length != count * MODEL_BYTES || (size_t)random_length != count * RANDOM_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a model and a temporary name for each file are needed");
        return NULL;
    }
    const char **both = calloc(count * 2 + 1, sizeof *both);
    struct link *files = calloc(count + 1, sizeof *files);
    PyObject *ended = NULL;
    if (both == NULL || files == NULL) {
        PyErr_NoMemory();
    } else if (take_names(names, names_length, both, count) == 0 &&
               take_names(leaders, leaders_length, both + count, count) == 0) {
        for (size_t at = 0; at < count; at++)
            files[at] = (struct link){.name = both[at],
                                      .leading = both[count + at],
                                      .model = (const unsigned char *)models + at * MODEL_BYTES,
                                      .random = (const unsigned char *)random + at * RANDOM_BYTES};
        ended = link_names(source, leading, destination, files, count);
    }
    free(both);
    free(files);
    return ended;
}

PyDoc_STRVAR(alter_doc, "alter($module, altering, source, destination, names, expected, wanted, /)\n--\n\n"
                        "Set the metadata of what is in an open directory: small.h. `names` are joined by NUL.\n"
                        "Of a directory nothing is `expected`: zeros.\n\n"
                        "Gives a byte for each that was tried, which are the first, 1 where it is done.\n"
                        "Other threads run meanwhile.\n\n"
                        "Raises:\n    ValueError: there are not as many of each.\n    MemoryError: there is none left.");

static PyObject *alter_names(const struct altering *how, int source, int destination, struct altered *files,
                             size_t count)
{
    size_t tried;
    Py_BEGIN_ALLOW_THREADS
    tried = alter_files(how, source, destination, files, count);
    Py_END_ALLOW_THREADS
    return ENDED_OF(files, tried);
}

static PyObject *native_alter(PyObject *module, PyObject *arguments)
{
    (void)module;
    int sets_mode, sets_mtime, attributes, source, destination;
    const char *names, *expected, *wanted;
    Py_ssize_t names_length, expected_length, wanted_length;
    if (!PyArg_ParseTuple(arguments, "(ppp)iiy#y#y#:alter", &sets_mode, &sets_mtime, &attributes, &source, &destination,
                          &names, &names_length, &expected, &expected_length, &wanted, &wanted_length))
        return NULL;
    struct altering how = {.sets_mode = sets_mode, .sets_mtime = sets_mtime, .attributes = attributes};
    size_t count = (size_t)wanted_length / WANTED_BYTES;
    if ((size_t)wanted_length != count * WANTED_BYTES || (size_t)expected_length != count * EXPECTED_BYTES) {
        PyErr_SetString(PyExc_ValueError, "what each file is and is to be are needed");
        return NULL;
    }
    const char **name = calloc(count + 1, sizeof *name);
    struct altered *files = calloc(count + 1, sizeof *files);
    PyObject *ended = NULL;
    if (name == NULL || files == NULL) {
        PyErr_NoMemory();
    } else if (take_names(names, names_length, name, count) == 0) {
        for (size_t at = 0; at < count; at++)
            files[at] = (struct altered){.name = name[at],
                                         .expected = expected_of(expected, at),
                                         .wanted = (const unsigned char *)wanted + at * WANTED_BYTES};
        ended = alter_names(&how, source, destination, files, count);
    }
    free(name);
    free(files);
    return ended;
}

/* Put the rows of the files that were read into `rows`. One whose times are out of range is left. */
static size_t put_rows(struct read_file *files, size_t count, unsigned char *rows, unsigned char *buffer)
{
    size_t put = 0, used = 0;
    for (size_t at = 0; at < count; at++) {
        struct read_file *file = &files[at];
        if (file->ended != DONE || !put_row(&file->status, rows + put * ROW_BYTES)) {
            file->ended = LEFT;
            continue;
        }
        size_t size = (size_t)file->status.st_size;
        if (used != file->at)
            memmove(buffer + used, buffer + file->at, size);
        used += size;
        put++;
    }
    return put;
}

static PyObject *read_told(const struct read_file *files, size_t count, const unsigned char *rows, size_t put,
                           const unsigned char *buffer)
{
    size_t bytes = 0;
    for (size_t at = 0; at < count; at++)
        bytes += files[at].ended == DONE ? (size_t)files[at].status.st_size : 0;
    PyObject *ended = ENDED_OF(files, count);
    if (ended == NULL)
        return NULL;
    return Py_BuildValue("(Ny#y#)", ended, (const char *)rows, (Py_ssize_t)(put * ROW_BYTES), (const char *)buffer,
                         (Py_ssize_t)bytes);
}

static PyObject *read_names(int fd, const char **names, size_t count, size_t most_bytes, bool attributes, size_t room)
{
    room += most_bytes + 1;
    struct read_file *files = calloc(count, sizeof *files);
    unsigned char *buffer = malloc(room), *rows = malloc(count * ROW_BYTES);
    PyObject *told = NULL;
    if (files == NULL || buffer == NULL || rows == NULL) {
        PyErr_NoMemory();
    } else {
        for (size_t at = 0; at < count; at++)
            files[at].name = names[at];
        size_t looked_at, put;
        Py_BEGIN_ALLOW_THREADS
        looked_at = read_files(fd, files, count, most_bytes, attributes, buffer, room);
        put = put_rows(files, looked_at, rows, buffer);
        Py_END_ALLOW_THREADS
        told = read_told(files, looked_at, rows, put, buffer);
    }
    free(rows);
    free(buffer);
    free(files);
    return told;
}

PyDoc_STRVAR(read_doc, "read($module, fd, names, count, most_bytes, attributes, room, /)\n--\n\n"
                       "Read files of an open directory: small.h. `names` are joined by NUL.\n\n"
                       "Goes on until there are `room` bytes or some more, for one file at least. Gives a byte for each\n"
                       "that was looked at, 1 where it was read; of those the rows, and the data, one behind another.\n"
                       "`attributes`: a file that has any is left.\n"
                       "Other threads run meanwhile.\n\n"
                       "Raises:\n    ValueError: there are not so many names.\n    MemoryError: there is none left.");

static PyObject *native_read(PyObject *module, PyObject *arguments)
{
    (void)module;
    int fd, attributes;
    const char *names;
    Py_ssize_t length, count, most_bytes, room;
    if (!PyArg_ParseTuple(arguments, "iy#nnpn:read", &fd, &names, &length, &count, &most_bytes, &attributes, &room))
        return NULL;
    if (count < 1 || count > length + 1 || most_bytes < 0 || room < 0) {
        PyErr_SetString(PyExc_ValueError, "not so many names, or a number below zero");
        return NULL;
    }
    const char **name = calloc((size_t)count, sizeof *name);
    if (name == NULL)
        return PyErr_NoMemory();
    PyObject *told = NULL;
    if (take_names(names, length, name, (size_t)count) == 0)
        told = read_names(fd, name, (size_t)count, (size_t)most_bytes, attributes, (size_t)room);
    free(name);
    return told;
}

static PyMethodDef methods[] = {
    {"copy", native_copy, METH_VARARGS, copy_doc},
    {"write", native_write, METH_VARARGS, write_doc},
    {"place", native_place, METH_VARARGS, place_doc},
    {"link", native_link, METH_VARARGS, link_doc},
    {"alter", native_alter, METH_VARARGS, alter_doc},
    {"read", native_read, METH_VARARGS, read_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dirsync.trees.native._small",
    .m_doc = "Make and read small files with the interpreter lock released: small.h.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__small(void)
{
    return PyModuleDef_Init(&definition);
}
