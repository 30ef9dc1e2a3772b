/* The grammar of the console: one command of a line into a node of the tree and its numbers. */
#include "console_line.h"

#include <string.h>

#include "console_number.h"

/* Header, mark of a query and parameters, as they stand in a command. */
struct parts {
    uint32_t header_length;
    bool query;
    const char *parameters;
    uint32_t parameters_length;
};

/* What Python's str.strip takes for a blank, in Latin-1. */
static bool is_blank(char character)
{
    uint8_t code = (uint8_t)character;
    return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0;
}

void trim(const char **bytes, uint32_t *length)
{
    while (*length > 0 && is_blank((*bytes)[0])) {
        (*bytes)++;
        (*length)--;
    }
    while (*length > 0 && is_blank((*bytes)[*length - 1])) {
        (*length)--;
    }
}

static bool is_printable(const char *unit, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        if (unit[i] < ' ' || unit[i] > '~') {
            return false;
        }
    }
    return true;
}

/* The unit between quotes, with everything that is not printable written out. */
static void not_ascii(const char *unit, uint32_t length, struct console_trouble *trouble)
{
    static const char HEX[] = "0123456789abcdef";
    struct text words = trouble_begin(trouble, -101);
    bool has_double = memchr(unit, '"', length) != 0;
    text_char(&words, '\'');
    for (uint32_t i = 0; i < length; i++) {
        uint8_t code = (uint8_t)unit[i];
        if (code == '\\' || (code == '\'' && has_double)) {
            text_char(&words, '\\');
            text_char(&words, unit[i]);
        } else if (code == '\r') {
            text_add(&words, "\\r");
        } else if (code < ' ' || code > '~') {
            text_add(&words, "\\x");
            text_char(&words, HEX[code >> 4]);
            text_char(&words, HEX[code & 0xFU]);
        } else {
            text_char(&words, unit[i]);
        }
    }
    text_char(&words, '\'');
    trouble_end(trouble, &words);
}

static uint32_t take_mnemonic(const char *unit, uint32_t length)
{
    uint32_t taken = 0;
    while (taken < length && (is_letter(unit[taken]) || (taken > 0 && (is_digit(unit[taken]) ||
                                                                       unit[taken] == '_')))) {
        taken++;
    }
    return taken;
}

/* The header at the beginning of a unit; 0: there is none. */
static uint32_t take_header(const char *unit, uint32_t length)
{
    uint32_t at = 0;
    if (length > 0 && unit[0] == '*') {
        at = 1;
        while (at < length && is_letter(unit[at])) {
            at++;
        }
        return at > 1 ? at : 0;
    }
    if (length > 0 && unit[0] == ':') {
        at = 1;
    }
    uint32_t taken = take_mnemonic(unit + at, length - at);
    if (taken == 0) {
        return 0;
    }
    at += taken;
    while (at < length && unit[at] == ':') {
        taken = take_mnemonic(unit + at + 1, length - at - 1);
        if (taken == 0) {
            return 0;
        }
        at += 1 + taken;
    }
    return at;
}

static bool split(const char *unit, uint32_t length, struct parts *parts)
{
    uint32_t at = take_header(unit, length);
    if (at == 0) {
        return false;
    }
    parts->header_length = at;
    parts->query = at < length && unit[at] == '?';
    if (parts->query) {
        at++;
    }
    if (at < length && unit[at] != ' ') {
        return false;
    }
    while (at < length && unit[at] == ' ') {
        at++;
    }
    parts->parameters = unit + at;
    parts->parameters_length = length - at;
    return true;
}

static const struct console_node *node_of(const char *header, uint32_t length)
{
    for (uint32_t i = 0; i < SPELLINGS_COUNT; i++) {
        if (is_word(header, length, SPELLINGS[i].header)) {
            return &NODES[SPELLINGS[i].node];
        }
    }
    return 0;
}

