/* The core as an extension of CPython: the type `Core`, one laser's firmware, for sim_device/native.py.
 *
 * Theory of operation. A step takes everything from Python's objects itself and gives it back to them: it reads
 * the lines of an `Inputs`, writes those lines of an `Outputs` that it drives anew, calls the memory's `read` and
 * `write` (or reaches its bytes past them, where they are a sound `RamMemory`'s), and makes a `Step`. What these
 * calls raise is left pending: the core is told that its memory is broken, nothing is called any more, and the
 * step raises it in the end.
 */
#include "lines.h"

#include <string.h>

#include "../core/text.h"

#define USUAL_RECEIVED 1024U /* bytes at once, for which there is always room */

static PyTypeObject *ram_type; /* sim_device.memory.RamMemory */
static PyObject *read_name, *write_name, *plain_name;

/* What of a laser is copied and pickled: plain bytes. */
struct image {
    struct inputs inputs;
    struct outputs shown; /* as the `Outputs` has them */
    uint32_t memory_size;
    struct firmware firmware;
};

struct core {
    PyObject_HEAD
    PyObject *outputs;
    PyObject *memory; /* None before boot */
    PyObject *seen;   /* the `Inputs` of the step that runs, 0 while none does; the caller holds it */
    bool running;
    bool in_ram; /* the memory is a `RamMemory` */
    struct image image;
};

/* -- what the core asks of its board */

/* Where these bytes of the memory are, if they may be read and written past it; 0: ask the memory. */
static uint8_t *plain_bytes(const struct core *core, uint32_t offset, uint32_t length)
{
    if (!core->in_ram) {
        return NULL;
    }
    PyObject *bytes = PyObject_GetAttr(core->memory, plain_name);
    if (bytes == NULL) {
        return NULL;
    }
    uint8_t *at = NULL;
    if (PyByteArray_CheckExact(bytes) && (uint64_t)offset + length <= (uint64_t)PyByteArray_GET_SIZE(bytes)) {
        at = (uint8_t *)PyByteArray_AS_STRING(bytes) + offset;
    }
    Py_DECREF(bytes); /* the memory has it */
    return at;
}

/* memory.name(offset, other), which takes `other` over. */
static PyObject *call(PyObject *memory, PyObject *name, uint32_t offset, PyObject *other)
{
    PyObject *at = PyLong_FromUnsignedLong(offset);
    PyObject *arguments[] = {memory, at, other};
    PyObject *result = NULL;
    if (at != NULL && other != NULL) {
        result = PyObject_VectorcallMethod(name, arguments, 3, NULL);
    }
    Py_XDECREF(at);
    Py_XDECREF(other);
    return result;
}

/* Whether a call of the memory went well; an OSError is the memory's own, and all the core is told. */
static bool went_well(const PyObject *result)
{
    if (result == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
    }
    return result != NULL;
}

static bool memory_read(void *context, uint32_t offset, uint8_t *data, uint32_t length)
{
    struct core *core = context;
    if (PyErr_Occurred() != NULL) {
        return false;
    }
    const uint8_t *plain = plain_bytes(core, offset, length);
    if (plain != NULL) {
        memcpy(data, plain, length);
    }
    if (plain != NULL || PyErr_Occurred() != NULL) {
        return plain != NULL;
    }
    PyObject *result = call(core->memory, read_name, offset, PyLong_FromUnsignedLong(length));
    char *bytes;
    Py_ssize_t size;
    bool well = went_well(result) && PyBytes_AsStringAndSize(result, &bytes, &size) == 0;
    if (well && size != (Py_ssize_t)length) {
        PyErr_Format(PyExc_ValueError, "the memory gave %zd bytes where %u were asked for", size, length);
        well = false;
    }
    if (well) {
        memcpy(data, bytes, length);
    }
    Py_XDECREF(result);
    return well;
}

static bool memory_write(void *context, uint32_t offset, const uint8_t *data, uint32_t length)
{
    struct core *core = context;
    if (PyErr_Occurred() != NULL) {
        return false;
    }
    uint8_t *plain = plain_bytes(core, offset, length);
    if (plain != NULL) {
        memcpy(plain, data, length);
    }
    if (plain != NULL || PyErr_Occurred() != NULL) {
        return plain != NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)length);
    PyObject *result = call(core->memory, write_name, offset, bytes);
    bool well = went_well(result);
    Py_XDECREF(result);
    return well;
}

static void look(void *context, struct inputs *inputs)
{
    struct core *core = context;
    if (core->seen != NULL && PyErr_Occurred() == NULL) {
        (void)lines_take(core->seen, &core->image.inputs);
    }
    *inputs = core->image.inputs;
}

