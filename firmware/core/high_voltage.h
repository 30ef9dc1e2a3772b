/* Supervision of capacitor and simmer: over-voltage, the dump, and the lamp's keep-alive current. */
#ifndef PICOLASE_HIGH_VOLTAGE_H
#define PICOLASE_HIGH_VOLTAGE_H

#include "picolase.h"

/* Judges capacitor and simmer against what was last driven, in every state. */
struct high_voltage {
    bool charged;
    bool simmer_seen;
    bool awaits_simmer; /* it is to come, or to prove that it is not the old current */
    int64_t held_at_mv;
    int64_t dumped_since_us; /* dumped from power-on; -1: held */
    int64_t simmer_since_us; /* -1: it is not driven */
};

void high_voltage_start(struct high_voltage *high_voltage);

/* Take what is driven from now on; true: there is a change to be supervised. */
bool high_voltage_command(struct high_voltage *high_voltage, int64_t now_us, const struct outputs *driven);

/* The fault of capacitor or simmer with its measured value, or FAULT_NONE. */
enum fault high_voltage_update(struct high_voltage *high_voltage, int64_t now_us,
                               const struct inputs *inputs, int64_t *value);

/* When dump or simmer are late. */
int64_t high_voltage_deadline_us(const struct high_voltage *high_voltage);

/* Whether the capacitor is more than 1.5 % above its set voltage. */
bool over_voltage(int64_t hv_mv, int64_t set_mv);

/* Whether end of charge is reported and the voltage bears it out. */
bool is_charged(const struct inputs *inputs, int64_t set_mv);

#endif