/* The node of a header that goes on where the one before left off; moves the path on. */
static const struct console_node *find(const char *unit, uint32_t length, struct console_path *path)
{
    char header[2 * LINE_MAX + 2];
    struct text whole = {header, sizeof header, 0};
    bool common = unit[0] == '*';
    bool from_root = unit[0] == ':';
    if (!common && !from_root && path->length > 0) {
        text_part(&whole, path->bytes, path->length);
        text_char(&whole, ':');
    }
    for (uint32_t i = from_root ? 1 : 0; i < length; i++) {
        text_char(&whole, upper_of(unit[i]));
    }
    if (!common) {
        uint32_t last = whole.length;
        while (last > 0 && header[last - 1] != ':') {
            last--;
        }
        /* All commands of a line together are no longer than the line: what goes on fits. */
        path->length = last > 0 ? last - 1 : 0;
        path->length = path->length < LINE_MAX ? path->length : LINE_MAX;
        memcpy(path->bytes, header, path->length);
    }
    return node_of(header, whole.length);
}

static bool wrong_count(const char *unit, uint32_t length, uint32_t given, uint32_t wanted,
                        struct console_trouble *trouble)
{
    struct text words = trouble_begin(trouble, given > wanted ? -108 : -109);
    text_part(&words, unit, length);
    text_add(&words, " takes ");
    text_number(&words, wanted, 0);
    text_add(&words, " parameters");
    trouble_end(trouble, &words);
    return false;
}

static uint32_t count_parameters(const struct parts *parts)
{
    uint32_t count = parts->parameters_length > 0 ? 1 : 0;
    for (uint32_t i = 0; i < parts->parameters_length; i++) {
        count += parts->parameters[i] == ',' ? 1 : 0;
    }
    return count;
}

/* Read as many parameters as the node has; their number was counted before. */
static bool read_parameters(const struct parts *parts, struct command *command,
                            struct console_trouble *trouble)
{
    const char *rest = parts->parameters;
    uint32_t rest_length = parts->parameters_length;
    for (uint32_t i = 0; i < command->node->parameters; i++) {
        const char *typed = rest;
        uint32_t length = 0;
        while (length < rest_length && rest[length] != ',') {
            length++;
        }
        uint32_t step = length < rest_length ? length + 1 : length;
        rest += step;
        rest_length -= step;
        trim(&typed, &length);
        if (!parameter_parse(command->node->parameter[i], typed, length, &command->numbers[i], trouble)) {
            return false;
        }
    }
    return true;
}

static bool about_unit(const char *unit, uint32_t length, int32_t code, struct console_trouble *trouble)
{
    struct text words = trouble_begin(trouble, code);
    text_part(&words, unit, length);
    trouble_end(trouble, &words);
    return false;
}

static bool understand(const char *unit, uint32_t length, struct console_path *path, struct command *command,
                       struct console_trouble *trouble)
{
    struct parts parts;
    if (!is_printable(unit, length)) {
        not_ascii(unit, length, trouble);
        return false;
    }
    if (!split(unit, length, &parts)) {
        return about_unit(unit, length, -102, trouble);
    }
    const struct console_node *node = find(unit, parts.header_length, path);
    bool known = node != 0 && (parts.query ? node->query != QUERY_NONE : node->action != ACTION_NONE);
    if (!known) {
        return about_unit(unit, length, -113, trouble);
    }
    uint32_t given = count_parameters(&parts);
    uint32_t wanted = parts.query ? 0 : node->parameters;
    if (given != wanted) {
        return wrong_count(unit, length, given, wanted, trouble);
    }
    command->node = node;
    command->query = parts.query;
    return parts.query || read_parameters(&parts, command, trouble);
}

bool command_parse(const char *unit, uint32_t length, struct console_path *path, struct command *command,
                   struct console_trouble *trouble)
{
    bool understood = understand(unit, length, path, command, trouble);
    if (!understood) {
        path->length = 0;
    }
    return understood;
}
