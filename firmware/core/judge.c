/* Judgement of one pulse: measured energy, width and number of flashes against what was set. */
#include "judge.h"

#define MEASURED_MAX_UJ 5000000

int64_t calibrated(int64_t raw_uj, int64_t gain_ppm)
{
    return within((raw_uj * gain_ppm + 500000) / 1000000, 0, MEASURED_MAX_UJ);
}

bool beyond(int64_t value, int64_t reference, int64_t percent)
{
    return magnitude(value - reference) * 100 > percent * reference;
}

static void flag(struct verdict *verdict, enum pulse_flag number)
{
    verdict->flags |= (uint32_t)BIT(number);
}

static void prove(struct verdict *verdict, enum fault fault, int64_t value)
{
    if (verdict->count < PROVEN_MAX) {
        verdict->proven[verdict->count].fault = fault;
        verdict->proven[verdict->count].value = value;
        verdict->count++;
    }
}

static void judge_energy(const struct expected *expected, const struct readings *readings,
                         struct verdict *verdict)
{
    int64_t set_uj = expected->set_energy_uj;
    if (set_uj == 0) {
        return;
    }
    int64_t a_uj = readings->monitor_a_uj;
    int64_t b_uj = expected->shutter_open ? readings->monitor_b_uj : a_uj;
    int64_t low_uj = least(a_uj, b_uj);
    int64_t high_uj = most(a_uj, b_uj);
    bool high = beyond(high_uj, set_uj, ENERGY_TRIP_PERCENT) && high_uj > set_uj;
    bool low = beyond(low_uj, set_uj, ENERGY_TRIP_PERCENT) && low_uj < set_uj;
    if (high) {
        flag(verdict, PULSE_FLAG_ENERGY_HIGH);
        prove(verdict, FAULT_ENERGY_HIGH, high_uj);
    }
    if (low) {
        flag(verdict, PULSE_FLAG_ENERGY_LOW);
        prove(verdict, FAULT_ENERGY_LOW, low_uj);
    }
    bool drifted =
        beyond(low_uj, set_uj, ENERGY_DRIFT_PERCENT) || beyond(high_uj, set_uj, ENERGY_DRIFT_PERCENT);
    if (drifted && !high && !low) {
        flag(verdict, PULSE_FLAG_ENERGY_DRIFT);
    }
}

static void judge_width(const struct expected *expected, int64_t width_ps, struct verdict *verdict)
{
    bool inside = width_ps >= WIDTH_MIN_PS && width_ps <= WIDTH_MAX_PS;
    if (!inside || beyond(width_ps, expected->mode_width_ps, WIDTH_PERCENT)) {
        flag(verdict, PULSE_FLAG_WIDTH);
        prove(verdict, FAULT_PULSE_WIDTH, width_ps);
    }
}

static void judge_path(const struct expected *expected, const struct readings *readings,
                       struct verdict *verdict)
{
    if (!expected->shutter_open) {
        if (readings->monitor_b_uj >= DARK_B_MAX_UJ) {
            prove(verdict, FAULT_SHUTTER_STUCK_OPEN, readings->monitor_b_uj);
        }
    } else if (!expected->calibration) { /* while the gains are being measured they cannot be compared */
        int64_t mean_uj = (readings->monitor_a_uj + readings->monitor_b_uj) / 2;
        int64_t apart_uj = magnitude(readings->monitor_a_uj - readings->monitor_b_uj);
        if (apart_uj * 100 > MONITORS_PERCENT * mean_uj) {
            flag(verdict, PULSE_FLAG_MONITORS_DISAGREE);
            prove(verdict, FAULT_MONITORS_DISAGREE, apart_uj);
        }
    }
}

struct verdict judge(const struct expected *expected, const struct readings *readings)
{
    struct verdict verdict = {0};
    if (readings->comparator) {
        flag(&verdict, PULSE_FLAG_COMPARATOR);
        prove(&verdict, FAULT_OVER_ENERGY_COMPARATOR, readings->monitor_a_uj);
    }
    if (readings->pulses == 0) {
        flag(&verdict, PULSE_FLAG_MISSING);
        prove(&verdict, FAULT_PULSE_MISSING, 0);
        return verdict;
    }
    if (readings->pulses > 1) {
        flag(&verdict, PULSE_FLAG_DOUBLE);
        prove(&verdict, FAULT_PULSE_DOUBLE, readings->pulses);
    }
    judge_energy(expected, readings, &verdict);
    judge_width(expected, readings->pulse_width_ps, &verdict);
    judge_path(expected, readings, &verdict);
    return verdict;
}
