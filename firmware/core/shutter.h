/* Supervision of the safety shutter: its switches against its command, in every state. */
#ifndef PICOLASE_SHUTTER_H
#define PICOLASE_SHUTTER_H

#include "picolase.h"

/* Judges what the shutter does with the command it was given; knows no reason for the command. */
struct shutter_monitor {
    enum shutter position;
    bool command_open;
    bool arrived; /* it has been where the present command wants it */
    int64_t wrong_since_us;
};

void shutter_start(struct shutter_monitor *shutter);

/* Take what is driven from now on: a change begins a travel. True: it is a change. */
bool shutter_command(struct shutter_monitor *shutter, int64_t now_us, bool command_open);

/* Take both switches; the fault they prove, or FAULT_NONE. */
enum fault shutter_update(struct shutter_monitor *shutter, int64_t now_us, bool open_switch,
                          bool closed_switch);

/* When patience with the present travel ends. */
int64_t shutter_deadline_us(const struct shutter_monitor *shutter);

#endif
