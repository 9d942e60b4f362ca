/* Glances for Python: what dirsync/scan/chosen.py calls. */
#include "module.h"

#include "glance.h"

#include <stdlib.h>
#include <string.h>

/* Fill in what is glanced at, of bytes that the tuple keeps alive. Gives 0, or -1 with an exception. */
static int borrow_named(PyObject *directories, struct named *named)
{
    Py_ssize_t count = PyTuple_Size(directories);
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *directory = PyTuple_GetItem(directories, at); /* borrowed */
        const char *name;
        Py_ssize_t length;
        unsigned long long ino;
        if (!PyTuple_Check(directory)) {
            PyErr_SetString(PyExc_TypeError, "a directory is told by a tuple of its name and its inode");
            return -1;
        }
        if (!PyArg_ParseTuple(directory, "y#K:glance", &name, &length, &ino))
            return -1;
        if (strlen(name) != (size_t)length) { /* NUL follows all bytes */
            PyErr_SetString(PyExc_ValueError, "a name holds NUL");
            return -1;
        }
        named[at] = (struct named){.name = name, .ino = ino};
    }
    return 0;
}

/* Make a list of (path, inode): a new reference, or NULL with an exception. */
static PyObject *list_of(const struct places *places)
{
    PyObject *list = PyList_New((Py_ssize_t)places->count);
    for (size_t at = 0; list != NULL && at < places->count; at++) {
        const struct place *place = &places->each[at];
        PyObject *told = Py_BuildValue("(y#K)", places->paths.bytes + place->path_at,
                                       (Py_ssize_t)place->path_length, (unsigned long long)place->ino);
        if (told == NULL || PyList_SetItem(list, (Py_ssize_t)at, told) != 0)
            Py_CLEAR(list);
    }
    return list;
}

/* Make what Python knows a glance as: a new reference, or NULL with an exception. */
static PyObject *fields_of_glance(const struct glance *glance)
{
    PyObject *differing = list_of(&glance->differing);
    PyObject *left = differing == NULL ? NULL : list_of(&glance->left);
    PyObject *fields = left == NULL ? NULL : Py_BuildValue("(nOO)", (Py_ssize_t)glance->entries, differing, left);
    Py_XDECREF(differing);
    Py_XDECREF(left);
    return fields;
}

static PyObject *glanced_at(const struct glancing *asked, int parent, const struct text *path,
                            PyObject *directories)
{
    Py_ssize_t count = PyTuple_Size(directories);
    struct named *named = calloc((size_t)count + 1, sizeof *named); /* never nothing, which may be NULL */
    if (named == NULL)
        return PyErr_NoMemory();
    PyObject *fields = NULL;
    if (borrow_named(directories, named) == 0) {
        struct glance glance = {0};
        int answer;
        Py_BEGIN_ALLOW_THREADS
        answer = glance_at(asked, parent, path, named, (size_t)count, &glance);
        Py_END_ALLOW_THREADS
        fields = answer == 0 ? fields_of_glance(&glance) : PyErr_NoMemory();
        free_glance(&glance);
    }
    free(named);
    return fields;
}

const char glance_doc[] = PyDoc_STR(
             "glance($module, fd, path, directories, salt, packed, device, levels, most_rows, /)\n--\n\n"
             "Do as dirsync.scan.glance.glance does; give the fields of what it gives.\n\n"
             "`path` is that of the directory behind the handle, with \"/\" behind it unless it is empty.\n"
             "Other threads run meanwhile.\n\n"
             "Raises:\n    ValueError: a name holds NUL, or such digests are never packed.\n"
             "    MemoryError: what was found cannot be told.");

PyObject *native_glance(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *directories, *device; /* a tuple: no other thread can take anything out meanwhile */
    int parent;
    const char *path, *salt, *packed;
    Py_ssize_t path_length, salt_length, packed_length, levels, most_rows;
    if (!PyArg_ParseTuple(arguments, "iy#O!y#y#Onn:glance", &parent, &path, &path_length, &PyTuple_Type,
                          &directories, &salt, &salt_length, &packed, &packed_length, &device, &levels,
                          &most_rows))
        return NULL;
    struct digests digests;
    struct glancing asked = {
        .digests = &digests,
        .salt = salt,
        .salt_length = (size_t)salt_length,
        .levels = levels < 0 ? 0 : (size_t)levels,
        .most_rows = most_rows < 0 ? 0 : (size_t)most_rows,
    };
    if (take_device(device, &asked.has_device, &asked.device) != 0)
        return NULL;
    if (open_digests((const unsigned char *)packed, (size_t)packed_length, &digests) != 0) {
        PyErr_SetString(PyExc_ValueError, "such digests are never packed");
        return NULL;
    }
    const struct text above = {.bytes = (char *)path, .length = (size_t)path_length};
    return glanced_at(&asked, parent, &above, directories);
}
