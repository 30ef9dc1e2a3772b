/* The pulse sequence: charge, wait until due, number, look again, trigger, judge, report.
 *
 * Theory of operation. Whoever may fire (EMITTING, CALIBRATING) calls `pulser_run` with its order in every
 * step. The trigger leaves in a step whose inputs were read in that very step; after the number is in memory
 * everything is looked at once more. From the trigger on the shot lives by itself: it is observed, judged and
 * reported in whatever state the laser is by then, because its light comes 200 us later all the same.
 */
#include "pulser.h"

#include <string.h>

#include "device.h"

static int64_t period_us(const struct order *order)
{
    return INT64_C(1000000000) / order->rep_rate_mhz;
}

/* Work out the deadline anew. */
static void plan(struct pulser *pulser)
{
    if (pulser->shot.on_its_way) {
        pulser->deadline_us = pulser->shot.trigger_us + (pulser->shot.seen ? JUDGE_US : MISSING_US);
    } else {
        pulser->deadline_us = pulser->first ? least(pulser->due_us, pulser->earliest_us) : pulser->due_us;
    }
}

void pulser_start(struct pulser *pulser)
{
    memset(pulser, 0, sizeof *pulser);
    pulser->due_us = NEVER_US;
    pulser->deadline_us = NEVER_US;
    pulser->first = true;
}

void pulser_begin(struct pulser *pulser, int64_t now_us, const struct order *order)
{
    pulser->first = true;
    pulser->due_us = now_us + period_us(order);
    pulser->skips_running = 0;
    plan(pulser);
}

void pulser_end(struct pulser *pulser)
{
    pulser->first = true;
    pulser->due_us = NEVER_US;
    plan(pulser);
}

static bool same_sensors(const struct sensors *a, const struct sensors *b)
{
    return a->light_count == b->light_count && a->pulse_width_ps == b->pulse_width_ps &&
           a->monitor_a_uj == b->monitor_a_uj && a->monitor_b_uj == b->monitor_b_uj &&
           a->port_meter_uj == b->port_meter_uj;
}

void pulser_watch_light(struct device *device)
{
    struct pulser *pulser = &device->pulser;
    const struct inputs *inputs = &device->inputs;
    struct sensors seen = {inputs->light_count, inputs->pulse_width_ps, inputs->monitor_a_uj,
                           inputs->monitor_b_uj, inputs->port_meter_uj};
    if (pulser->has_readings && same_sensors(&seen, &pulser->readings)) {
        return;
    }
    bool explained = pulser->shot.on_its_way || !pulser->has_readings;
    if (device->memory.unknown_at_boot && device->now_us <= RESET_LIGHT_US) {
        explained = true; /* a reset cut that pulse off: its light is on record as UNKNOWN */
    }
    pulser->has_readings = true;
    pulser->readings = seen;
    pulser->shot.seen = pulser->shot.on_its_way;
    plan(pulser);
    if (!explained) {
        device_trip(device, FAULT_LIGHT_WITHOUT_TRIGGER, inputs->monitor_a_uj);
    }
}

/* The report as it is known before the trigger. */
static struct msg_pulse_report commit_of(const struct device *device, const struct order *order)
{
    const struct expected *expected = &order->expected;
    const struct inputs *inputs = &device->inputs;
    uint64_t flags = BIT(PULSE_FLAG_UNKNOWN); /* what it remains if power goes before the report */
    if (!expected->shutter_open) {
        flags |= BIT(PULSE_FLAG_SHUTTER_CLOSED);
    }
    if (expected->calibration) {
        flags |= BIT(PULSE_FLAG_CALIBRATION);
    }
    struct msg_pulse_report report = {
        .pulse_number = device->memory.pulse_number + 1,
        .boot = device->boot_number,
        .device_time_us = (uint64_t)device->now_us,
        .permit_id = order->permit_id,
        .press = order->press,
        .flags = (uint32_t)flags,
        .set_energy_uj = expected->set_energy_uj,
        .mode_width_ps = expected->mode_width_ps,
        .wavelength_nm = (uint16_t)within(inputs->wavelength_nm, 0, 2000),
        .handpiece = (uint8_t)handpiece_of(inputs->handpiece),
        .spot_um = (uint16_t)within(inputs->spot_um, 0, 20000),
        .rep_rate_mhz = order->rep_rate_mhz,
        .lamp_mv = (uint32_t)within(inputs->hv_mv, 0, 2000000),
        .coolant_mc = (int32_t)within(inputs->coolant_mc, -50000, 150000),
    };
    return report;
}

static void fire(struct device *device, const struct order *order)
{
    struct pulser *pulser = &device->pulser;
    struct msg_pulse_report commit = commit_of(device, order);
    if (!memory_commit(&device->memory, &commit)) {
        device_trip(device, FAULT_NONVOLATILE, 0); /* a pulse that is not on record is not fired */
        return;
    }
    device_note(device, CHANGED_PULSE);
    if (order->permit_id != 0) {
        device->permit.pulses_left--;
    }
    if (!device_clear_to_trigger(device, order)) {
        commit.flags &= (uint32_t)~BIT(PULSE_FLAG_UNKNOWN);
        commit.flags |= (uint32_t)BIT(PULSE_FLAG_SKIPPED);
        memory_finish(&device->memory, &commit);
        pulser->due_us += period_us(order);
        plan(pulser);
        return;
    }
    device->outputs.lamp_triggers++;
    device->wants.charge = false; /* the lamp must go out before the charger runs again */
    memset(&pulser->shot, 0, sizeof pulser->shot);
    pulser->shot.on_its_way = true;
    pulser->shot.order = *order;
    pulser->shot.commit = commit;
    pulser->shot.trigger_us = device->now_us;
    pulser->shot.light_count = pulser->readings.light_count;
    pulser->rings_until_us = device->now_us + QUIET_US;
    pulser->skips_running = 0;
    pulser->first = false;
    pulser->due_us = device->now_us + period_us(order);
    pulser->earliest_us = pulser->due_us;
    plan(pulser);
}

