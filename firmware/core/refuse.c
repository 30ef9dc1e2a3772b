/* Every reason to refuse a request, all at once, as one bit each; nothing here changes anything. */
#include "refuse.h"

#include "sequences.h"

#define NOT_THE_KEY (~(uint32_t)BIT(INTERLOCK_KEY))

static uint64_t reason_if(bool hit, enum refusal refusal)
{
    return hit ? BIT(refusal) : 0;
}

/* What speaks against nearly everything, whatever the host was built from. */
static uint64_t key_and_faults(const struct device *device)
{
    return reason_if(!device->inputs.key_on, REFUSAL_KEY_OFF) |
           reason_if(device->memory.books.latched != 0, REFUSAL_FAULT_LATCHED);
}

static uint64_t general(const struct device *device)
{
    bool differs = device->host.session != 0 && !device->host.same_interface;
    return key_and_faults(device) | reason_if(differs, REFUSAL_INTERFACE);
}

static uint64_t standby_only(const struct device *device)
{
    return general(device) | reason_if(device->state != STATE_STANDBY, REFUSAL_WRONG_STATE);
}

static bool warm(const struct device *device)
{
    int64_t coolant_mc = device->inputs.coolant_mc;
    bool past_warm_up = device->self_tested && device->state != STATE_WARM_UP;
    return past_warm_up && coolant_mc >= ARM_COOLANT_MC_LOW && coolant_mc <= ARM_COOLANT_MC_HIGH;
}

/* What light at the aperture demands beyond everything else. */
static uint64_t beam_refusals(const struct device *device, enum beam beam)
{
    if (beam != BEAM_APERTURE) {
        return 0;
    }
    return reason_if(!device_aiming_good(device), REFUSAL_AIMING_BEAM) |
           reason_if(!device_undocked(device), REFUSAL_DOCKED);
}

static uint64_t not_fit(const struct device *device)
{
    return reason_if((device->open_interlocks & NOT_THE_KEY) != 0, REFUSAL_INTERLOCK_OPEN) |
           reason_if(!warm(device), REFUSAL_NOT_WARM) |
           reason_if(pairs_disagree(&device->pairs, FAULT_DOCK_DISAGREES), REFUSAL_DOCK_DISAGREES) |
           reason_if(!device->inputs.defeat_key_out, REFUSAL_COVER_DEFEATED) |
           reason_if(memory_room(&device->memory) <= 0, REFUSAL_REPORTS_FULL);
}

uint64_t blocks(const struct device *device)
{
    const struct setpoints *setpoints = &device->setpoints;
    const struct msg_setpoint *set = &setpoints->committed;
    uint64_t reasons = general(device) | not_fit(device);
    if (device->armed) {
        reasons |= beam_refusals(device, device->beam);
    } else {
        reasons |= reason_if(device->state != STATE_STANDBY, REFUSAL_WRONG_STATE);
    }
    reasons |= reason_if(device->foot.down, REFUSAL_FOOT_HELD);
    reasons |= reason_if(!device->calibrator.valid, REFUSAL_NOT_CALIBRATED);
    if (setpoints->hash != 0) {
        reasons |= connection_refusals(set->wavelength_nm, set->handpiece, set->spot_um, &device->inputs);
    } else {
        reasons |= BIT(REFUSAL_NO_SETPOINT);
    }
    return reasons | reason_if(!host_alive(&device->host, device->now_us), REFUSAL_HOST_SILENT);
}

uint64_t stage_refusals(const struct device *device, const struct msg_setpoint *setpoint)
{
    return standby_only(device) | range_refusals(setpoint) |
           connection_refusals(setpoint->wavelength_nm, setpoint->handpiece, setpoint->spot_um,
                               &device->inputs);
}

uint64_t commit_refusals(const struct device *device, uint32_t setpoint_hash)
{
    const struct setpoints *setpoints = &device->setpoints;
    const struct msg_setpoint *staged = &setpoints->staged;
    uint64_t reasons = standby_only(device);
    if (setpoints->staged_hash == 0) {
        return reasons | BIT(REFUSAL_NO_SETPOINT);
    }
    reasons |= reason_if(setpoint_hash != setpoints->staged_hash, REFUSAL_SETPOINT_DIFFERS);
    return reasons |
           connection_refusals(staged->wavelength_nm, staged->handpiece, staged->spot_um, &device->inputs);
}

uint64_t aiming_refusals(const struct device *device, bool on)
{
    if (!on || device->armed || device->state == STATE_STANDBY) {
        return 0; /* off is never refused */
    }
    return key_and_faults(device) | BIT(REFUSAL_WRONG_STATE);
}

/* A calibration is stored but does not hold: a stop cut its check short, or it failed. */
static bool check_due(const struct device *device)
{
    return device->memory.calibration.valid && !device->calibrator.valid;
}

uint64_t calibrate_refusals(const struct device *device)
{
    return standby_only(device) | not_fit(device) |
           reason_if(!device_docked(device) && !check_due(device), REFUSAL_NOT_DOCKED);
}

uint64_t standby_refusals(const struct device *device)
{
    if (device->armed || device->state == STATE_STANDBY || device->state == STATE_CALIBRATING) {
        return 0;
    }
    return key_and_faults(device) | BIT(REFUSAL_WRONG_STATE);
}

