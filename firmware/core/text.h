/* Texts put together in room that never overflows: what does not fit is left out. */
#ifndef PICOLASE_TEXT_H
#define PICOLASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct text {
    char *bytes;
    uint32_t size;
    uint32_t length;
};

void text_char(struct text *text, char character);
void text_add(struct text *text, const char *words);
void text_part(struct text *text, const char *bytes, uint32_t length);

/* A number with so many decimals: 173000 with 3 is "173.000". */
void text_number(struct text *text, int64_t number, uint32_t decimals);

/* Letters of ASCII alone. */
char upper_of(char character);
bool is_letter(char character);
bool is_digit(char character);

/* Whether `length` bytes are this word. */
bool is_word(const char *bytes, uint32_t length, const char *word);

#endif
