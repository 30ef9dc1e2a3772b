/* What the console's commands do: of the binary dialect's requests those that cannot make light, and a stop. */
#include "console_commands.h"

#include <string.h>

#include "comms.h"
#include "firmware.h"

/* -- what the laser is asked */

static bool host_holds_laser(const struct firmware *firmware)
{
    const struct device *device = &firmware->device;
    return device->host.session != 0 && host_alive(&device->host, device->now_us);
}

/* Payload of the message that answers; false: there is none yet. */
static bool payload_of(struct firmware *firmware, uint8_t opcode, uint8_t payload[SENT_PAYLOAD_MAX])
{
    struct device *device = &firmware->device;
    struct msg_pulse_report report;
    switch (opcode) {
    case OPCODE_STATUS:
        status_of(device, 0, payload);
        return true;
    case OPCODE_TELEMETRY:
        telemetry_of(&firmware->reporter, device, &firmware->link, payload);
        return true;
    case OPCODE_PULSE_REPORT:
        if (reported(device) == 0) {
            return false;
        }
        memory_report(&device->memory, reported(device), &report);
        pulse_report_pack(&report, payload);
        return (report.flags & BIT(PULSE_FLAG_UNKNOWN)) == 0; /* it was not measured */
    case OPCODE_SETPOINT:
        (void)comms_request(firmware, message_of(OPCODE_READ_SETPOINT), 0, payload);
        return true;
    case OPCODE_COUNTERS:
        (void)comms_request(firmware, message_of(OPCODE_READ_COUNTERS), 0, payload);
        return true;
    default:
        (void)comms_request(firmware, message_of(OPCODE_READ_CALIBRATION), 0, payload);
        return true;
    }
}

static void add_names(struct text *answer, const struct console_field *field, uint64_t set)
{
    bool any = false;
    for (uint32_t i = 0; i < field->names_count; i++) {
        if ((set & BIT(i)) != 0) {
            if (any) {
                text_char(answer, ',');
            }
            text_add(answer, field->names[i]);
            any = true;
        }
    }
    if (!any) {
        text_add(answer, "NONE");
    }
}

static void read_field(struct firmware *firmware, const struct console_field *field, struct text *answer)
{
    uint8_t payload[SENT_PAYLOAD_MAX];
    if (!payload_of(firmware, field->opcode, payload)) {
        text_add(answer, NOT_KNOWN);
        return;
    }
    uint64_t value = get_wide(payload + field->offset, field->width);
    if (field->kind == FIELD_SET) {
        add_names(answer, field, value);
    } else if (field->names != 0) {
        text_add(answer, value < field->names_count ? field->names[value] : "");
    } else {
        int64_t number = field->kind == FIELD_SIGNED ? (int32_t)(uint32_t)value : (int64_t)value;
        text_number(answer, number, field->digits);
    }
}

/* A part of the identity, in which commas and semicolons would mean something else. */
static void add_part(struct text *answer, const char *part, uint32_t size)
{
    uint32_t length = 0;
    while (length < size && part[length] != '\0') {
        char character = part[length++];
        text_char(answer, character == ',' || character == ';' ? ' ' : character);
    }
    if (length == 0) {
        text_char(answer, '0');
    }
}

static void identify(const struct firmware *firmware, struct text *answer)
{
    const struct identity *identity = &firmware->device.identity;
    text_add(answer, "picolase,");
    add_part(answer, MODEL, sizeof MODEL);
    text_char(answer, ',');
    add_part(answer, identity->serial, sizeof identity->serial);
    text_char(answer, ',');
    add_part(answer, FIRMWARE_VERSION, sizeof FIRMWARE_VERSION);
}

static void next_error(struct console *console, struct text *answer)
{
    struct console_trouble none;
    const struct console_trouble *told = &console->queue[console->oldest];
    if (console->errors == 0) {
        trouble_set(&none, 0, "");
        told = &none;
    } else {
        console->oldest = (console->oldest + 1) % ERRORS_MAX;
        console->errors--;
    }
    text_number(answer, told->code, 0);
    text_add(answer, ",\"");
    text_part(answer, told->words, told->length);
    text_char(answer, '"');
}

