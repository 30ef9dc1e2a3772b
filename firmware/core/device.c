/* The laser as its own firmware sees it: state, parts, and the two ways to change it: an event and a trip. */
#include "device.h"

#include <string.h>

#include "chain.h"
#include "sequences.h"

/* Here the coolant is pumped; FAULT and SELF_TEST leave the pump as it was: a hot laser must cool. */
#define PUMPING_STATES                                                                                        \
    (ARMED_STATES | BIT(STATE_WARM_UP) | BIT(STATE_CALIBRATING) | BIT(STATE_STANDBY))
/* In WARM_UP simmer starts once the coolant is warm. */
#define SIMMERING_STATES (PUMPING_STATES & ~BIT(STATE_WARM_UP))

bool device_start(struct device *device, const struct board *board)
{
    memset(device, 0, sizeof *device); /* the safe level of every output is 0 */
    device->board = board;
    if (!memory_load(&device->memory, board)) {
        return false;
    }
    struct books *books = &device->memory.books;
    books->boots++;
    if (books->boots == 0) {
        books->boots = 1;
    }
    memory_save_books(&device->memory);
    device->boot_number = books->boots;
    device->changed = CHANGED_ALL;
    device->noted = CHANGED_ALL;
    device->state = STATE_OFF;
    device->leave = LEAVE_NEVER;
    device->beam = BEAM_APERTURE;
    wants_clear(&device->wants);
    faults_start(&device->memory);
    foot_start(&device->foot);
    pairs_start(&device->pairs);
    host_start(&device->host, device->boot_number);
    shutter_start(&device->shutter);
    cooling_start(&device->cooling);
    high_voltage_start(&device->high_voltage);
    pulser_start(&device->pulser);
    return true;
}

void device_note(struct device *device, uint32_t changed)
{
    device->changed |= changed;
    device->noted |= changed;
}

bool device_docked(const struct device *device)
{
    return device->inputs.docked_a_closed && device->inputs.docked_b_closed;
}

bool device_undocked(const struct device *device)
{
    return !(device->inputs.docked_a_closed || device->inputs.docked_b_closed);
}

bool device_indicator_lit(const struct device *device)
{
    return device->inputs.indicator_ua >= INDICATOR_MIN_UA && device->inputs.indicator_ua <= INDICATOR_MAX_UA;
}

bool device_aiming_lit(const struct device *device)
{
    return device->inputs.aiming_uw >= AIMING_MIN_UW && device->inputs.aiming_uw <= AIMING_MAX_UW;
}

bool device_aiming_good(const struct device *device)
{
    return device->aiming_on && device_aiming_lit(device);
}

static void enter(struct device *device, enum state state)
{
    device->wants.pump = device->outputs.pump_on || (PUMPING_STATES & BIT(state)) != 0;
    device->wants.simmer = (SIMMERING_STATES & BIT(state)) != 0;
    if (state == STATE_SELF_TEST) {
        device->calibrator.valid = false;
        self_test_enter(device);
    } else if (state == STATE_CALIBRATING) {
        calibrator_enter(device);
    } else if (state == STATE_ARMING) {
        permit_void(&device->permit); /* there is none; if there were, it would not be for this arming */
        setpoints_forget_staged(&device->setpoints);
        device->arm_epoch++;
        emission_enter(device);
        host_armed_changed(&device->host, device->now_us);
        device->foot.press = 0; /* a new arming counts its presses from 1 */
        arming_enter(device);
    }
}

bool device_go(struct device *device, enum event event, enum leave leave)
{
    uint8_t following = TRANSITIONS[device->state][event];
    if (following == REFUSED_TRANSITION) {
        return false;
    }
    enum state before = device->state;
    enum state state = (enum state)following;
    if (state == before) {
        return true;
    }
    bool was_armed = (ARMED_STATES & BIT(before)) != 0;
    device->state = state;
    device->armed = (ARMED_STATES & BIT(state)) != 0;
    device_note(device, CHANGED_ALL);
    device->entered_us = device->now_us;
    wants_clear(&device->wants);
    pulser_end(&device->pulser);
    foot_consume(&device->foot, device->now_us);
    if (was_armed && !device->armed) {
        device_void_permit(device);
        host_armed_changed(&device->host, device->now_us);
        if (state == STATE_STANDBY) {
            device->leave = leave;
        }
    }
    if (state == STATE_OFF) {
        device->self_tested = false;
        device->calibrator.valid = false;
    }
    if (!device->armed && state != STATE_STANDBY) {
        device_set_aiming(device, false);
    } else if (state == STATE_STANDBY) {
        device->aiming_since_us = device->now_us;
    }
    enter(device, state);
    drive(device->state, &device->wants, &device->outputs);
    return true;
}

void device_trip(struct device *device, enum fault fault, int64_t value)
{
    enum state state = device->state;
    if (state != STATE_OFF || device->inputs.key_on) {
        /* first of all the outputs: memory may take its time */
        (void)device_go(device, EVENT_TRIP, LEAVE_NEVER);
    }
    if ((BIT(fault) & FAULTS_VOID_CALIBRATION) != 0 && device->calibrator.valid) {
        device->calibrator.valid = false;
        device_note(device, CHANGED_ALL);
    }
    if (faults_latch(&device->memory, fault, device->now_us, state, device->open_interlocks, value)) {
        device_note(device, CHANGED_ALL);
    }
}

