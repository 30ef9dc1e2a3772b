/* What the console's commands do. */
#ifndef PICOLASE_CONSOLE_COMMANDS_H
#define PICOLASE_CONSOLE_COMMANDS_H

#include "console_line.h"

struct firmware;

#define RESPONSE_MAX 1024U /* every fault there is, by name, takes some 600 characters */

/* The answer of a query, or its trouble. `waiting`: an answer of the same line waits already. */
void command_answer(struct firmware *firmware, const struct command *command, bool waiting,
                    struct text *answer, struct console_trouble *trouble);

/* Do what a command says, or have its trouble. */
void command_act(struct firmware *firmware, const struct command *command, struct console_trouble *trouble);

#endif