/* A trip that needs service is cleared only with the service strap fitted, and after the restart that service
 * has to make: an operator has neither. */
uint64_t acknowledge_refusals(const struct device *device, uint32_t fault_instance)
{
    const struct books *books = &device->memory.books;
    uint64_t reasons = reason_if(device->state != STATE_FAULT, REFUSAL_WRONG_STATE) |
                       reason_if(!device->inputs.key_on, REFUSAL_KEY_OFF);
    if (fault_instance != faults_instance(&device->memory)) {
        return reasons | BIT(REFUSAL_OTHER_FAULT);
    }
    reasons |= reason_if(device_causes_present(device) != 0, REFUSAL_CAUSE_PRESENT);
    bool serviced = device->inputs.internal_trigger_strap && books->trip_boot != books->boots;
    bool needs_service = (books->latched & FAULTS_FOR_SERVICE) != 0;
    return reasons | reason_if(needs_service && !serviced, REFUSAL_SERVICE_NEEDED);
}

uint64_t arm_refusals(const struct device *device, const struct msg_arm *arm)
{
    const struct msg_setpoint *set = &device->setpoints.committed;
    uint32_t hash = device->setpoints.hash;
    uint64_t reasons = blocks(device) | beam_refusals(device, (enum beam)arm->beam);
    reasons |= reason_if(device->state != STATE_STANDBY, REFUSAL_WRONG_STATE);
    reasons |= reason_if(hash != 0 && arm->setpoint_hash != hash, REFUSAL_SETPOINT_DIFFERS);
    reasons |= reason_if(arm->stop_epoch != device->stop_epoch, REFUSAL_STOPPED_SINCE);
    if (hash != 0 && device->calibrator.valid) {
        int32_t mode = mode_of(set->wavelength_nm, set->mode_width_ps);
        int64_t hv_mv = voltage_mv(&device->memory.calibration, mode, set->pulse_energy_uj);
        /* an aged lamp may not reach what the mode allows */
        reasons |= reason_if(hv_mv == 0, REFUSAL_ENERGY_RANGE);
    }
    return reasons;
}

uint64_t grant_refusals(const struct device *device, const struct msg_grant *grant)
{
    const struct msg_setpoint *set = &device->setpoints.committed;
    int64_t ends_us = (int64_t)grant->ends_us;
    uint64_t reasons = general(device);
    reasons |= reason_if(device->state != STATE_READY, REFUSAL_WRONG_STATE);
    reasons |= reason_if(grant->boot != device->boot_number, REFUSAL_BOOT);
    reasons |= reason_if(grant->session != device->host.session, REFUSAL_SESSION);
    reasons |= reason_if(grant->arm_epoch != device->arm_epoch, REFUSAL_ARM_EPOCH);
    reasons |= reason_if(grant->stop_epoch != device->stop_epoch, REFUSAL_STOPPED_SINCE);
    reasons |= reason_if(grant->pulses < 1 || grant->pulses > PERMIT_PULSES_MAX, REFUSAL_PULSES_RANGE);
    reasons |= reason_if(grant->beam != device->beam, REFUSAL_BEAM);
    reasons |= reason_if((grant->trigger == TRIGGER_INTERNAL) != device->inputs.internal_trigger_strap,
                         REFUSAL_TRIGGER);
    reasons |= reason_if(device->setpoints.hash == 0, REFUSAL_NO_SETPOINT);
    reasons |= reason_if(grant->setpoint_hash != device->setpoints.hash ||
                             grant->mode_width_ps != set->mode_width_ps ||
                             grant->rep_rate_mhz != set->rep_rate_mhz,
                         REFUSAL_SETPOINT_DIFFERS);
    reasons |= reason_if(grant->wavelength_nm != set->wavelength_nm, REFUSAL_WAVELENGTH_DIFFERS);
    reasons |= reason_if(grant->handpiece != set->handpiece, REFUSAL_HANDPIECE_DIFFERS);
    reasons |= reason_if(grant->spot_um != set->spot_um, REFUSAL_SPOT_DIFFERS);
    reasons |= reason_if(ends_us <= device->now_us || ends_us > device->now_us + PERMIT_MAX_US,
                         REFUSAL_PERMIT_END);
    reasons |= reason_if(device->permit.id != 0, REFUSAL_PERMIT_HELD);
    /* A permit for more pulses than the ring holds needs all of it, and a host that keeps up. */
    reasons |= reason_if(memory_room(&device->memory) < least(grant->pulses, REPORTS_MAX),
                         REFUSAL_REPORTS_FULL);
    reasons |= reason_if(!host_alive(&device->host, device->now_us), REFUSAL_HOST_SILENT);
    reasons |= reason_if(device->foot.down, REFUSAL_FOOT_HELD);
    reasons |= reason_if(!warm(device), REFUSAL_NOT_WARM);
    reasons |= reason_if((device->open_interlocks & NOT_THE_KEY) != 0, REFUSAL_INTERLOCK_OPEN);
    reasons |= reason_if(!device->inputs.defeat_key_out, REFUSAL_COVER_DEFEATED);
    return reasons |
           connection_refusals(grant->wavelength_nm, grant->handpiece, grant->spot_um, &device->inputs);
}
