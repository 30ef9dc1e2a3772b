/* READY and EMITTING: who may fire, since when, and what ends it. An arming's emission starts with a fresh
 * press under a permit and ends with the first doubt. */
#include "sequences.h"

void emission_enter(struct device *device)
{
    const struct msg_setpoint *setpoint = &device->setpoints.committed;
    int32_t mode = mode_of(setpoint->wavelength_nm, setpoint->mode_width_ps);
    struct emission *emission = &device->emission;
    /* worked out once for each arming */
    emission->hv_mv = voltage_mv(&device->memory.calibration, mode, setpoint->pulse_energy_uj);
    emission->comparator_uj = comparator_uj(setpoint->pulse_energy_uj);
    emission->drifts_running = 0;
}

/* What returns the laser to STANDBY without being a fault, or LEAVE_NEVER. */
static enum leave reason_to_leave(const struct device *device)
{
    const struct msg_setpoint *setpoint = &device->setpoints.committed;
    const struct inputs *inputs = &device->inputs;
    bool aperture = device->beam == BEAM_APERTURE;
    if (!inputs->defeat_key_out) {
        return LEAVE_COVER_DEFEATED;
    }
    if (inputs->handpiece != setpoint->handpiece || (aperture && !device_undocked(device))) {
        return LEAVE_HANDPIECE;
    }
    if (inputs->spot_um != setpoint->spot_um) {
        return LEAVE_SPOT;
    }
    if (inputs->wavelength_nm != setpoint->wavelength_nm) {
        return LEAVE_WAVELENGTH;
    }
    if (aperture && !device_aiming_good(device)) {
        return LEAVE_AIMING;
    }
    if (!device->calibrator.valid) {
        return LEAVE_NOT_CALIBRATED;
    }
    if (device->permit.id != 0 && inputs->internal_trigger_strap != device->permit.internal) {
        return LEAVE_TRIGGER;
    }
    if (device->state == STATE_READY && device->now_us >= emission_idle_us(device)) {
        return LEAVE_IDLE;
    }
    return LEAVE_NEVER;
}

void emission_watch(struct device *device)
{
    const struct permit *permit = &device->permit;
    enum leave leave = reason_to_leave(device);
    if (leave != LEAVE_NEVER) {
        (void)device_go(device, EVENT_RETURN, leave);
    } else if (permit->id != 0) {
        bool used_up = permit->pulses_left == 0 && !device->pulser.shot.on_its_way;
        if (used_up || device->now_us >= permit->ends_us) {
            device_void_permit(device);
        }
    }
}

static void prepare(struct device *device)
{
    struct wants *wants = &device->wants;
    wants->hv_mv = device->emission.hv_mv;
    wants->charge = !device->pulser.shot.on_its_way;
    wants->mode_width_ps = device->setpoints.committed.mode_width_ps;
    wants->comparator_uj = device->emission.comparator_uj;
}

static struct order order_of(const struct device *device)
{
    const struct msg_setpoint *setpoint = &device->setpoints.committed;
    struct order order = {
        .hv_mv = device->emission.hv_mv,
        .expected = {.set_energy_uj = setpoint->pulse_energy_uj,
                     .mode_width_ps = setpoint->mode_width_ps,
                     .shutter_open = device->beam == BEAM_APERTURE,
                     .calibration = false},
        .rep_rate_mhz = setpoint->rep_rate_mhz,
        .permit_id = device->permit.id,
        .press = device->permit.internal ? 0 : device->foot.press,
    };
    return order;
}

void emission_ready(struct device *device)
{
    const struct permit *permit = &device->permit;
    prepare(device); /* hold the charge */
    bool fired = permit->internal ? device->inputs.internal_trigger_strap : foot_fresh(&device->foot);
    if (permit->id != 0 && permit->pulses_left > 0 && fired) {
        (void)device_go(device, EVENT_PRESS, LEAVE_NEVER);
        device->emission.order = order_of(device);
        pulser_begin(&device->pulser, device->now_us, &device->emission.order);
    }
}

void emission_emitting(struct device *device)
{
    const struct permit *permit = &device->permit;
    prepare(device);
    /* a strap that goes ends the arming */
    bool held = permit->id != 0 && (permit->internal || device->foot.down);
    if (!held) {
        (void)device_go(device, EVENT_RELEASE, LEAVE_NEVER);
    } else if (permit->pulses_left == 0) {
        /* the permit ends when the last pulse is judged: its light is on the way */
        device->wants.shutter_open = device->beam == BEAM_APERTURE;
        device->wants.gate = true;
    } else if (memory_room(&device->memory) <= 0 && !device->pulser.shot.on_its_way) {
        (void)device_go(device, EVENT_RETURN, LEAVE_REPORTS_FULL);
    } else {
        struct order order = device->emission.order;
        pulser_run(device, &order);
    }
}

void emission_take(struct device *device, const struct outcome *outcome)
{
    struct emission *emission = &device->emission;
    if (outcome->order.expected.calibration) {
        return;
    }
    bool drifted = (outcome->report.flags & BIT(PULSE_FLAG_ENERGY_DRIFT)) != 0;
    emission->drifts_running = drifted ? emission->drifts_running + 1 : 0;
    if (emission->drifts_running >= DRIFTS_MAX && device->armed) {
        (void)device_go(device, EVENT_RETURN, LEAVE_DRIFT);
    }
}

int64_t emission_idle_us(const struct device *device)
{
    return most(device->entered_us, device->foot.began_us) + IDLE_US;
}