void device_void_permit(struct device *device)
{
    if (device->permit.id != 0) {
        host_permit_changed(&device->host, device->now_us);
    }
    permit_void(&device->permit);
    foot_consume(&device->foot, device->now_us);
    device_note(device, CHANGED_ALL);
}

void device_set_aiming(struct device *device, bool on)
{
    device->aiming_on = on;
    device->aiming_since_us = device->now_us;
    device_note(device, CHANGED_ALL);
}

/* Whether handpiece, spot and wavelength are those of the committed set-point. */
static bool as_set(const struct device *device)
{
    const struct msg_setpoint *setpoint = &device->setpoints.committed;
    const struct inputs *inputs = &device->inputs;
    return inputs->handpiece == setpoint->handpiece && inputs->spot_um == setpoint->spot_um &&
           inputs->wavelength_nm == setpoint->wavelength_nm;
}

/* Whether the permit that this order came from stands, its host lives, and foot or strap fires. */
static bool permitted(const struct device *device, const struct order *order)
{
    const struct inputs *inputs = &device->inputs;
    const struct permit *permit = &device->permit;
    bool strap = inputs->internal_trigger_strap;
    return device->state == STATE_EMITTING && permit->id != 0 && permit->id == order->permit_id &&
           device->now_us < permit->ends_us && host_alive(&device->host, device->now_us) &&
           order->expected.shutter_open == (device->beam == BEAM_APERTURE) &&
           (permit->internal ? strap : inputs->foot_a_closed && inputs->foot_b_closed && !strap);
}

bool device_clear_to_trigger(struct device *device, const struct order *order)
{
    const struct expected *expected = &order->expected;
    const struct inputs *inputs = &device->inputs;
    device->board->look(device->board->context, &device->inputs); /* memory took its time */
    uint32_t opened = open_contacts(inputs, device->cooling.flow_low);
    bool calibrating = device->state == STATE_CALIBRATING;
    if (calibrating && !expected->shutter_open) {
        opened &= ALWAYS_CLOSED;
    }
    bool placed = calibrating ? device_docked(device) : device_undocked(device);
    enum shutter position = expected->shutter_open ? SHUTTER_OPEN : SHUTTER_CLOSED;
    return opened == 0 && inputs->defeat_key_out && device->memory.books.latched == 0 &&
           (calibrating || (permitted(device, order) && as_set(device))) &&
           inputs->shutter_open_switch == expected->shutter_open &&
           inputs->shutter_closed_switch == !expected->shutter_open && !inputs->gate_inhibited &&
           !inputs->comparator_tripped && inputs->simmer_on && is_charged(inputs, order->hv_mv) &&
           !over_voltage(inputs->hv_mv, order->hv_mv) && device->shutter.position == position &&
           (!expected->shutter_open || placed);
}

/* The interlock that latches this fault, or INTERLOCK_COUNT. */
static uint32_t interlock_of(enum fault fault)
{
    uint32_t number = 0;
    while (number < INTERLOCK_COUNT && INTERLOCK_FAULT[number] != fault) {
        number++;
    }
    return number;
}

static bool cause_present(const struct device *device, enum fault fault)
{
    const struct inputs *inputs = &device->inputs;
    uint32_t interlock = fault == FAULT_NONE ? INTERLOCK_COUNT : interlock_of(fault);
    if (fault == FAULT_COOLANT_FLOW && !device->outputs.pump_on) {
        return false; /* nothing to measure: warm-up will see */
    }
    if (interlock < INTERLOCK_COUNT) {
        return (device->open_interlocks & BIT(interlock)) != 0;
    }
    if (pair_of(fault) < PAIRS_COUNT) {
        return pair_differs(inputs, pair_of(fault));
    }
    switch (fault) {
    case FAULT_FOOT_DISAGREES:
        return inputs->foot_a_closed || inputs->foot_b_closed;
    case FAULT_SHUTTER_STUCK_CLOSED:
    case FAULT_SHUTTER_STUCK_OPEN:
    case FAULT_SHUTTER_FEEDBACK:
        return device->shutter.position != SHUTTER_CLOSED;
    case FAULT_INDICATOR:
        return inputs->indicator_ua >= INDICATOR_DARK_UA;
    case FAULT_COOLANT_HOT:
        return inputs->coolant_mc > COOLANT_HOT_MC;
    case FAULT_OVER_VOLTAGE:
    case FAULT_DUMP_FAILED:
        return inputs->hv_mv > HV_SAFE_MV;
    case FAULT_GATE_CHANNEL:
        return !inputs->gate_inhibited;
    case FAULT_HV_CHANNEL:
        return !inputs->hv_inhibited;
    case FAULT_NONVOLATILE:
        return device->memory.broken;
    default:
        return false;
    }
}

uint64_t device_causes_present(const struct device *device)
{
    uint64_t present = 0;
    for (uint32_t fault = 0; fault < FAULT_COUNT; fault++) {
        uint64_t bit = device->memory.books.latched & BIT(fault);
        if (bit != 0 && cause_present(device, (enum fault)fault)) {
            present |= bit;
        }
    }
    return present;
}
