/* What goes into the console's error queue: a number, and its words. */
#ifndef PICOLASE_CONSOLE_ERROR_H
#define PICOLASE_CONSOLE_ERROR_H

#include "picolase.h"
#include "text.h"

struct console_trouble {
    int32_t code; /* 0: there is none */
    uint32_t length;
    char words[ABOUT_MAX]; /* the error's own and what it is about, cut where SCPI cuts */
};

/* Begin the words of this error; what it is about is then added to the text that is handed back. */
struct text trouble_begin(struct console_trouble *trouble, int32_t code);

/* Done with the words. */
void trouble_end(struct console_trouble *trouble, const struct text *words);

/* The whole of it at once; `about` may be empty. */
void trouble_set(struct console_trouble *trouble, int32_t code, const char *about);

#endif
