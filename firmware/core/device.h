/* The laser as its own firmware sees it: state, parts, and the two ways to change it: an event and a trip. */
#ifndef PICOLASE_DEVICE_H
#define PICOLASE_DEVICE_H

#include "cooling.h"
#include "drive.h"
#include "faults.h"
#include "footswitch.h"
#include "high_voltage.h"
#include "host.h"
#include "pairs.h"
#include "permit.h"
#include "pulser.h"
#include "script.h"
#include "setpoint.h"
#include "shutter.h"

/* One calibration at a time: first into the closed shutter, then, docked, into the port. */
struct calibrator {
    bool valid; /* treatment may use the stored calibration */
    bool port_begun;
    bool left_port;
    uint32_t shots;
    int64_t shutter_a_uj;
    int64_t sums[POINTS][3]; /* port, monitor A, monitor B of each point */
};

/* One arming's emission. */
struct emission {
    int64_t drifts_running;
    int64_t hv_mv;
    int64_t comparator_uj;
    struct order order; /* of the present press */
};

/* All parts of one running firmware. Everything here but `memory` is gone after a restart. */
struct device {
    const struct board *board; /* only within a step */
    struct identity identity;
    int64_t now_us;
    struct inputs inputs;
    struct outputs outputs;
    uint32_t changed; /* what the parts have to look at in this step */
    uint32_t noted;   /* of it: what was changed inside since the step began */
    uint32_t carried; /* what was changed inside in the step before */
    uint32_t open_interlocks;
    uint32_t boot_number;
    enum state state;
    bool armed; /* the state is ARMING, READY or EMITTING */
    int64_t entered_us;
    enum leave leave;
    enum beam beam;
    uint32_t stop_epoch;
    uint32_t arm_epoch;
    struct wants wants;
    struct memory memory;
    struct footswitch foot;
    struct pairs pairs;
    struct host host;
    struct permit permit;
    struct setpoints setpoints;
    struct shutter_monitor shutter;
    struct cooling cooling;
    struct high_voltage high_voltage;
    struct pulser pulser;
    bool self_tested;
    struct script self_test;
    struct script arming;
    struct calibrator calibrator;
    struct emission emission;
    bool aiming_on;
    int64_t aiming_since_us;
};

/* Start with outputs at their safe level; false: the memory is too small. */
bool device_start(struct device *device, const struct board *board);

/* Something was changed inside: let everything look that depends on it. */
void device_note(struct device *device, uint32_t changed);

/* Follow the table; false: the event is refused here, and nothing changed. Outputs follow at once. `leave`
 * counts when the laser leaves the armed states for STANDBY. */
bool device_go(struct device *device, enum event event, enum leave leave);

/* Latch a fault and go to FAULT; with the key off it is latched and the laser stays OFF. */
void device_trip(struct device *device, enum fault fault, int64_t value);

/* End permission: no permit, and the present press counts no more. */
void device_void_permit(struct device *device);

/* Switch the aiming beam; the time until it is judged and until it goes off by itself begins. */
void device_set_aiming(struct device *device, bool on);

/* The last look, at wires and permit themselves: whether nothing speaks against the lamp trigger. It trusts
 * neither the order nor what was looked at before: the state says whether this calibrates. */
bool device_clear_to_trigger(struct device *device, const struct order *order);

/* The latched faults whose cause is still there. */
uint64_t device_causes_present(const struct device *device);

/* Whether the handpiece is in the calibration port, or out of it, by both contacts; it may be neither. */
bool device_docked(const struct device *device);
bool device_undocked(const struct device *device);

/* Whether the indicator's current, the aiming beam's power, is in its window. */
bool device_indicator_lit(const struct device *device);
bool device_aiming_lit(const struct device *device);

/* Whether the aiming beam is switched on and its power is in its window. */
bool device_aiming_good(const struct device *device);

#endif
