/* Supervision of capacitor and simmer: over-voltage, the dump, and the lamp's keep-alive current. */
#include "high_voltage.h"

#include <string.h>

void high_voltage_start(struct high_voltage *high_voltage)
{
    memset(high_voltage, 0, sizeof *high_voltage);
    high_voltage->simmer_since_us = -1;
}

bool high_voltage_command(struct high_voltage *high_voltage, int64_t now_us, const struct outputs *driven)
{
    int64_t held_at_mv = driven->dump_hold ? driven->hv_set_mv : 0;
    bool simmers = high_voltage->simmer_since_us >= 0;
    if (held_at_mv == high_voltage->held_at_mv && driven->simmer_start == simmers) {
        return false;
    }
    high_voltage->held_at_mv = held_at_mv;
    if (driven->dump_hold) {
        high_voltage->dumped_since_us = -1;
    } else if (high_voltage->dumped_since_us < 0) {
        high_voltage->dumped_since_us = now_us;
    }
    if (driven->simmer_start != simmers) {
        high_voltage->simmer_since_us = driven->simmer_start ? now_us : -1;
        high_voltage->simmer_seen = false;
        high_voltage->awaits_simmer = driven->simmer_start;
    }
    return true;
}

static enum fault simmer_fault(struct high_voltage *high_voltage, int64_t now_us, bool simmer_on)
{
    int64_t driven_for_us = now_us - high_voltage->simmer_since_us;
    if (simmer_on) {
        high_voltage->simmer_seen = high_voltage->simmer_seen || driven_for_us >= SIMMER_SETTLE_US;
        high_voltage->awaits_simmer = !high_voltage->simmer_seen;
        return FAULT_NONE;
    }
    if (high_voltage->simmer_seen) {
        return FAULT_SIMMER_LOST;
    }
    return driven_for_us >= SIMMER_US ? FAULT_SIMMER_TIMEOUT : FAULT_NONE;
}

enum fault high_voltage_update(struct high_voltage *high_voltage, int64_t now_us,
                               const struct inputs *inputs, int64_t *value)
{
    *value = inputs->hv_mv;
    high_voltage->charged = inputs->hv_mv > HV_SAFE_MV;
    if (high_voltage->held_at_mv != 0 && over_voltage(inputs->hv_mv, high_voltage->held_at_mv)) {
        return FAULT_OVER_VOLTAGE;
    }
    bool dumped = high_voltage->dumped_since_us >= 0;
    if (high_voltage->charged && dumped && now_us - high_voltage->dumped_since_us >= DUMP_US) {
        return FAULT_DUMP_FAILED;
    }
    *value = 0;
    if (high_voltage->simmer_since_us >= 0) {
        return simmer_fault(high_voltage, now_us, inputs->simmer_on);
    }
    return FAULT_NONE;
}

int64_t high_voltage_deadline_us(const struct high_voltage *high_voltage)
{
    int64_t deadline_us = NEVER_US;
    if (high_voltage->charged && high_voltage->dumped_since_us >= 0) {
        deadline_us = high_voltage->dumped_since_us + DUMP_US;
    }
    if (high_voltage->simmer_since_us >= 0 && !high_voltage->simmer_seen) {
        deadline_us = least(deadline_us, high_voltage->simmer_since_us + SIMMER_US);
    }
    return deadline_us;
}

bool over_voltage(int64_t hv_mv, int64_t set_mv)
{
    return hv_mv * 1000 > set_mv * (1000 + OVER_VOLTAGE_PERMILLE);
}

bool is_charged(const struct inputs *inputs, int64_t set_mv)
{
    return inputs->charge_done && (int64_t)inputs->hv_mv * 1000 >= set_mv * CHARGED_PERMILLE;
}
