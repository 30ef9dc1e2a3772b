/* What the outputs are: a pure function of the state and of what its sequence wants. */
#ifndef PICOLASE_DRIVE_H
#define PICOLASE_DRIVE_H

#include "picolase.h"

#define LIT_STATES (ARMED_STATES | BIT(STATE_CALIBRATING)) /* the indicator is on, before and during every pulse */

/* What the sequence of the present state asks for. */
struct wants {
    int64_t hv_mv; /* hold the capacitor at this voltage; 0 = dumped */
    int64_t comparator_uj;
    uint32_t mode_width_ps;
    bool charge;        /* the charger may run now */
    bool prove_charger; /* enable the charger with nothing set and the dump in */
    bool gate;
    bool shutter_open;
    bool comparator_reset;
    bool indicator;
    bool monitor_test;
    bool aiming;
    bool simmer;
    bool pump;
    bool heater;
};

/* Ask for nothing. */
void wants_clear(struct wants *wants);

/* Set every output but the two counters. */
void drive(enum state state, const struct wants *wants, struct outputs *outputs);

#endif
