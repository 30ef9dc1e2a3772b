/* The board's lines between Python's objects and the core's structures.
 *
 * Lines are read and written where the objects keep them: the types `Inputs`, `Outputs` and `Step` of
 * sim_device/board.py have slots, whose places are looked up once.
 */
#ifndef PICOLASE_LINES_H
#define PICOLASE_LINES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#undef LINE_MAX /* of POSIX: the firmware's console has one of its own */

#include "../core/firmware.h"

/* Look up the places; false: an exception is set. */
bool lines_find(void);

bool lines_are_inputs(const PyObject *object);
bool lines_are_outputs(const PyObject *object);

/* The lines of an `Inputs` as they are this instant; false: an exception is set. */
bool lines_take(PyObject *inputs, struct inputs *lines);

/* Let an `Outputs`, which has what is in `shown`, have what is driven now; whether anything but the watchdog's
 * line was driven anew. */
bool lines_show(PyObject *outputs, const struct outputs *now, struct outputs *shown);

/* A new `Step`, put together without the detour over its constructor; 0: an exception is set. */
PyObject *lines_step(const struct ports *ports, int64_t wake_us, bool driven);

#endif
