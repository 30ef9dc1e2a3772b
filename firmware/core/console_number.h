/* A number as a person types it: decimal, with a suffix, into base units without any rounding. */
#ifndef PICOLASE_CONSOLE_NUMBER_H
#define PICOLASE_CONSOLE_NUMBER_H

#include "console_error.h"

/* The number in base units; false: it is malformed, out of range or too fine, and `trouble` says so. */
bool parameter_parse(const struct console_parameter *parameter, const char *typed, uint32_t length,
                     int64_t *number, struct console_trouble *trouble);

#endif
