#include "lines.h"

#include <structmember.h>

#define COUNT_LINE(...) +1

enum { INPUT_COUNT = 0 INPUT_LINES(COUNT_LINE), OUTPUT_COUNT = 0 OUTPUT_LINES(COUNT_LINE) };
enum { STEP_SENT, STEP_CONSOLE, STEP_WAKE_US, STEP_DRIVEN, STEP_COUNT };

static PyTypeObject *inputs_type, *outputs_type, *step_type;
static PyObject *no_bytes;

/* Where objects of these types keep each field. */
static Py_ssize_t input_at[INPUT_COUNT], output_at[OUTPUT_COUNT], step_at[STEP_COUNT];

/* -- once */

/* Where objects of a type keep a field; false: they have no slot of that name. */
static bool find(PyTypeObject *type, const char *name, Py_ssize_t *at)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found == NULL) {
        return false;
    }
    bool slot = Py_IS_TYPE(found, &PyMemberDescr_Type) &&
                ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX;
    if (slot) {
        *at = ((PyMemberDescrObject *)found)->d_member->offset;
    } else {
        PyErr_Format(PyExc_TypeError, "%s.%s is not a slot", type->tp_name, name);
    }
    Py_DECREF(found);
    return slot;
}

static bool find_all(void)
{
    Py_ssize_t *input = input_at, *output = output_at;
    bool found = true;
#define FIND(line, groups) found = found && find(inputs_type, #line, input++);
    INPUT_LINES(FIND)
#undef FIND
#define FIND(line) found = found && find(outputs_type, #line, output++);
    OUTPUT_LINES(FIND)
#undef FIND
    return found && find(step_type, "sent", &step_at[STEP_SENT]) &&
           find(step_type, "console", &step_at[STEP_CONSOLE]) &&
           find(step_type, "wake_us", &step_at[STEP_WAKE_US]) &&
           find(step_type, "driven", &step_at[STEP_DRIVEN]);
}

static PyTypeObject *type_of(PyObject *board, const char *name)
{
    return (PyTypeObject *)PyObject_GetAttrString(board, name);
}

bool lines_find(void)
{
    PyObject *board = PyImport_ImportModule("sim_device.board");
    no_bytes = PyBytes_FromStringAndSize(NULL, 0);
    bool found = board != NULL && no_bytes != NULL && (inputs_type = type_of(board, "Inputs")) != NULL &&
                 (outputs_type = type_of(board, "Outputs")) != NULL &&
                 (step_type = type_of(board, "Step")) != NULL && find_all();
    Py_XDECREF(board);
    return found;
}

bool lines_are_inputs(const PyObject *object)
{
    return Py_IS_TYPE(object, inputs_type);
}

bool lines_are_outputs(const PyObject *object)
{
    return Py_IS_TYPE(object, outputs_type);
}

/* -- in each step */

static PyObject **slot_of(PyObject *object, Py_ssize_t at)
{
    return (PyObject **)(void *)((char *)object + at);
}

static bool take_bool(PyObject *level, const char *name, bool *line)
{
    (void)name;
    int truth = level == Py_True ? 1 : level == Py_False ? 0 : PyObject_IsTrue(level);
    *line = truth > 0;
    return truth >= 0;
}

static bool take_level(PyObject *level, const char *name, int32_t *line)
{
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(level, &overflow);
    if (number == -1 && PyErr_Occurred() != NULL) {
        return false;
    }
    if (overflow != 0 || number < INT32_MIN || number > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s = %S: give a level of 32 bits", name, level);
        return false;
    }
    *line = (int32_t)number;
    return true;
}

/* Counters wrap. */
static bool take_counter(PyObject *level, const char *name, uint32_t *line)
{
    (void)name;
    unsigned long long number = PyLong_AsUnsignedLongLongMask(level);
    *line = (uint32_t)number;
    return number != (unsigned long long)-1 || PyErr_Occurred() == NULL;
}

static PyObject *level_at(PyObject *inputs, Py_ssize_t at, const char *name)
{
    PyObject *level = *slot_of(inputs, at);
    if (level == NULL) {
        PyErr_SetString(PyExc_AttributeError, name);
    }
    return level;
}

bool lines_take(PyObject *inputs, struct inputs *lines)
{
    const Py_ssize_t *at = input_at;
    PyObject *level;
#define TAKE(line, groups)                                                                                    \
    level = level_at(inputs, *at++, #line);                                                                   \
    if (level == NULL || !_Generic(lines->line, bool: take_bool, int32_t: take_level, uint32_t: take_counter)( \
                             level, #line, &lines->line)) {                                                   \
        return false;                                                                                         \
    }
    INPUT_LINES(TAKE)
#undef TAKE
    return true;
}

static bool put(PyObject *object, Py_ssize_t at, PyObject *fresh)
{
    if (fresh == NULL) {
        return false;
    }
    PyObject **slot = slot_of(object, at);
    PyObject *old = *slot;
    *slot = fresh;
    Py_XDECREF(old);
    return true;
}

static PyObject *given_bool(bool line)
{
    return PyBool_FromLong(line);
}

static PyObject *given_level(int32_t line)
{
    return PyLong_FromLong(line);
}

static PyObject *given_counter(uint32_t line)
{
    return PyLong_FromUnsignedLong(line);
}

bool lines_show(PyObject *outputs, const struct outputs *now, struct outputs *shown)
{
    const Py_ssize_t *at = output_at;
    uint32_t moved = 0;
    bool kicked = now->watchdog_kicks != shown->watchdog_kicks;
#define SHOW(line)                                                                                            \
    if (now->line != shown->line &&                                                                           \
        put(outputs, *at,                                                                                     \
            _Generic(now->line, bool: given_bool, int32_t: given_level, uint32_t: given_counter)(now->line))) { \
        shown->line = now->line;                                                                              \
        moved++;                                                                                              \
    }                                                                                                         \
    at++;
    OUTPUT_LINES(SHOW)
#undef SHOW
    return moved > (kicked ? 1U : 0U);
}

static PyObject *bytes_of(const struct room *room)
{
    if (room->used == 0) {
        return Py_NewRef(no_bytes);
    }
    return PyBytes_FromStringAndSize((const char *)room->bytes, (Py_ssize_t)room->used);
}

PyObject *lines_step(const struct ports *ports, int64_t wake_us, bool driven)
{
    PyObject *step = step_type->tp_alloc(step_type, 0);
    if (step == NULL || !put(step, step_at[STEP_SENT], bytes_of(&ports->sent)) ||
        !put(step, step_at[STEP_CONSOLE], bytes_of(&ports->console)) ||
        !put(step, step_at[STEP_WAKE_US], PyLong_FromLongLong(wake_us)) ||
        !put(step, step_at[STEP_DRIVEN], PyBool_FromLong(driven))) {
        Py_XDECREF(step);
        return NULL;
    }
    return step;
}