static uint32_t status_byte(const struct console *console, bool waiting)
{
    uint32_t byte = console->errors > 0 ? ERRORS_WAIT : 0;
    byte |= waiting ? MESSAGE_AVAILABLE : 0;
    byte |= (console->events & console->events_enabled) != 0 ? EVENT_SUMMARY : 0;
    return byte | ((byte & console->service_enabled) != 0 ? MASTER_SUMMARY : 0);
}

void command_answer(struct firmware *firmware, const struct command *command, bool waiting,
                    struct text *answer, struct console_trouble *trouble)
{
    struct console *console = &firmware->console;
    const struct books *books = &firmware->device.memory.books;
    (void)trouble; /* no query fails */
    switch ((enum console_query)command->node->query) {
    case QUERY_FIELD:
        read_field(firmware, &command->node->field, answer);
        break;
    case QUERY_IDN:
        identify(firmware, answer);
        break;
    case QUERY_ESR:
        text_number(answer, console->events, 0);
        console->events = 0;
        break;
    case QUERY_ESE:
        text_number(answer, console->events_enabled, 0);
        break;
    case QUERY_STB:
        text_number(answer, status_byte(console, waiting), 0);
        break;
    case QUERY_SRE:
        text_number(answer, console->service_enabled, 0);
        break;
    case QUERY_OPC:
        text_char(answer, '1');
        break;
    case QUERY_TST:
        text_number(answer, books->latched != 0 ? books->first_fault : 0, 0);
        break;
    case QUERY_SYSTEM_ERROR:
        next_error(console, answer);
        break;
    case QUERY_SYSTEM_ERROR_COUNT:
        text_number(answer, console->errors, 0);
        break;
    case QUERY_SYSTEM_VERSION:
        text_add(answer, SCPI_VERSION);
        break;
    case QUERY_NONE:
    default:
        break;
    }
}

/* -- what the laser is told */

/* In STANDBY while no host holds the laser; else refused. */
static bool guarded(const struct firmware *firmware, struct console_trouble *trouble)
{
    if (firmware->device.state != STATE_STANDBY) {
        struct text words = trouble_begin(trouble, -221);
        text_add(&words, "the laser is in ");
        text_add(&words, STATE_NAMES[firmware->device.state]);
        text_add(&words, ": settings change in STANDBY only");
        trouble_end(trouble, &words);
        return false;
    }
    if (host_holds_laser(firmware)) {
        trouble_set(trouble, -221, "a host holds the laser: disconnect it first");
        return false;
    }
    return true;
}

/* Have a request carried out; false: the trouble has every reason against it. */
static bool demand(struct firmware *firmware, enum opcode opcode, const uint8_t *payload,
                   struct console_trouble *trouble)
{
    uint8_t answer[SENT_PAYLOAD_MAX];
    (void)comms_request(firmware, message_of((uint8_t)opcode), payload, answer);
    if (answer[0] == RESULT_DONE) {
        return true;
    }
    uint64_t reasons = get_u64(answer + 1);
    bool any = false;
    struct text words = trouble_begin(trouble, (reasons & RANGE_REFUSALS) != 0 ? -222 : -221);
    for (uint32_t i = 0; i < REFUSAL_COUNT; i++) {
        if ((reasons & BIT(i)) != 0) {
            text_add(&words, any ? ", " : "");
            text_add(&words, REFUSAL_TEXTS[i]);
            any = true;
        }
    }
    trouble_end(trouble, &words);
    return false;
}

static void switch_aiming(struct firmware *firmware, bool on, struct console_trouble *trouble)
{
    uint8_t payload[SET_AIMING_SIZE] = {on};
    (void)demand(firmware, OPCODE_SET_AIMING, payload, trouble);
}

/* The set-point in force, for what is connected now. */
static struct msg_setpoint present_setpoint(const struct firmware *firmware)
{
    const struct inputs *inputs = &firmware->device.inputs;
    struct msg_setpoint setpoint = firmware->device.setpoints.committed;
    setpoint.wavelength_nm = (uint16_t)within(inputs->wavelength_nm, 0, 2000);
    setpoint.handpiece = (uint8_t)handpiece_of(inputs->handpiece);
    setpoint.spot_um = (uint16_t)within(inputs->spot_um, 0, 20000);
    return setpoint;
}

