/* What goes into the console's error queue: a number, and its words. */
#include "console_error.h"

static const char *words_of(int32_t code)
{
    for (uint32_t i = 0; i < CONSOLE_ERRORS_COUNT; i++) {
        if (CONSOLE_ERRORS[i].code == code) {
            return CONSOLE_ERRORS[i].words;
        }
    }
    return "";
}

struct text trouble_begin(struct console_trouble *trouble, int32_t code)
{
    struct text words = {trouble->words, sizeof trouble->words, 0};
    trouble->code = code;
    text_add(&words, words_of(code));
    text_char(&words, ';');
    return words;
}

void trouble_end(struct console_trouble *trouble, const struct text *words)
{
    trouble->length = words->length;
    for (uint32_t i = 0; i < trouble->length; i++) {
        if (trouble->words[i] == '"') {
            trouble->words[i] = '\''; /* it is told between quotes */
        }
    }
}

void trouble_set(struct console_trouble *trouble, int32_t code, const char *about)
{
    struct text words = trouble_begin(trouble, code);
    if (about[0] == '\0') {
        words.length--; /* no semicolon behind which nothing stands */
    }
    text_add(&words, about);
    trouble_end(trouble, &words);
}
