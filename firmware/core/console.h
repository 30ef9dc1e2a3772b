/* The console port: text commands that read, set in STANDBY and stop; nothing here can arm or permit. */
#ifndef PICOLASE_CONSOLE_H
#define PICOLASE_CONSOLE_H

#include "console_error.h"

struct firmware;

struct console {
    int64_t deadline_us; /* when the next slice of what waits is due */
    uint8_t events;      /* standard event status register */
    uint8_t events_enabled;
    uint8_t service_enabled;
    bool dropping; /* the rest of a line that is too long */
    uint32_t line_length;
    char line[LINE_MAX];
    uint32_t errors;
    uint32_t oldest;
    struct console_trouble queue[ERRORS_MAX];
    uint32_t waiting;
    uint8_t bytes[WAITING_MAX + LINE_MAX + 1];
};

void console_start(struct console *console);

/* Take bytes, carry out a slice of what waits, and put the answers into `out`. */
void console_step(struct firmware *firmware, const uint8_t *typed, uint32_t length, struct room *out);

#endif
