/* A number as a person types it: decimal, with a suffix, into base units without any rounding.
 *
 * Theory of operation. A number is held as its digits and a power of ten, as it was typed; only digits beyond
 * the 28th are rounded, half to even, as the reference's decimal arithmetic does. No floating point.
 */
#include "console_number.h"

#include <string.h>

#define PRECISION 28U
#define POWER_MAX 100000 /* far above EXPONENT_MAX: what is larger is too large all the same */

struct decimal {
    bool negative;
    uint32_t count;        /* of digits, without leading zeros; 0: the number is zero */
    char digits[LINE_MAX]; /* as characters */
    int32_t power;         /* of ten, of the last digit */
};

/* Read digits into `decimal`; returns how many there were. */
static uint32_t take_digits(struct decimal *decimal, const char *typed, uint32_t length, bool decimals)
{
    uint32_t taken = 0;
    while (taken < length && is_digit(typed[taken])) {
        char digit = typed[taken++];
        if ((digit != '0' || decimal->count > 0) && decimal->count < LINE_MAX) {
            decimal->digits[decimal->count++] = digit;
        }
        if (decimals) {
            decimal->power--;
        }
    }
    return taken;
}

/* Read `E`, sign and digits, if all of them are there; returns how many characters. */
static uint32_t take_exponent(struct decimal *decimal, const char *typed, uint32_t length)
{
    uint32_t at = 1;
    int32_t exponent = 0;
    if (length < 2 || upper_of(typed[0]) != 'E') {
        return 0;
    }
    bool negative = typed[at] == '-';
    if (typed[at] == '-' || typed[at] == '+') {
        at++;
    }
    if (at >= length || !is_digit(typed[at])) {
        return 0; /* then it is the suffix that begins with an E */
    }
    while (at < length && is_digit(typed[at])) {
        exponent = exponent * 10 + (typed[at++] - '0');
        exponent = exponent < POWER_MAX ? exponent : POWER_MAX;
    }
    decimal->power += negative ? -exponent : exponent;
    return at;
}

/* Read a number; returns how many characters it has, 0: none is there. */
static uint32_t take_number(struct decimal *decimal, const char *typed, uint32_t length)
{
    uint32_t at = 0;
    memset(decimal, 0, sizeof *decimal);
    if (length > 0 && (typed[0] == '+' || typed[0] == '-')) {
        decimal->negative = typed[0] == '-';
        at++;
    }
    uint32_t whole = take_digits(decimal, typed + at, length - at, false);
    at += whole;
    if (at < length && typed[at] == '.') {
        uint32_t fraction = take_digits(decimal, typed + at + 1, length - at - 1, true);
        if (whole == 0 && fraction == 0) {
            return 0;
        }
        at += 1 + fraction;
    } else if (whole == 0) {
        return 0;
    }
    return at + take_exponent(decimal, typed + at, length - at);
}

/* The power of ten of its first digit. */
static int32_t adjusted(const struct decimal *decimal)
{
    return decimal->power + (decimal->count > 0 ? (int32_t)decimal->count - 1 : 0);
}

/* Cut to PRECISION digits, half to even. */
static void round_off(struct decimal *decimal)
{
    if (decimal->count <= PRECISION) {
        return;
    }
    const char *rest = decimal->digits + PRECISION;
    uint32_t rest_count = decimal->count - PRECISION;
    bool more = false; /* than the first of the rest */
    for (uint32_t i = 1; i < rest_count; i++) {
        more = more || rest[i] != '0';
    }
    bool odd = (decimal->digits[PRECISION - 1] - '0') % 2 != 0;
    bool up = rest[0] > '5' || (rest[0] == '5' && (more || odd));
    decimal->power += (int32_t)rest_count;
    decimal->count = PRECISION;
    for (uint32_t i = PRECISION; up && i > 0; i--) {
        up = decimal->digits[i - 1] == '9';
        decimal->digits[i - 1] = up ? '0' : (char)(decimal->digits[i - 1] + 1);
    }
    if (up) { /* all were nines */
        decimal->digits[0] = '1';
        decimal->power++;
    }
}