static void skip(struct device *device, const struct order *order)
{
    struct pulser *pulser = &device->pulser;
    pulser->skipped++;
    pulser->skips_running++;
    pulser->due_us += period_us(order);
    plan(pulser);
    if (pulser->skips_running >= SKIPS_MAX) {
        device_trip(device, FAULT_NO_END_OF_CHARGE, device->inputs.hv_mv);
    }
}

void pulser_run(struct device *device, const struct order *order)
{
    struct pulser *pulser = &device->pulser;
    struct wants *wants = &device->wants;
    const struct inputs *inputs = &device->inputs;
    bool shutter_open = order->expected.shutter_open;
    wants->hv_mv = order->hv_mv;
    wants->charge = !pulser->shot.on_its_way;
    wants->mode_width_ps = order->expected.mode_width_ps;
    wants->shutter_open = shutter_open;
    wants->gate = device->shutter.position == (shutter_open ? SHUTTER_OPEN : SHUTTER_CLOSED);
    if (pulser->shot.on_its_way || !wants->gate) {
        return;
    }
    if (inputs->gate_inhibited) {
        if (device->now_us >= pulser->due_us && device->outputs.gate_enable) {
            device_trip(device, FAULT_GATE_CHANNEL, 0); /* it was told to open long ago */
        }
        return;
    }
    bool full = is_charged(inputs, order->hv_mv);
    if (pulser->first && full && device->now_us >= pulser->earliest_us) {
        pulser->due_us = device->now_us;
        plan(pulser);
    }
    if (device->now_us < pulser->due_us || device->now_us < pulser->earliest_us) {
        return;
    }
    if (!full) {
        skip(device, order);
    } else if (over_voltage(inputs->hv_mv, order->hv_mv)) {
        device_trip(device, FAULT_OVER_VOLTAGE, inputs->hv_mv);
    } else {
        fire(device, order);
    }
}

/* The report of a judged shot. */
static struct msg_pulse_report report_of(const struct shot *shot, const struct readings *readings,
                                         uint32_t verdict_flags)
{
    struct msg_pulse_report report = shot->commit;
    uint32_t missing = (uint32_t)BIT(PULSE_FLAG_MISSING);
    report.flags = (report.flags & (uint32_t)~BIT(PULSE_FLAG_UNKNOWN)) | verdict_flags;
    if (shot->withdrawn && (report.flags & missing) != 0) {
        /* no light was meant to come any more */
        report.flags = (report.flags & ~missing) | (uint32_t)BIT(PULSE_FLAG_SKIPPED);
    }
    report.monitor_a_uj = (uint32_t)readings->monitor_a_uj;
    report.monitor_b_uj = (uint32_t)readings->monitor_b_uj;
    report.pulse_width_ps = (uint32_t)within(readings->pulse_width_ps, 0, UINT32_MAX);
    return report;
}

static struct readings readings_of(const struct device *device)
{
    const struct shot *shot = &device->pulser.shot;
    const struct stored_calibration *stored = &device->memory.calibration;
    const struct inputs *inputs = &device->inputs;
    bool measuring = shot->order.expected.calibration; /* the gains: it is reported as the monitors read */
    uint32_t counted = device->pulser.readings.light_count - shot->light_count;
    struct readings readings = {.comparator = shot->comparator};
    readings.pulses = counted > 0 || !shot->seen ? counted : 1;
    if (shot->seen) {
        readings.monitor_a_uj = calibrated(inputs->monitor_a_uj, measuring ? 1000000 : stored->gain_a_ppm);
        readings.monitor_b_uj = calibrated(inputs->monitor_b_uj, measuring ? 1000000 : stored->gain_b_ppm);
    }
    if (counted > 0) { /* the photodiode, which counts, measures it too */
        readings.pulse_width_ps = inputs->pulse_width_ps;
    }
    return readings;
}

bool pulser_observe(struct device *device, struct outcome *outcome)
{
    struct pulser *pulser = &device->pulser;
    struct shot *shot = &pulser->shot;
    const struct inputs *inputs = &device->inputs;
    if (!shot->on_its_way) {
        return false;
    }
    shot->comparator = shot->comparator || inputs->comparator_tripped;
    shot->withdrawn = shot->withdrawn || (inputs->gate_inhibited && !shot->seen);
    if (device->now_us - shot->trigger_us < (shot->seen ? JUDGE_US : MISSING_US)) {
        return false;
    }
    shot->on_its_way = false;
    plan(pulser);
    device_note(device, CHANGED_PULSE);
    struct readings readings = readings_of(device);
    struct verdict verdict = judge(&shot->order.expected, &readings);
    outcome->order = shot->order;
    outcome->report = report_of(shot, &readings, verdict.flags);
    outcome->raw_a_uj = inputs->monitor_a_uj;
    outcome->raw_b_uj = inputs->monitor_b_uj;
    outcome->port_uj = shot->seen ? inputs->port_meter_uj : 0;
    memory_finish(&device->memory, &outcome->report);
    bool withdrawn = shot->withdrawn;
    for (uint32_t i = 0; i < verdict.count; i++) {
        if (!(verdict.proven[i].fault == FAULT_PULSE_MISSING && withdrawn)) {
            device_trip(device, verdict.proven[i].fault, verdict.proven[i].value);
        }
    }
    return true;
}