/* Put this set-point in force; all of it or nothing. */
static void commit(struct firmware *firmware, const struct msg_setpoint *setpoint,
                   struct console_trouble *trouble)
{
    uint8_t stage[SETPOINT_SIZE]; /* StageSetpoint has the same layout */
    uint8_t hash[COMMIT_SETPOINT_SIZE];
    if (setpoint->mode_width_ps == 0) {
        trouble_set(trouble, -221, "no set-point is committed: begin with SOURce:APPLy");
        return;
    }
    setpoint_pack(setpoint, stage);
    put_u32(hash, setpoint_hash(setpoint));
    if (demand(firmware, OPCODE_STAGE_SETPOINT, stage, trouble)) {
        (void)demand(firmware, OPCODE_COMMIT_SETPOINT, hash, trouble);
    }
}

_Static_assert(STAGE_SETPOINT_SIZE == SETPOINT_SIZE, "a set-point is staged as it is read back");

/* One field of the set-point, by its place in the message. */
static void change(struct firmware *firmware, const struct command *command, struct console_trouble *trouble)
{
    struct msg_setpoint setpoint = present_setpoint(firmware);
    uint8_t packed[SETPOINT_SIZE];
    const struct console_field *field = &command->node->field;
    setpoint_pack(&setpoint, packed);
    for (uint32_t i = 0; i < field->width; i++) {
        packed[field->offset + i] = (uint8_t)((uint64_t)command->numbers[0] >> 8 * i & 0xFFU);
    }
    setpoint.wavelength_nm = get_u16(packed);
    setpoint.mode_width_ps = get_u16(packed + 2);
    setpoint.pulse_energy_uj = get_u32(packed + 4);
    setpoint.rep_rate_mhz = get_u32(packed + 8);
    commit(firmware, &setpoint, trouble);
}

static void apply(struct firmware *firmware, const struct command *command, struct console_trouble *trouble)
{
    struct msg_setpoint setpoint = present_setpoint(firmware);
    setpoint.mode_width_ps = (uint16_t)command->numbers[0];
    setpoint.pulse_energy_uj = (uint32_t)command->numbers[1];
    setpoint.rep_rate_mhz = (uint32_t)command->numbers[2];
    commit(firmware, &setpoint, trouble);
}

static void set(struct firmware *firmware, const struct command *command, struct console_trouble *trouble)
{
    if (!guarded(firmware, trouble)) {
        return;
    }
    switch ((enum console_action)command->node->action) {
    case ACTION_CHANGE:
        change(firmware, command, trouble);
        break;
    case ACTION_SOURCE_APPLY:
        apply(firmware, command, trouble);
        break;
    case ACTION_SOURCE_AIMING:
        switch_aiming(firmware, command->numbers[0] != 0, trouble);
        break;
    default: /* *RST */
        switch_aiming(firmware, false, trouble);
        break;
    }
}

void command_act(struct firmware *firmware, const struct command *command, struct console_trouble *trouble)
{
    struct console *console = &firmware->console;
    switch ((enum console_action)command->node->action) {
    case ACTION_CLS:
        console->errors = 0;
        console->events = 0;
        break;
    case ACTION_ESE:
        console->events_enabled = (uint8_t)command->numbers[0];
        break;
    case ACTION_SRE:
        /* the summary cannot enable itself */
        console->service_enabled = (uint8_t)((uint32_t)command->numbers[0] & ~MASTER_SUMMARY);
        break;
    case ACTION_OPC:
        console->events |= OPERATION_COMPLETE;
        break;
    case ACTION_WAI: /* every command is complete when the next one is looked at */
        break;
    case ACTION_ABORT:
        comms_stop(firmware, false);
        break;
    case ACTION_RST:
    case ACTION_CHANGE:
    case ACTION_SOURCE_APPLY:
    case ACTION_SOURCE_AIMING:
        set(firmware, command, trouble);
        break;
    case ACTION_NONE:
    default:
        break;
    }
}
