/* Coolant: flow after the pump's start, the heater's two-point control, and how long it has been warm. */
#ifndef PICOLASE_COOLING_H
#define PICOLASE_COOLING_H

#include "picolase.h"

/* Watches the coolant whenever the pump runs; decides about the heater, not about the pump. */
struct cooling {
    bool flow_low; /* no flow is proven before the pump ran */
    bool heater_wanted;
    int64_t pump_since_us; /* -1: it does not run */
    int64_t low_since_us;
    int64_t warm_since_us;
    int64_t now_us;
};

void cooling_start(struct cooling *cooling);

/* Take what the pump does from now on; true: that is a change. */
bool cooling_command(struct cooling *cooling, int64_t now_us, bool pump_on);

/* Take flow and temperature; true: flow or heater are judged otherwise than before. */
bool cooling_update(struct cooling *cooling, int64_t now_us, const struct inputs *inputs);

/* Whether the pump has run long enough for its contacts to be believed. */
bool cooling_runs(const struct cooling *cooling);

/* Whether the coolant has been within its window for a minute. */
bool cooling_warm(const struct cooling *cooling);

/* When one of the above changes by time alone. */
int64_t cooling_deadline_us(const struct cooling *cooling);

/* The fault of this temperature once warm-up is over, or FAULT_NONE. */
enum fault coolant_fault(int64_t coolant_mc);

#endif
