/* Supervision of the safety shutter: its switches against its command, in every state. */
#include "shutter.h"

void shutter_start(struct shutter_monitor *shutter)
{
    shutter->position = SHUTTER_CLOSED;
    shutter->command_open = false;
    shutter->arrived = true;
    shutter->wrong_since_us = -1;
}

bool shutter_command(struct shutter_monitor *shutter, int64_t now_us, bool command_open)
{
    if (command_open == shutter->command_open) {
        return false;
    }
    shutter->command_open = command_open;
    shutter->wrong_since_us = now_us;
    shutter->arrived = false;
    return true;
}

static enum shutter position_of(bool open_switch, bool closed_switch)
{
    if (open_switch && closed_switch) {
        return SHUTTER_CONTRADICTION;
    }
    if (open_switch) {
        return SHUTTER_OPEN;
    }
    return closed_switch ? SHUTTER_CLOSED : SHUTTER_MOVING;
}

enum fault shutter_update(struct shutter_monitor *shutter, int64_t now_us, bool open_switch,
                          bool closed_switch)
{
    shutter->position = position_of(open_switch, closed_switch);
    if (shutter->position == (shutter->command_open ? SHUTTER_OPEN : SHUTTER_CLOSED)) {
        shutter->arrived = true;
        shutter->wrong_since_us = -1;
    } else if (shutter->wrong_since_us < 0) {
        shutter->wrong_since_us = now_us;
    }
    if (shutter->position == SHUTTER_CONTRADICTION) {
        return FAULT_SHUTTER_FEEDBACK;
    }
    if (shutter->wrong_since_us < 0 || now_us - shutter->wrong_since_us < SHUTTER_US) {
        return FAULT_NONE;
    }
    if (shutter->position == SHUTTER_MOVING && shutter->arrived) {
        return FAULT_SHUTTER_FEEDBACK; /* it was there, and now no switch answers */
    }
    return shutter->command_open ? FAULT_SHUTTER_STUCK_CLOSED : FAULT_SHUTTER_STUCK_OPEN;
}

int64_t shutter_deadline_us(const struct shutter_monitor *shutter)
{
    return shutter->wrong_since_us < 0 ? NEVER_US : shutter->wrong_since_us + SHUTTER_US;
}
