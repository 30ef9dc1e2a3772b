/* The order of things within one step, and what of it a step can leave out.
 *
 * Theory of operation. A step is called for a change of an input, for bytes, or because a deadline came. It
 * collects what may have changed and runs only what depends on that, always in the same order, so that it ends
 * as if everything had been run. Nothing is left out that time alone could change: a deadline of any part makes
 * everything count as changed, except for those that come with every pulse or Status and look after themselves:
 * watchdog, host, pulse sequence and reports. Within one step safety comes first, then the host's messages, then
 * the console's, then the sequence of the state, then the outputs, then what is told.
 */
#include "firmware.h"

#include <string.h>

#include "comms.h"
#include "sequences.h"
#include "watch.h"

#define CHAINED_CHANGES 4 /* one step may at most go ARMING, READY, EMITTING and trip */

/* What each part of a step depends on, besides what is not named and counts as all. */
#define ON_OUTPUTS                                                                                            \
    (CHANGED_ALL & ~(CHANGED_VOLTAGE | CHANGED_CHARGE | CHANGED_LIGHT | CHANGED_DARK | CHANGED_STOPS |        \
                     CHANGED_DRIVEN)) /* no sequence wants something else because of these */
#define ON_EMITTING (CHANGED_FOOT | CHANGED_SHUTTER | CHANGED_STOPS | CHANGED_DRIVEN | CHANGED_PULSE)
#define ON_DEADLINES                                                                                          \
    (CHANGED_CHAIN | CHANGED_PAIRS | CHANGED_FOOT | CHANGED_SHUTTER | CHANGED_COOLANT | CHANGED_SIMMER |       \
     CHANGED_DRIVEN)

static const uint32_t ON_SEQUENCE[STATE_COUNT] = {
    [STATE_SELF_TEST] = CHANGED_ALL, [STATE_WARM_UP] = CHANGED_ALL,
    [STATE_CALIBRATING] = CHANGED_ALL, [STATE_ARMING] = CHANGED_ALL,
    [STATE_READY] = CHANGED_FOOT | CHANGED_PULSE, [STATE_EMITTING] = ON_EMITTING,
};

uint32_t picolase_size(void)
{
    return (uint32_t)sizeof(struct firmware);
}

const struct outputs *picolase_outputs(const struct firmware *firmware)
{
    return &firmware->device.outputs;
}

void picolase_inside(const struct firmware *firmware, struct inside *inside)
{
    const struct device *device = &firmware->device;
    memset(inside, 0, sizeof *inside);
    inside->now_us = device->now_us;
    inside->boot_number = device->boot_number;
    inside->state = device->state;
    inside->leave = device->leave;
    inside->first_fault = device->memory.books.first_fault;
    inside->fault_instance = faults_instance(&device->memory);
    inside->latched = device->memory.books.latched;
    inside->pulse_number = device->memory.pulse_number;
    inside->acknowledged = device->memory.books.acknowledged;
    inside->lamp_shots = device->memory.lamp_shots;
    inside->calibrated = device->calibrator.valid;
}

/* The board is known only while the core runs: no pointer stays in the state. */
static void borrow(struct firmware *firmware, const struct board *board, struct room *sent)
{
    firmware->device.board = board;
    firmware->device.memory.board = board;
    firmware->link.out = sent;
}

bool picolase_boot(struct firmware *firmware, const struct board *board, const struct identity *identity,
                   int64_t now_us, bool watchdog_reset)
{
    struct device *device = &firmware->device;
    memset(firmware, 0, sizeof *firmware);
    firmware->boot_us = now_us;
    if (!device_start(device, board)) {
        return false;
    }
    device->identity = *identity;
    link_start(&firmware->link, device->boot_number);
    reporter_start(&firmware->reporter);
    console_start(&firmware->console);
    if (watchdog_reset) {
        (void)faults_latch(&device->memory, FAULT_WATCHDOG_RESET, 0, STATE_OFF, 0, 0);
    }
    if (device->memory.broken) {
        (void)faults_latch(&device->memory, FAULT_NONVOLATILE, 0, STATE_OFF, 0, 0);
    }
    borrow(firmware, 0, 0);
    return true;
}

/* -- what changed */

