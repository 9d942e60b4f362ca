/* Small files for Python: dirsync.trees.native._small. */
#define PY_SSIZE_T_CLEAN /* lengths of y# */
#include <Python.h>

#include "small.h"

#include <stdlib.h>
#include <string.h>

/* Taking what is given. Each gives 0, or -1 with an exception. */

static int take_making(PyObject *given, struct making *how)
{
    int gives_owner, same_group, sets_mtime, attributes, sparse, places;
    unsigned int bits;
    Py_ssize_t most_bytes;
    if (!PyArg_ParseTuple(given, "pppppInp:making", &gives_owner, &same_group, &sets_mtime, &attributes, &sparse,
                          &bits, &most_bytes, &places))
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

/* Make files of names, which the caller keeps alive, and of random bytes. NULL: an exception is set. */
static struct made *take_files(const char *names, Py_ssize_t length, const char *random, Py_ssize_t random_length)
{
    size_t count = (size_t)random_length / RANDOM_BYTES;
    struct made *files = calloc(count + 1, sizeof *files);
    const char **name = calloc(count + 1, sizeof *name);
    if (files == NULL || name == NULL) {
        PyErr_NoMemory();
    } else if (take_names(names, length, name, count) == 0) {
        for (size_t at = 0; at < count; at++) {
            files[at].name = name[at];
            files[at].random = (const unsigned char *)random + at * RANDOM_BYTES;
        }
        free(name);
        return files;
    }
    free(name);
    free(files);
    return NULL;
}

static int take_arrived(PyObject *given, struct made *file)
{
    const char *data;
    Py_ssize_t length;
    unsigned int mode, uid, gid;
    long long mtime_ns;
    if (!PyArg_ParseTuple(given, "yy#IIIL:file", &file->name, &data, &length, &mode, &uid, &gid, &mtime_ns))
        return -1;
    long long seconds = mtime_ns / 1000000000, ns = mtime_ns % 1000000000;
    if (ns < 0) { /* before 1970 */
        ns += 1000000000;
        seconds--;
    }
    file->data = (const unsigned char *)data;
    file->length = (size_t)length;
    file->mode = mode;
    file->uid = uid;
    file->gid = gid;
    file->mtime = (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)ns};
    return 0;
}

/* Giving what came of it */

static PyObject *ended_of(const struct made *files, size_t count)
{
    PyObject *ended = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    if (ended != NULL) {
        char *each = PyBytes_AsString(ended);
        for (size_t at = 0; at < count; at++)
            each[at] = (char)files[at].ended;
    }
    return ended;
}

