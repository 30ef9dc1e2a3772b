/* Coolant: flow after the pump's start, the heater's two-point control, and how long it has been warm. */
#include "cooling.h"

void cooling_start(struct cooling *cooling)
{
    cooling->flow_low = true;
    cooling->heater_wanted = false;
    cooling->pump_since_us = -1;
    cooling->low_since_us = 0;
    cooling->warm_since_us = -1;
    cooling->now_us = 0;
}

bool cooling_command(struct cooling *cooling, int64_t now_us, bool pump_on)
{
    if (pump_on == (cooling->pump_since_us >= 0)) {
        return false;
    }
    cooling->pump_since_us = pump_on ? now_us : -1;
    return true;
}

static void heat(struct cooling *cooling, const struct inputs *inputs, bool pump_on)
{
    bool may = pump_on && cooling->low_since_us < 0 && inputs->level_ok && inputs->thermostat_closed;
    bool believed = inputs->coolant_mc >= SENSOR_MC_LOW && inputs->coolant_mc <= SENSOR_MC_HIGH;
    if (!may || !believed) {
        cooling->heater_wanted = false;
    } else if (inputs->coolant_mc < COOLANT_SET_MC - HEATER_BAND_MC) {
        cooling->heater_wanted = true;
    } else if (inputs->coolant_mc > COOLANT_SET_MC + HEATER_BAND_MC) {
        cooling->heater_wanted = false;
    }
}

bool cooling_update(struct cooling *cooling, int64_t now_us, const struct inputs *inputs)
{
    bool flow_was_low = cooling->flow_low;
    bool heater_was_wanted = cooling->heater_wanted;
    bool pump_on = cooling->pump_since_us >= 0;
    cooling->now_us = now_us;
    if (pump_on && inputs->flow_ml_min >= FLOW_MIN_ML_MIN) {
        cooling->low_since_us = -1;
    } else if (cooling->low_since_us < 0) {
        cooling->low_since_us = now_us;
    }
    cooling->flow_low =
        !pump_on || (cooling->low_since_us >= 0 && now_us - cooling->low_since_us > FLOW_LOW_US);
    if (magnitude(inputs->coolant_mc - COOLANT_SET_MC) > WARM_BAND_MC || !pump_on) {
        cooling->warm_since_us = -1;
    } else if (cooling->warm_since_us < 0) {
        cooling->warm_since_us = now_us;
    }
    heat(cooling, inputs, pump_on);
    return cooling->flow_low != flow_was_low || cooling->heater_wanted != heater_was_wanted;
}

bool cooling_runs(const struct cooling *cooling)
{
    return cooling->pump_since_us >= 0 && cooling->now_us - cooling->pump_since_us >= PUMP_GRACE_US;
}

bool cooling_warm(const struct cooling *cooling)
{
    return cooling->warm_since_us >= 0 && cooling->now_us - cooling->warm_since_us >= WARM_US;
}

int64_t cooling_deadline_us(const struct cooling *cooling)
{
    int64_t deadline_us = NEVER_US;
    if (cooling->pump_since_us >= 0 && !cooling_runs(cooling)) {
        deadline_us = cooling->pump_since_us + PUMP_GRACE_US;
    }
    if (cooling->low_since_us >= 0 && !cooling->flow_low) {
        deadline_us = least(deadline_us, cooling->low_since_us + FLOW_LOW_US + 1);
    }
    if (cooling->warm_since_us >= 0 && !cooling_warm(cooling)) {
        deadline_us = least(deadline_us, cooling->warm_since_us + WARM_US);
    }
    return deadline_us;
}

enum fault coolant_fault(int64_t coolant_mc)
{
    if (coolant_mc < COOLANT_COLD_MC) {
        return FAULT_COOLANT_COLD;
    }
    return coolant_mc > COOLANT_HOT_MC ? FAULT_COOLANT_HOT : FAULT_NONE;
}