/* The groups in which a line differs from the step before; all of them in the first. */
static uint32_t changes_of(struct firmware *firmware, const struct inputs *inputs)
{
    const struct inputs *before = &firmware->before;
    uint32_t found = 0;
    if (!firmware->seen) {
        found = CHANGED_ALL;
    } else {
#define COMPARE(line, groups) found |= inputs->line != before->line ? (groups) : 0U;
        INPUT_LINES(COMPARE)
#undef COMPARE
    }
    if (found != 0) {
        firmware->before = *inputs;
        firmware->seen = true;
    }
    return found;
}

/* -- then the sequence of the state, and the outputs */

static void work_in(struct device *device)
{
    switch (device->state) {
    case STATE_SELF_TEST:
        self_test_work(device);
        break;
    case STATE_WARM_UP:
        warm_up_work(device);
        break;
    case STATE_CALIBRATING:
        calibrator_work(device);
        break;
    case STATE_ARMING:
        arming_work(device);
        break;
    case STATE_READY:
        emission_ready(device);
        break;
    case STATE_EMITTING:
        emission_emitting(device);
        break;
    case STATE_OFF:
    case STATE_STANDBY:
    case STATE_FAULT:
    case STATE_COUNT:
    default: /* go nowhere by themselves */
        break;
    }
}

/* Go on with the sequence of the state, and of those that it leads to. */
static void work(struct device *device)
{
    for (int i = 0; i < CHAINED_CHANGES; i++) {
        enum state state = device->state;
        work_in(device);
        if (device->state == state) {
            break;
        }
    }
}

static void drive_outputs(struct firmware *firmware)
{
    struct device *device = &firmware->device;
    struct outputs *outputs = &device->outputs;
    int64_t now_us = device->now_us;
    bool blocked = !device->inputs.level_ok || faults_has(&device->memory, FAULT_COOLANT_FLOW);
    device->wants.aiming = device->aiming_on;
    device->wants.heater = device->cooling.heater_wanted;
    if (device->state == STATE_FAULT && blocked) {
        device->wants.pump = false; /* a dry or blocked pump cools nothing */
    }
    bool gated = outputs->gate_enable;
    drive(device->state, &device->wants, outputs);
    outputs->defeat_lamp_on = !device->inputs.defeat_key_out; /* in every state */
    bool moved = outputs->gate_enable != gated;
    moved = shutter_command(&device->shutter, now_us, outputs->shutter_open) || moved;
    moved = cooling_command(&device->cooling, now_us, outputs->pump_on) || moved;
    moved = high_voltage_command(&device->high_voltage, now_us, outputs) || moved;
    if (outputs->indicator_on != firmware->indicator_driven) {
        firmware->indicator_driven = outputs->indicator_on;
        firmware->indicator_since_us = now_us;
        moved = true;
    }
    if (moved) {
        device_note(device, CHANGED_DRIVEN);
    }
}

/* -- and when to come again */

/* The earlier of both deadlines, if the second is still to come. */
static int64_t sooner(int64_t deadline_us, int64_t other_us, int64_t now_us)
{
    return other_us > now_us ? least(deadline_us, other_us) : deadline_us;
}

/* When the next of the deadlines comes that make everything count as changed. */
static int64_t next_due_us(const struct firmware *firmware)
{
    const struct device *device = &firmware->device;
    int64_t now_us = device->now_us;
    int64_t due_us = NEVER_US;
    due_us = sooner(due_us, foot_deadline_us(&device->foot), now_us);
    due_us = sooner(due_us, pairs_deadline_us(&device->pairs), now_us);
    due_us = sooner(due_us, shutter_deadline_us(&device->shutter), now_us);
    due_us = sooner(due_us, cooling_deadline_us(&device->cooling), now_us);
    due_us = sooner(due_us, high_voltage_deadline_us(&device->high_voltage), now_us);
    due_us = sooner(due_us, permit_deadline_us(&device->permit), now_us);
    if (device->state == STATE_SELF_TEST) {
        due_us = sooner(due_us, self_test_deadline_us(device), now_us);
    } else if (device->state == STATE_WARM_UP) {
        due_us = sooner(due_us, warm_up_deadline_us(device), now_us);
    } else if (device->state == STATE_STANDBY && device->aiming_on) {
        due_us = sooner(due_us, device->aiming_since_us + AIMING_OFF_US, now_us);
    } else if (device->state == STATE_ARMING) {
        due_us = sooner(due_us, arming_deadline_us(device), now_us);
        due_us = sooner(due_us, arming_patience_us(device), now_us);
    } else if (device->state == STATE_READY) {
        due_us = sooner(due_us, emission_idle_us(device), now_us);
    }
    if ((LIT_STATES & BIT(device->state)) != 0) {
        due_us = sooner(due_us, firmware->indicator_since_us + INDICATOR_SETTLE_US, now_us);
    }
    return due_us;
}