static struct board board_of(struct core *core)
{
    struct board board = {core, core->image.memory_size, memory_read, memory_write, look};
    return board;
}

/* -- methods */

static bool begin(struct core *core)
{
    if (core->running) {
        PyErr_SetString(PyExc_RuntimeError, "the firmware runs: its memory called it, or another thread");
        return false;
    }
    core->running = true;
    return true;
}

static void take_memory(struct core *core, PyObject *memory)
{
    PyObject *old = core->memory;
    core->memory = Py_NewRef(memory);
    core->in_ram = Py_IS_TYPE(memory, ram_type);
    Py_DECREF(old);
}

static PyObject *core_boot(PyObject *self, PyObject *arguments)
{
    struct core *core = (struct core *)self;
    struct image *image = &core->image;
    struct identity identity;
    long long now_us;
    PyObject *memory;
    unsigned int memory_size;
    const char *serial, *build_id;
    int watchdog_reset;
    if (!PyArg_ParseTuple(arguments, "LOIssp:boot", &now_us, &memory, &memory_size, &serial, &build_id,
                          &watchdog_reset) ||
        !begin(core)) {
        return NULL;
    }
    take_memory(core, memory);
    image->memory_size = memory_size;
    put_text((uint8_t *)identity.serial, serial, sizeof identity.serial);
    put_text((uint8_t *)identity.build_id, build_id, sizeof identity.build_id);
    struct board board = board_of(core);
    bool booted = picolase_boot(&image->firmware, &board, &identity, now_us, watchdog_reset != 0);
    image->shown = *picolase_outputs(&image->firmware); /* the caller starts from the safe level, too */
    core->running = false;
    return PyErr_Occurred() != NULL ? NULL : PyBool_FromLong(booted);
}

/* step(now_us, inputs, received, console): the caller has seen to the number and kinds of them. */
static PyObject *step_in(struct core *core, long long now_us, PyObject *received, PyObject *typed)
{
    uint8_t usual_sent[SENT_ROOM(USUAL_RECEIVED)], usual_events[EVENTS_ROOM(USUAL_RECEIVED)];
    uint8_t console[CONSOLE_ROOM];
    uint32_t length = (uint32_t)PyBytes_GET_SIZE(received);
    struct ports ports = {
        {usual_sent, sizeof usual_sent, 0},
        {console, sizeof console, 0},
        {usual_events, sizeof usual_events, 0},
    };
    uint8_t *more = NULL;
    if (length > USUAL_RECEIVED) {
        ports.sent.size = SENT_ROOM(length);
        ports.events.size = EVENTS_ROOM(length);
        more = PyMem_Malloc((size_t)ports.sent.size + ports.events.size);
        if (more == NULL) {
            return PyErr_NoMemory();
        }
        ports.sent.bytes = more;
        ports.events.bytes = more + ports.sent.size;
    }
    struct board board = board_of(core);
    int64_t wake_us =
        picolase_step(&core->image.firmware, &board, now_us, &core->image.inputs,
                      (const uint8_t *)PyBytes_AS_STRING(received), length,
                      (const uint8_t *)PyBytes_AS_STRING(typed), (uint32_t)PyBytes_GET_SIZE(typed), &ports);
    bool driven = lines_show(core->outputs, picolase_outputs(&core->image.firmware), &core->image.shown);
    PyObject *step = PyErr_Occurred() != NULL ? NULL : lines_step(&ports, wake_us, driven);
    PyMem_Free(more);
    return step;
}

static PyObject *core_step(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct core *core = (struct core *)self;
    if (count != 4 || !lines_are_inputs(arguments[1]) || !PyBytes_CheckExact(arguments[2]) ||
        !PyBytes_CheckExact(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "step takes now_us, Inputs, and two times bytes");
        return NULL;
    }
    if (core->memory == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "the firmware was not booted: call boot first");
        return NULL;
    }
    long long now_us = PyLong_AsLongLong(arguments[0]);
    if ((now_us == -1 && PyErr_Occurred() != NULL) || !begin(core)) {
        return NULL;
    }
    core->seen = arguments[1];
    PyObject *step = NULL;
    if (lines_take(core->seen, &core->image.inputs)) {
        step = step_in(core, now_us, arguments[2], arguments[3]);
    }
    core->seen = NULL;
    core->running = false;
    return step;
}

