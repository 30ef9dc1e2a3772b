/* The grammar of the console: one command of a line into a node of the tree and its numbers. */
#ifndef PICOLASE_CONSOLE_LINE_H
#define PICOLASE_CONSOLE_LINE_H

#include "console_error.h"

/* One command that was understood. */
struct command {
    const struct console_node *node;
    bool query;
    int64_t numbers[PARAMETERS_MAX];
};

/* Where the header of the next command of a line goes on. */
struct console_path {
    uint32_t length;
    char bytes[LINE_MAX];
};

/* A piece of text without blanks at its ends, whatever the reference's encoding counts as a blank. */
void trim(const char **bytes, uint32_t *length);

/* Understand one command; false: `trouble` says what is wrong with it, and the path begins anew. */
bool command_parse(const char *unit, uint32_t length, struct console_path *path, struct command *command,
                   struct console_trouble *trouble);

#endif
