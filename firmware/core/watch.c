/* Safety first: every input, in the order in which a first cause is judged. */
#include "watch.h"

#include "chain.h"
#include "firmware.h"
#include "sequences.h"

#define PAST_WARM_UP_STATES (LIT_STATES | BIT(STATE_STANDBY))
#define COMPARED_STATES (BIT(STATE_CALIBRATING) | BIT(STATE_READY) | BIT(STATE_EMITTING))

/* What each part depends on; the comparator is looked at in every step. */
#define ON_CHAIN (CHANGED_CHAIN | CHANGED_COOLANT | CHANGED_DRIVEN)
#define ON_SHUTTER (CHANGED_SHUTTER | CHANGED_DRIVEN)
#define ON_CAPACITOR (CHANGED_VOLTAGE | CHANGED_SIMMER | CHANGED_DRIVEN)
#define ON_PARTS (CHANGED_LAMPS | CHANGED_COOLANT | CHANGED_DRIVEN)
#define ON_EMISSION (CHANGED_HEAD | CHANGED_LAMPS | CHANGED_PULSE)

static void watch_chain(struct device *device)
{
    const struct inputs *inputs = &device->inputs;
    if (!inputs->key_on) {
        (void)device_go(device, EVENT_KEY_OFF, LEAVE_NEVER);
    }
    if (cooling_update(&device->cooling, device->now_us, inputs)) {
        device_note(device, CHANGED_COOLANT);
    }
    device->open_interlocks = open_contacts(inputs, device->cooling.flow_low);
    if (inputs->key_on && device->state == STATE_OFF) {
        bool latched = device->memory.books.latched != 0;
        (void)device_go(device, latched ? EVENT_TRIP : EVENT_KEY_ON, LEAVE_NEVER);
    }
    uint32_t latching = latching_contacts(device->open_interlocks, device->state, device->armed,
                                          cooling_runs(&device->cooling));
    for (uint32_t number = 0; number < INTERLOCK_COUNT; number++) {
        if ((latching & BIT(number)) != 0 && INTERLOCK_FAULT[number] != FAULT_NONE) {
            device_trip(device, (enum fault)INTERLOCK_FAULT[number], 0);
        }
    }
}

/* After the chain: the contact that is open has tripped before its twin is looked for. */
static void watch_pairs(struct device *device)
{
    pairs_update(&device->pairs, device->now_us, &device->inputs);
    for (uint32_t i = 0; i < PAIRS_COUNT; i++) {
        enum fault fault = PAIR_FAULTS[i];
        /* Elsewhere the port's contacts only refuse: nothing is let out on their word. */
        bool watched = fault == FAULT_DOCK_DISAGREES ? device->state == STATE_CALIBRATING
                                                     : device->state != STATE_OFF;
        if (watched && pairs_disagree(&device->pairs, fault)) {
            device_trip(device, fault, 0);
        }
    }
}

static void watch_foot(struct device *device)
{
    const struct inputs *inputs = &device->inputs;
    foot_update(&device->foot, device->now_us, inputs->foot_a_closed, inputs->foot_b_closed);
    if (foot_disagrees(&device->foot) && device->state != STATE_OFF) {
        device_trip(device, FAULT_FOOT_DISAGREES, 0);
    }
}

static void watch_comparator(struct device *device)
{
    bool judged = (COMPARED_STATES & BIT(device->state)) != 0 ||
                  (device->state == STATE_ARMING && !device->outputs.comparator_reset);
    if (judged) {
        device_trip(device, FAULT_OVER_ENERGY_COMPARATOR, device->inputs.monitor_a_uj);
    }
}

static void watch_shutter(struct device *device)
{
    const struct inputs *inputs = &device->inputs;
    enum fault fault = shutter_update(&device->shutter, device->now_us, inputs->shutter_open_switch,
                                      inputs->shutter_closed_switch);
    if (fault != FAULT_NONE) {
        device_trip(device, fault, 0);
    }
}

static void watch_capacitor(struct device *device)
{
    int64_t value;
    enum fault fault =
        high_voltage_update(&device->high_voltage, device->now_us, &device->inputs, &value);
    if (fault != FAULT_NONE) {
        device_trip(device, fault, value);
    }
}

static void watch_parts(struct firmware *firmware)
{
    struct device *device = &firmware->device;
    const struct inputs *inputs = &device->inputs;
    bool settled = device->now_us - firmware->indicator_since_us >= INDICATOR_SETTLE_US;
    if ((LIT_STATES & BIT(device->state)) != 0 && settled && !device_indicator_lit(device)) {
        device_trip(device, FAULT_INDICATOR, inputs->indicator_ua);
    }
    if ((PAST_WARM_UP_STATES & BIT(device->state)) != 0) {
        enum fault fault = coolant_fault(inputs->coolant_mc);
        if (fault != FAULT_NONE) {
            device_trip(device, fault, inputs->coolant_mc);
        }
    }
    if (device->state == STATE_STANDBY && device->aiming_on) {
        bool too_long = device->now_us - device->aiming_since_us >= AIMING_OFF_US;
        if (too_long || inputs->aiming_uw > AIMING_MAX_UW) {
            device_set_aiming(device, false);
        }
    }
}

/* What may not go on without host, and the shot on its way. */
static void watch_emission(struct device *device)
{
    struct outcome outcome;
    if (device->armed && !host_alive(&device->host, device->now_us)) {
        device_trip(device, FAULT_LINK_LOST, 0);
    }
    if (pulser_observe(device, &outcome)) {
        if (device->state == STATE_CALIBRATING) {
            calibrator_take(device, &outcome);
        }
        emission_take(device, &outcome);
    }
    if (device->armed && (device->changed & ON_EMISSION) != 0) {
        emission_watch(device);
    }
}

void watch(struct firmware *firmware)
{
    struct device *device = &firmware->device;
    if ((device->changed & ON_CHAIN) != 0) {
        watch_chain(device);
    }
    if ((device->changed & CHANGED_PAIRS) != 0) {
        watch_pairs(device);
    }
    if ((device->changed & CHANGED_FOOT) != 0) {
        watch_foot(device);
    }
    if (device->inputs.comparator_tripped) {
        watch_comparator(device);
    }
    if ((device->changed & CHANGED_LIGHT) != 0) {
        pulser_watch_light(device);
    }
    if ((device->changed & ON_SHUTTER) != 0) {
        watch_shutter(device);
    }
    if ((device->changed & ON_CAPACITOR) != 0) {
        watch_capacitor(device);
    }
    if ((device->changed & ON_PARTS) != 0) {
        watch_parts(firmware);
    }
    watch_emission(device);
}