/* The earliest deadline that is still to come. */
static int64_t wake_us(struct firmware *firmware)
{
    const struct device *device = &firmware->device;
    /* While the dump is in, the voltage decides how long it may take. */
    bool dumping = (device->changed & CHANGED_VOLTAGE) != 0 && !device->outputs.dump_hold;
    if ((device->changed & ON_DEADLINES) != 0 || dumping) {
        firmware->due_us = next_due_us(firmware);
    }
    int64_t wake = least(firmware->kick_us + KICK_PERIOD_US, firmware->due_us);
    wake = sooner(wake, device->pulser.deadline_us, device->now_us);
    if (firmware->host_alive) {
        wake = least(wake, device->host.alive_until_us);
    }
    return least(wake, least(firmware->reporter.deadline_us, firmware->console.deadline_us));
}

/* -- one step */

static void receive(struct firmware *firmware, const uint8_t *received, uint32_t length, struct room *events)
{
    struct device *device = &firmware->device;
    comms_receive(firmware, received, length, events);
    bool alive = host_alive(&device->host, device->now_us);
    if (alive != firmware->host_alive) {
        firmware->host_alive = alive;
        device_note(device, CHANGED_ALL);
    }
}

/* What may have changed since the step before. */
static uint32_t fresh_changes(struct firmware *firmware, const struct inputs *inputs)
{
    struct device *device = &firmware->device;
    uint32_t fresh = changes_of(firmware, inputs);
    bool alive = host_alive(&device->host, device->now_us);
    if (device->now_us >= firmware->due_us || alive != firmware->host_alive) {
        firmware->host_alive = alive;
        fresh = CHANGED_ALL;
    } else if (device->high_voltage.awaits_simmer) {
        fresh |= CHANGED_SIMMER;
    }
    return fresh;
}

int64_t picolase_step(struct firmware *firmware, const struct board *board, int64_t now_us,
                      const struct inputs *inputs, const uint8_t *received, uint32_t received_length,
                      const uint8_t *typed, uint32_t typed_length, struct ports *ports)
{
    struct device *device = &firmware->device;
    struct reporter *reporter = &firmware->reporter;
    ports->sent.used = 0;
    ports->console.used = 0;
    borrow(firmware, board, &ports->sent);
    now_us -= firmware->boot_us;
    device->now_us = now_us;
    device->inputs = *inputs;
    uint32_t fresh = fresh_changes(firmware, inputs);
    device->changed = fresh | device->noted | device->carried;
    if (device->changed != 0 || device->pulser.shot.on_its_way) {
        watch(firmware);
    }
    if (received_length > 0) {
        receive(firmware, received, received_length, &ports->events);
    }
    if (typed_length > 0 || firmware->console.deadline_us < NEVER_US) {
        console_step(firmware, typed, typed_length, &ports->console);
    }
    if ((device->changed & ON_SEQUENCE[device->state]) != 0 || now_us >= device->pulser.deadline_us) {
        work(device);
    }
    if (device->memory.broken && !faults_has(&device->memory, FAULT_NONVOLATILE)) {
        device_trip(device, FAULT_NONVOLATILE, 0);
    }
    fresh |= device->noted;
    if ((fresh & ON_OUTPUTS) != 0) {
        drive_outputs(firmware);
    }
    if (now_us >= firmware->kick_us + KICK_SPACING_US) {
        firmware->kick_us = now_us;
        device->outputs.watchdog_kicks++;
    }
    if ((fresh & ON_TELLING) != 0 || now_us >= reporter->deadline_us) {
        reporter_tell(reporter, device, &firmware->link, fresh);
    }
    device->carried = device->noted;
    device->noted = 0;
    borrow(firmware, 0, 0);
    return firmware->boot_us + wake_us(firmware);
}