/* As a whole number from 0 to `high`; false: it is none. */
static bool whole_within(struct decimal *decimal, int64_t high, int64_t *number)
{
    int64_t value = 0;
    round_off(decimal);
    while (decimal->count > 0 && decimal->digits[decimal->count - 1] == '0') {
        decimal->count--;
        decimal->power++;
    }
    if (decimal->count > 0 && (decimal->negative || decimal->power < 0)) {
        return false;
    }
    for (uint32_t i = 0; i < decimal->count; i++) {
        value = value * 10 + (decimal->digits[i] - '0');
        if (value > high) {
            return false;
        }
    }
    for (int32_t i = 0; decimal->count > 0 && i < decimal->power; i++) {
        value *= 10;
        if (value > high) {
            return false;
        }
    }
    *number = value;
    return true;
}

static bool is_one_of(const struct console_unit *known, uint32_t count, const char *word, uint32_t length,
                      int32_t *meaning)
{
    for (uint32_t i = 0; i < count; i++) {
        if (known[i].suffix != 0 && is_word(word, length, known[i].suffix)) {
            *meaning = known[i].digits;
            return true;
        }
    }
    return false;
}

static bool out_of_range(const struct console_parameter *parameter, const char *typed, uint32_t length,
                         struct console_trouble *trouble)
{
    struct text words = trouble_begin(trouble, -222);
    text_add(&words, parameter->name);
    text_add(&words, " = ");
    text_part(&words, typed, length);
    text_add(&words, ": give 0 to ");
    text_add(&words, parameter->most);
    text_add(&words, ", no finer than one base unit");
    trouble_end(trouble, &words);
    return false;
}

static bool no_number(const char *typed, uint32_t length, struct console_trouble *trouble)
{
    struct text words = trouble_begin(trouble, -104);
    text_part(&words, typed, length);
    text_add(&words, " is no number");
    trouble_end(trouble, &words);
    return false;
}

static bool unknown_suffix(const struct console_parameter *parameter, const char *suffix, uint32_t length,
                           struct console_trouble *trouble)
{
    struct text words = trouble_begin(trouble, -131);
    text_part(&words, suffix, length);
    text_add(&words, ": give ");
    text_add(&words, parameter->name);
    text_add(&words, " with ");
    text_add(&words, parameter->known);
    trouble_end(trouble, &words);
    return false;
}

bool parameter_parse(const struct console_parameter *parameter, const char *typed, uint32_t length,
                     int64_t *number, struct console_trouble *trouble)
{
    struct decimal decimal;
    char upper[LINE_MAX] = {0};
    int32_t meaning = 0;
    length = length < LINE_MAX ? length : LINE_MAX; /* no line is longer */
    for (uint32_t i = 0; i < length; i++) {
        upper[i] = upper_of(typed[i]);
    }
    if (is_one_of(parameter->words, 2, upper, length, &meaning)) {
        *number = meaning;
        return true;
    }
    uint32_t at = take_number(&decimal, typed, length);
    if (at == 0) {
        return no_number(typed, length, trouble);
    }
    while (at < length && typed[at] == ' ') {
        at++;
    }
    for (uint32_t i = at; i < length; i++) {
        if (!is_letter(typed[i])) {
            return no_number(typed, length, trouble);
        }
    }
    if (!is_one_of(parameter->units, 4, upper + at, length - at, &meaning)) {
        return unknown_suffix(parameter, typed + at, length - at, trouble);
    }
    int32_t first_power = adjusted(&decimal);
    if (first_power > EXPONENT_MAX || first_power < -EXPONENT_MAX) {
        struct text words = trouble_begin(trouble, -123);
        text_part(&words, typed, length);
        trouble_end(trouble, &words);
        return false;
    }
    decimal.power += meaning;
    return whole_within(&decimal, parameter->high, number) ||
           out_of_range(parameter, typed, length, trouble);
}
