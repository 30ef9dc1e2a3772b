/* Texts put together in room that never overflows: what does not fit is left out. */
#include "text.h"

#include <string.h>

#define DIGITS_MAX 24U /* 20 of a 64-bit number, and zeros before its decimals */

void text_char(struct text *text, char character)
{
    if (text->length < text->size) {
        text->bytes[text->length++] = character;
    }
}

void text_part(struct text *text, const char *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        text_char(text, bytes[i]);
    }
}

void text_add(struct text *text, const char *words)
{
    text_part(text, words, (uint32_t)strlen(words));
}

void text_number(struct text *text, int64_t number, uint32_t decimals)
{
    char digits[DIGITS_MAX]; /* the last one first */
    uint32_t count = 0;
    uint64_t left = number < 0 ? (uint64_t)0 - (uint64_t)number : (uint64_t)number;
    if (number < 0) {
        text_char(text, '-');
    }
    while (count < DIGITS_MAX && (left > 0 || count <= decimals)) {
        digits[count++] = (char)('0' + left % 10U);
        left /= 10U;
    }
    for (uint32_t i = count; i > 0; i--) {
        if (i == decimals) {
            text_char(text, '.');
        }
        text_char(text, digits[i - 1]);
    }
}

char upper_of(char character)
{
    return character >= 'a' && character <= 'z' ? (char)(character - 'a' + 'A') : character;
}

bool is_letter(char character)
{
    char upper = upper_of(character);
    return upper >= 'A' && upper <= 'Z';
}

bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

bool is_word(const char *bytes, uint32_t length, const char *word)
{
    return strlen(word) == length && memcmp(bytes, word, length) == 0;
}
