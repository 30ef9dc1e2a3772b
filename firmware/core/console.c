/* The console port: text commands that read, set in STANDBY and stop; nothing here can arm or permit.
 *
 * Theory of operation. Received bytes wait in a bounded buffer and are carried out slice by slice, so that
 * however much is typed or pasted, a step stays short and the binary port is never kept waiting. The first
 * error in a line ends it: what stands behind it is not carried out, but for a stop.
 */
#include "console.h"

#include <string.h>

#include "console_commands.h"
#include "console_line.h"
#include "firmware.h"

#define OVERRUN (LINE_MAX + 1U) /* zeros that make the line that lost bytes too long: none of it is done */

/* What is going on while one line is carried out. */
struct line_run {
    bool failed;
    uint32_t responses;
};

void console_start(struct console *console)
{
    memset(console, 0, sizeof *console);
    console->deadline_us = NEVER_US;
    console->events = POWER_ON;
}

static void put(struct room *out, const char *bytes, uint32_t length)
{
    if (length <= out->size - out->used) { /* CONSOLE_ROOM is enough for every slice */
        memcpy(out->bytes + out->used, bytes, length);
        out->used += length;
    }
}

/* Keep an error; a full queue gives its newest for the news that there were more. */
static void note(struct console *console, const struct console_trouble *trouble)
{
    console->events |= trouble->code > -200 ? 0x20U : trouble->code > -300 ? 0x10U : 0x08U;
    if (console->errors == ERRORS_MAX) {
        uint32_t newest = (console->oldest + ERRORS_MAX - 1) % ERRORS_MAX;
        trouble_set(&console->queue[newest], -350, "");
    } else {
        console->queue[(console->oldest + console->errors) % ERRORS_MAX] = *trouble;
        console->errors++;
    }
}

/* Carry out one command of a line, unless an error before it forbids it. */
static void carry_out(struct firmware *firmware, const struct command *command, struct line_run *run,
                      struct room *out)
{
    char response[RESPONSE_MAX];
    struct text text = {response, sizeof response, 0};
    struct console_trouble trouble;
    if (run->failed && !(command->node->always && !command->query)) {
        return;
    }
    trouble.code = 0;
    if (command->query) {
        command_answer(firmware, command, run->responses > 0, &text, &trouble);
    } else {
        command_act(firmware, command, &trouble);
    }
    if (trouble.code != 0) {
        run->failed = true;
        note(&firmware->console, &trouble);
    } else if (command->query) {
        if (run->responses > 0) {
            put(out, ";", 1);
        }
        put(out, response, text.length);
        run->responses++;
    }
}

static void carry_out_line(struct firmware *firmware, struct room *out)
{
    struct console *console = &firmware->console;
    struct console_path path = {0};
    struct line_run run = {false, 0};
    const char *rest = console->line;
    uint32_t rest_length = console->line_length;
    bool lost = false; /* a command was not understood: only a stop counts from there on */
    for (uint32_t i = 0; i < console->line_length; i++) {
        console->line[i] = console->line[i] == '\t' ? ' ' : console->line[i];
    }
    for (uint32_t i = 0; i <= LINE_MAX && rest_length > 0; i++) { /* a command takes a character at least */
        const char *unit = rest;
        uint32_t length = 0;
        while (length < rest_length && rest[length] != ';') {
            length++;
        }
        uint32_t step = length < rest_length ? length + 1 : length;
        rest += step;
        rest_length -= step;
        trim(&unit, &length);
        if (length == 0) {
            continue;
        }
        struct command command;
        struct console_trouble trouble;
        if (command_parse(unit, length, &path, &command, &trouble)) {
            if (!lost || (command.node->always && !command.query)) {
                carry_out(firmware, &command, &run, out);
            }
        } else if (!lost) {
            lost = true;
            if (!run.failed) {
                run.failed = true;
                note(console, &trouble);
            }
        }
    }
    if (run.responses > 0) {
        put(out, "\n", 1);
    }
}

static void take_byte(struct firmware *firmware, uint8_t byte, struct room *out)
{
    struct console *console = &firmware->console;
    if (byte == '\n') {
        if (console->dropping) {
            struct console_trouble trouble;
            struct text words = trouble_begin(&trouble, -363);
            text_add(&words, "more than ");
            text_number(&words, LINE_MAX, 0);
            text_add(&words, " characters");
            trouble_end(&trouble, &words);
            note(console, &trouble);
        } else {
            carry_out_line(firmware, out);
        }
        console->line_length = 0;
        console->dropping = false;
    } else if (!console->dropping) {
        if (console->line_length == LINE_MAX) {
            console->line_length = 0;
            console->dropping = true;
        } else {
            console->line[console->line_length++] = (char)byte;
        }
    }
}

static bool ends_overrun(const struct console *console)
{
    if (console->waiting < OVERRUN) {
        return false;
    }
    for (uint32_t i = console->waiting - OVERRUN; i < console->waiting; i++) {
        if (console->bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Keep what there is room for; the line that loses bytes is answered with -363. */
static void keep(struct console *console, const uint8_t *typed, uint32_t length)
{
    uint32_t room = console->waiting < WAITING_MAX ? (uint32_t)WAITING_MAX - console->waiting : 0;
    uint32_t taken = length < room ? length : room;
    memcpy(console->bytes + console->waiting, typed, taken);
    console->waiting += taken;
    if (length > room && !ends_overrun(console)) {
        memset(console->bytes + console->waiting, 0, OVERRUN);
        console->waiting += OVERRUN;
    }
}

void console_step(struct firmware *firmware, const uint8_t *typed, uint32_t length, struct room *out)
{
    struct console *console = &firmware->console;
    uint8_t slice[SLICE_BYTES];
    keep(console, typed, length);
    uint32_t taken = console->waiting < SLICE_BYTES ? console->waiting : (uint32_t)SLICE_BYTES;
    memcpy(slice, console->bytes, taken);
    console->waiting -= taken;
    memmove(console->bytes, console->bytes + taken, console->waiting);
    for (uint32_t i = 0; i < taken; i++) {
        take_byte(firmware, slice[i], out);
    }
    console->deadline_us = console->waiting > 0 ? firmware->device.now_us + SLICE_US : NEVER_US;
}
