/* The pulse sequence: charge, wait until due, number, look again, trigger, judge, report. */
#ifndef PICOLASE_PULSER_H
#define PICOLASE_PULSER_H

#include "judge.h"

struct device;

/* What the next pulse is to be. */
struct order {
    int64_t hv_mv;
    struct expected expected;
    uint32_t rep_rate_mhz;
    uint32_t permit_id;
    uint32_t press;
};

/* A pulse between its commit and its report. */
struct shot {
    bool on_its_way;
    bool seen; /* by any sensor */
    bool comparator;
    bool withdrawn; /* the gate closed before its light was seen: none may come, and that is no fault */
    uint32_t light_count;
    int64_t trigger_us;
    struct order order;
    struct msg_pulse_report commit; /* as it was put on record */
};

/* A pulse that was judged and reported, with the monitors as they read, uncalibrated. */
struct outcome {
    struct order order;
    struct msg_pulse_report report;
    int64_t raw_a_uj;
    int64_t raw_b_uj;
    int64_t port_uj;
};

/* What the light sensors read: any of them proves a pulse. */
struct sensors {
    uint32_t light_count;
    int32_t pulse_width_ps;
    int32_t monitor_a_uj;
    int32_t monitor_b_uj;
    int32_t port_meter_uj;
};

/* Fires by order, one pulse at a time, never faster than the order's rate over whatever came before. */
struct pulser {
    struct shot shot;
    uint32_t skipped; /* triggers skipped since boot for want of charge */
    int64_t skips_running;
    int64_t due_us;
    int64_t earliest_us; /* the previous trigger plus a period */
    int64_t rings_until_us; /* the lamp's discharge disturbs the serial line */
    int64_t deadline_us; /* when a trigger or a judgement is due */
    bool first;
    bool has_readings;
    struct sensors readings;
};

void pulser_start(struct pulser *pulser);

/* A new run of pulses: the first as soon as all is ready, later ones a period apart. */
void pulser_begin(struct pulser *pulser, int64_t now_us, const struct order *order);

/* The run is over; a shot on its way is not. */
void pulser_end(struct pulser *pulser);

/* Light that no trigger of ours explains is the worst there is, in every state. */
void pulser_watch_light(struct device *device);

/* Prepare the next pulse of this order and fire it when it is due. */
void pulser_run(struct device *device, const struct order *order);

/* Watch the shot on its way; true: it is judged and reported, and this is its outcome. */
bool pulser_observe(struct device *device, struct outcome *outcome);

#endif