static PyObject *identities_of(const struct made *files, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t at = 0; list != NULL && at < count; at++) {
        PyObject *identity = Py_BuildValue("(KK)", (unsigned long long)files[at].device,
                                           (unsigned long long)files[at].inode);
        if (identity == NULL || PyList_SetItem(list, (Py_ssize_t)at, identity) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *told_of(const struct making *how, const struct made *files, size_t count)
{
    size_t bytes = 0;
    for (size_t at = 0; at < count; at++)
        bytes += files[at].bytes;
    PyObject *identities = how->places ? Py_BuildValue("[]") : identities_of(files, count);
    if (identities == NULL)
        return NULL;
    return Py_BuildValue("(NnN)", ended_of(files, count), (Py_ssize_t)bytes, identities);
}

#define TELLS                                                                                             \
    "Gives a byte for each that was tried, which are the first, 1 where it is done; how many bytes were\n" \
    "written; and, without `places`, which (device, inode) each is.\n"                                                                           \
    "Other threads run meanwhile.\n\n"                                                                     \
    "Raises:\n    ValueError: there are not as many names as temporary ones.\n    MemoryError: there is none left."

PyDoc_STRVAR(copy_doc, "copy($module, making, source, destination, names, random, /)\n--\n\n"
                       "Copy files of one open directory to another: small.h. `names` are joined by NUL,\n"
                       "`random` has 8 bytes for the temporary name of each.\n\n" TELLS);

static PyObject *native_copy(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *given;
    int source, destination;
    const char *names, *random;
    Py_ssize_t length, random_length;
    struct making how;
    if (!PyArg_ParseTuple(arguments, "O!iiy#y#:copy", &PyTuple_Type, &given, &source, &destination, &names, &length,
                          &random, &random_length) ||
        take_making(given, &how) != 0)
        return NULL;
    struct made *files = take_files(names, length, random, random_length);
    if (files == NULL)
        return NULL;
    size_t tried;
    Py_BEGIN_ALLOW_THREADS
    tried = copy_files(&how, source, destination, files, (size_t)random_length / RANDOM_BYTES);
    Py_END_ALLOW_THREADS
    PyObject *told = told_of(&how, files, tried);
    free(files);
    return told;
}

PyDoc_STRVAR(write_doc, "write($module, making, destination, files, random, /)\n--\n\n"
                        "Write files to an open directory: small.h. Each of the tuple is (name, data, mode, uid,\n"
                        "gid, mtime_ns); `random` has 8 bytes for the temporary name of each.\n\n" TELLS);

static PyObject *native_write(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *given, *arrived; /* a tuple of tuples: no other thread can take anything out meanwhile */
    int destination;
    const char *random;
    Py_ssize_t random_length;
    struct making how;
    if (!PyArg_ParseTuple(arguments, "O!iO!y#:write", &PyTuple_Type, &given, &destination, &PyTuple_Type, &arrived,
                          &random, &random_length) ||
        take_making(given, &how) != 0)
        return NULL;
    size_t count = (size_t)PyTuple_Size(arrived);
    if ((size_t)random_length != count * RANDOM_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a temporary name for each file is needed");
        return NULL;
    }
    struct made *files = calloc(count + 1, sizeof *files);
    if (files == NULL)
        return PyErr_NoMemory();
    PyObject *told = NULL;
    size_t taken = 0;
    for (; taken < count && take_arrived(PyTuple_GetItem(arrived, (Py_ssize_t)taken), &files[taken]) == 0; taken++)
        files[taken].random = (const unsigned char *)random + taken * RANDOM_BYTES;
    if (taken == count) {
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
    PyObject *ended = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    if (files == NULL || ended == NULL) {
        free(files);
        Py_XDECREF(ended);
        return PyErr_NoMemory();
    }
    for (size_t at = 0; at < count; at++)
        files[at] = (struct placed){.temporary = temporaries[at], .name = names[at]};
    Py_BEGIN_ALLOW_THREADS
    place_files(destination, files, count);
    Py_END_ALLOW_THREADS
    char *each = PyBytes_AsString(ended);
    for (size_t at = 0; at < count; at++)
        each[at] = (char)files[at].ended;
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

/* Make (data, (mode, size, mtime_ns, …)), in the order of a Status of dirsync/wire/asks.py; None: it was left. */
static PyObject *seen_of(const struct read_file *file, const unsigned char *buffer)
{
    const struct stat *status = &file->status;
    long long mtime_ns, ctime_ns;
    if (file->ended != DONE || __builtin_mul_overflow((long long)status->st_mtim.tv_sec, 1000000000LL, &mtime_ns) ||
        __builtin_add_overflow(mtime_ns, (long long)status->st_mtim.tv_nsec, &mtime_ns) ||
        __builtin_mul_overflow((long long)status->st_ctim.tv_sec, 1000000000LL, &ctime_ns) ||
        __builtin_add_overflow(ctime_ns, (long long)status->st_ctim.tv_nsec, &ctime_ns))
        return Py_BuildValue("");
    return Py_BuildValue("(y#(ILLLIIKKKL))", (const char *)buffer + file->at, (Py_ssize_t)status->st_size,
                         status->st_mode, (long long)status->st_size, mtime_ns, ctime_ns, status->st_uid,
                         status->st_gid, (unsigned long long)status->st_ino, (unsigned long long)status->st_dev,
                         (unsigned long long)status->st_nlink, (long long)status->st_blocks);
}

static PyObject *list_of_seen(const struct read_file *files, size_t count, const unsigned char *buffer)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t at = 0; list != NULL && at < count; at++) {
        PyObject *seen = seen_of(&files[at], buffer);
        if (seen == NULL || PyList_SetItem(list, (Py_ssize_t)at, seen) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *read_names(int fd, const char **names, size_t count, size_t most_bytes, bool attributes, size_t room)
{
    struct read_file *files = calloc(count, sizeof *files);
    unsigned char *buffer = malloc(room + most_bytes + 1);
    PyObject *list = NULL;
    if (files == NULL || buffer == NULL) {
        PyErr_NoMemory();
    } else {
        for (size_t at = 0; at < count; at++)
            files[at].name = names[at];
        size_t looked_at;
        Py_BEGIN_ALLOW_THREADS
        looked_at = read_files(fd, files, count, most_bytes, attributes, buffer, room + most_bytes + 1);
        Py_END_ALLOW_THREADS
        list = list_of_seen(files, looked_at, buffer);
    }
    free(buffer);
    free(files);
    return list;
}

PyDoc_STRVAR(read_doc, "read($module, fd, names, count, most_bytes, attributes, room, /)\n--\n\n"
                       "Read files of an open directory: small.h. `names` are joined by NUL.\n\n"
                       "Gives (data, status) of each until there are `room` bytes or some more, at least of one;\n"
                       "None: it was left. `attributes`: a file that has any is left.\n"
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
    PyObject *list = NULL;
    if (take_names(names, length, name, (size_t)count) == 0)
        list = read_names(fd, name, (size_t)count, (size_t)most_bytes, attributes, (size_t)room);
    free(name);
    return list;
}

static PyMethodDef methods[] = {
    {"copy", native_copy, METH_VARARGS, copy_doc},
    {"write", native_write, METH_VARARGS, write_doc},
    {"place", native_place, METH_VARARGS, place_doc},
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
