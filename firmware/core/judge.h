/* Judgement of one pulse: measured energy, width and number of flashes against what was set. */
#ifndef PICOLASE_JUDGE_H
#define PICOLASE_JUDGE_H

#include "picolase.h"

/* What was measured of one pulse, energies calibrated. */
struct readings {
    uint32_t pulses; /* optical pulses since the trigger; 1 too, if any sensor but the photodiode saw light */
    int64_t monitor_a_uj;
    int64_t monitor_b_uj;
    int64_t pulse_width_ps;
    bool comparator;
};

/* What one pulse was fired for. */
struct expected {
    uint32_t set_energy_uj; /* 0: no energy is expected of it (calibration) */
    uint16_t mode_width_ps;
    bool shutter_open;
    bool calibration;
};

#define PROVEN_MAX 8U /* more than one pulse can prove */

/* Flags of the report, and the faults with the value that proved each, first cause first. */
struct verdict {
    uint32_t flags;
    uint32_t count;
    struct {
        enum fault fault;
        int64_t value;
    } proven[PROVEN_MAX];
};

/* A monitor's reading times its gain, rounded, saturated at what a report can carry. */
int64_t calibrated(int64_t raw_uj, int64_t gain_ppm);

/* Whether `value` is more than `percent` of `reference` away from it; exactly at the limit is inside. */
bool beyond(int64_t value, int64_t reference, int64_t percent);

/* Judge one pulse. Either monitor alone can prove a wrong energy. */
struct verdict judge(const struct expected *expected, const struct readings *readings);

#endif
