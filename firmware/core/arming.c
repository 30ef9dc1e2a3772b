/* The proofs of ARMING: indicator, monitors, stop channels, shutter, comparator; at least two seconds. */
#include "sequences.h"

static void prove_dark(struct device *device)
{
    device->wants.comparator_reset = false;
    check_dark(device);
}

static void prove_flash_then_gate(struct device *device)
{
    check_flash(device);
    device->wants.gate = true;
}

static void prove_gate_open(struct device *device)
{
    if (device->inputs.gate_inhibited) {
        device_trip(device, FAULT_GATE_CHANNEL, 0);
    }
    device->wants.gate = false;
}

static void prove_gate_shut_then_charger(struct device *device)
{
    if (!device->inputs.gate_inhibited) {
        device_trip(device, FAULT_GATE_CHANNEL, 0);
    }
    device->wants.prove_charger = true;
}

static void prove_charger_free(struct device *device)
{
    if (device->inputs.hv_inhibited) {
        device_trip(device, FAULT_HV_CHANNEL, 0);
    }
    device->wants.prove_charger = false;
}

/* Both channels stop light now, each by itself: only so may the shutter open for its proof. */
static void prove_charger_inhibited_then_shutter(struct device *device)
{
    if (!device->inputs.hv_inhibited) {
        device_trip(device, FAULT_HV_CHANNEL, 0);
    } else if (device->inputs.hv_mv >= HV_SAFE_MV || device->inputs.charge_done) {
        /* charged, or said to be, with nothing to charge it */
        device_trip(device, FAULT_HV_CHANNEL, device->inputs.hv_mv);
    } else {
        device->wants.shutter_open = true;
    }
}

static void prove_shutter_open(struct device *device)
{
    if (device->shutter.position != SHUTTER_OPEN) {
        device_trip(device, FAULT_SHUTTER_STUCK_CLOSED, 0);
    }
    device->wants.shutter_open = false;
}

static void prove_shutter_closed(struct device *device)
{
    if (device->shutter.position != SHUTTER_CLOSED) {
        device_trip(device, FAULT_SHUTTER_STUCK_OPEN, 0);
    }
}

static const struct act PROOFS[] = {
    {200 * MS, prove_dark},
    {0, light_flash},
    {200 * MS, prove_flash_then_gate},
    {20 * MS, prove_gate_open},
    {20 * MS, prove_gate_shut_then_charger},
    {20 * MS, prove_charger_free},
    {20 * MS, prove_charger_inhibited_then_shutter},
    {SHUTTER_US + 1, prove_shutter_open},
    {SHUTTER_US + 1, prove_shutter_closed},
};
#define PROOFS_COUNT ((uint32_t)(sizeof PROOFS / sizeof PROOFS[0]))

void arming_enter(struct device *device)
{
    script_start(&device->arming, device->now_us);
    /* released with the test of the dark level; supervised from then on */
    device->wants.comparator_reset = true;
    device->wants.comparator_uj = comparator_uj(device->setpoints.committed.pulse_energy_uj);
}

void arming_work(struct device *device)
{
    script_run(&device->arming, PROOFS, PROOFS_COUNT, device);
    int64_t due_us = device->entered_us + READY_DELAY_US;
    if (!device->armed || device->arming.next < PROOFS_COUNT || device->now_us < due_us) {
        return;
    }
    if (device->foot.down) {
        if (device->now_us >= due_us + FOOT_HELD_US) {
            (void)device_go(device, EVENT_RETURN, LEAVE_FOOT_HELD);
        }
    } else if (device->inputs.simmer_on) {
        (void)device_go(device, EVENT_PROVEN, LEAVE_NEVER);
    }
}

int64_t arming_deadline_us(const struct device *device)
{
    int64_t proof_us = script_deadline_us(&device->arming, PROOFS, PROOFS_COUNT);
    return least(proof_us, device->entered_us + READY_DELAY_US);
}

int64_t arming_patience_us(const struct device *device)
{
    return device->entered_us + READY_DELAY_US + FOOT_HELD_US;
}