static PyObject *core_inside(PyObject *self, PyObject *nothing)
{
    struct inside inside;
    (void)nothing;
    picolase_inside(&((struct core *)self)->image.firmware, &inside);
    return Py_BuildValue("LIIIIIKKKKO", (long long)inside.now_us, inside.boot_number, inside.state, inside.leave,
                         inside.first_fault, inside.fault_instance, (unsigned long long)inside.latched,
                         (unsigned long long)inside.pulse_number, (unsigned long long)inside.acknowledged,
                         (unsigned long long)inside.lamp_shots, inside.calibrated ? Py_True : Py_False);
}

static PyObject *core_note_all(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    device_note(&((struct core *)self)->image.firmware.device, CHANGED_ALL);
    Py_RETURN_NONE;
}

static PyObject *core_image(PyObject *self, PyObject *nothing)
{
    struct core *core = (struct core *)self;
    (void)nothing;
    return PyBytes_FromStringAndSize((const char *)&core->image, sizeof core->image);
}

static PyObject *core_restore(PyObject *self, PyObject *arguments)
{
    struct core *core = (struct core *)self;
    const char *bytes;
    Py_ssize_t size;
    PyObject *memory;
    if (!PyArg_ParseTuple(arguments, "y#O:restore", &bytes, &size, &memory)) {
        return NULL;
    }
    if (size != (Py_ssize_t)sizeof core->image) {
        PyErr_Format(PyExc_ValueError, "an image has %zu bytes, not %zd", sizeof core->image, size);
        return NULL;
    }
    if (!begin(core)) {
        return NULL;
    }
    memcpy(&core->image, bytes, sizeof core->image);
    take_memory(core, memory);
    core->running = false;
    Py_RETURN_NONE;
}

static PyObject *core_state(PyObject *self, void *nothing)
{
    (void)nothing;
    return PyLong_FromLong((long)((struct core *)self)->image.firmware.device.state);
}

/* -- the type and the module */

static PyObject *core_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    PyObject *outputs = NULL;
    (void)names;
    if (!PyArg_ParseTuple(arguments, "O:Core", &outputs)) {
        return NULL;
    }
    if (!lines_are_outputs(outputs)) {
        PyErr_SetString(PyExc_TypeError, "Core takes Outputs");
        return NULL;
    }
    struct core *core = (struct core *)type->tp_alloc(type, 0); /* all zeros */
    if (core != NULL) {
        core->outputs = Py_NewRef(outputs);
        core->memory = Py_NewRef(Py_None);
    }
    return (PyObject *)core;
}

static int core_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct core *core = (struct core *)self;
    Py_VISIT(core->outputs);
    Py_VISIT(core->memory);
    return 0;
}

static int core_clear(PyObject *self)
{
    take_memory((struct core *)self, Py_None);
    return 0;
}

static void core_dealloc(PyObject *self)
{
    struct core *core = (struct core *)self;
    PyObject_GC_UnTrack(self);
    Py_XDECREF(core->outputs);
    Py_XDECREF(core->memory);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef methods[] = {
    {"boot", core_boot, METH_VARARGS, "boot(now_us, memory, size, serial, build_id, watchdog_reset) -> bool"},
    {"step", (PyCFunction)(void (*)(void))core_step, METH_FASTCALL,
     "step(now_us, inputs, received, console) -> Step"},
    {"inside", core_inside, METH_NOARGS, "what people and tests may want to see of its inside"},
    {"note_all", core_note_all, METH_NOARGS, "let everything count as changed in the next step"},
    {"image", core_image, METH_NOARGS, "all that the firmware knows, as bytes"},
    {"restore", core_restore, METH_VARARGS, "restore(image, memory)"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"state", core_state, NULL, "enum state", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject core_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "picolase_core.Core",
    .tp_basicsize = sizeof(struct core),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = core_new,
    .tp_traverse = core_traverse,
    .tp_clear = core_clear,
    .tp_dealloc = core_dealloc,
    .tp_methods = methods,
    .tp_getset = properties,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "picolase_core", .m_size = -1};

PyMODINIT_FUNC PyInit_picolase_core(void);

static bool find_memory(void)
{
    PyObject *memory = PyImport_ImportModule("sim_device.memory");
    ram_type = memory == NULL ? NULL : (PyTypeObject *)PyObject_GetAttrString(memory, "RamMemory");
    Py_XDECREF(memory);
    read_name = PyUnicode_InternFromString("read");
    write_name = PyUnicode_InternFromString("write");
    plain_name = PyUnicode_InternFromString("plain");
    return ram_type != NULL && read_name != NULL && write_name != NULL && plain_name != NULL;
}

PyMODINIT_FUNC PyInit_picolase_core(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && (!lines_find() || !find_memory() || PyModule_AddType(made, &core_type) != 0)) {
        Py_CLEAR(made);
    }
    return made;
}
