/* What the device tells unasked: Status and challenge, Telemetry, pulse reports, answers to a stop.
 *
 * While the lamp rings nothing of it is sent but the answers to a stop: what would be garbled waits. */
#include "report.h"

#include <string.h>

#include "refuse.h"

#define UNSENT INT64_C(-1)

uint64_t reported(const struct device *device)
{
    return device->memory.pulse_number - (device->pulser.shot.on_its_way ? 1U : 0U);
}

void reporter_start(struct reporter *reporter)
{
    memset(reporter, 0, sizeof *reporter);
    reporter->deadline_us = NEVER_US;
    reporter->repeat_us = NEVER_US;
    reporter->status_us = -STATUS_SPACING_US;
    reporter->period_us = STATUS_IDLE_US;
    reporter->stop_told = true;
    for (uint32_t i = 0; i < (uint32_t)REPORTS_OUTSTANDING; i++) {
        reporter->sent[i].sent_us = UNSENT;
    }
}

void reporter_open_session(struct reporter *reporter, int64_t now_us)
{
    reporter->live = true;
    reporter->told_any = false;
    reporter->status_us = now_us - STATUS_SPACING_US;
    reporter->telemetry_us = now_us;
    reporter->sample = 0;
    for (uint32_t i = 0; i < (uint32_t)REPORTS_OUTSTANDING; i++) {
        reporter->sent[i].sent_us = UNSENT;
    }
}

void status_of(const struct device *device, uint32_t challenge, uint8_t payload[STATUS_SIZE])
{
    const struct inputs *inputs = &device->inputs;
    const struct books *books = &device->memory.books;
    bool latched = books->latched != 0;
    struct msg_status status = {
        .device_time_us = (uint64_t)device->now_us,
        .boot = device->boot_number,
        .challenge = challenge,
        .state = (uint8_t)device->state,
        .beam = (uint8_t)device->beam,
        .leave = (uint8_t)device->leave,
        .open_interlocks = device->open_interlocks,
        .blocks = blocks(device),
        .faults = books->latched,
        .faults_present = latched ? device_causes_present(device) : 0,
        .first_fault = latched ? books->first_fault : FAULT_NONE,
        .fault_instance = latched ? books->trips : 0,
        .stop_epoch = device->stop_epoch,
        .arm_epoch = device->arm_epoch,
        .permit_id = device->permit.id,
        .permit_pulses_left = device->permit.pulses_left,
        .permit_ends_us = (uint64_t)device->permit.ends_us,
        .setpoint_hash = device->setpoints.hash,
        .handpiece = (uint8_t)handpiece_of(inputs->handpiece),
        .spot_um = (uint16_t)within(inputs->spot_um, 0, 20000),
        .wavelength_nm = (uint16_t)within(inputs->wavelength_nm, 0, 2000),
        .foot = (uint8_t)foot_level(&device->foot),
        .shutter = (uint8_t)device->shutter.position,
        .gate_inhibited = inputs->gate_inhibited,
        .hv_inhibited = inputs->hv_inhibited,
        .indicator_on = device_indicator_lit(device),
        .aiming_on = device_aiming_lit(device),
        .docked = device_docked(device),
        .calibrated = device->calibrator.valid,
        .pulse_number = device->memory.pulse_number,
        .reports_waiting = (uint16_t)memory_waiting(&device->memory),
    };
    status_pack(&status, payload);
}

void telemetry_of(const struct reporter *reporter, const struct device *device, const struct link *link,
                  uint8_t payload[TELEMETRY_SIZE])
{
    const struct inputs *inputs = &device->inputs;
    struct msg_telemetry telemetry = {
        .sample = reporter->sample,
        .device_time_us = (uint64_t)device->now_us,
        .hv_mv = (uint32_t)within(inputs->hv_mv, 0, 2000000),
        .coolant_mc = (int32_t)within(inputs->coolant_mc, -50000, 150000),
        .flow_ml_min = (uint32_t)within(inputs->flow_ml_min, 0, 100000),
        .indicator_ua = (uint32_t)within(inputs->indicator_ua, 0, 10000000),
        .aiming_uw = (uint32_t)within(inputs->aiming_uw, 0, 1000000),
        .simmer_on = inputs->simmer_on,
        .heater_on = device->outputs.heater_on,
        .lamp_shots = device->memory.lamp_shots,
        .frames_rejected = link->frames_rejected,
        .skipped_pulses = device->pulser.skipped,
    };
    telemetry_pack(&telemetry, payload);
}

static struct msg_stopped stop_of(const struct reporter *reporter, const struct device *device)
{
    struct msg_stopped stopped = {
        .stop_id = reporter->stop_id,
        .stop_epoch = device->stop_epoch,
        .device_time_us = (uint64_t)device->now_us,
        .no_permit = device->permit.id == 0,
        .not_emitting = device->state != STATE_READY && device->state != STATE_EMITTING,
        .gate_inhibited = device->inputs.gate_inhibited,
        .shutter_closed = device->shutter.position == SHUTTER_CLOSED,
    };
    return stopped;
}

/* No permit, not READY or EMITTING, gate inhibited and shutter closed; no light is not enough. */
static bool confirmed(const struct msg_stopped *stopped)
{
    return stopped->no_permit && stopped->not_emitting && stopped->gate_inhibited && stopped->shutter_closed;
}

static void tell_stop(struct reporter *reporter, const struct device *device, struct link *link)
{
    struct msg_stopped stopped = stop_of(reporter, device);
    uint8_t payload[STOPPED_SIZE];
    stopped_pack(&stopped, payload);
    link_send(link, OPCODE_STOPPED, payload, STOPPED_SIZE);
    reporter->stop_told = confirmed(&stopped);
}

void reporter_stopped(struct reporter *reporter, struct device *device, struct link *link, uint32_t stop_id)
{
    reporter->stop_id = stop_id;
    tell_stop(reporter, device, link);
}

static void send_report(const struct device *device, struct link *link, uint64_t number)
{
    struct msg_pulse_report report;
    uint8_t payload[PULSE_REPORT_SIZE];
    memory_report(&device->memory, number, &report);
    pulse_report_pack(&report, payload);
    link_send(link, OPCODE_PULSE_REPORT, payload, PULSE_REPORT_SIZE);
}

/* Of the reports that wait the oldest few, each once and then again until it is acknowledged. */
static void send_reports(struct reporter *reporter, const struct device *device, struct link *link)
{
    uint64_t outstanding = (uint64_t)REPORTS_OUTSTANDING;
    uint64_t acknowledged = device->memory.books.acknowledged;
    reporter->repeat_us = NEVER_US;
    for (uint64_t i = 1; i <= outstanding && acknowledged + i <= reported(device); i++) {
        uint64_t number = acknowledged + i;
        struct sent_report *sent = &reporter->sent[number % outstanding];
        bool was_sent = sent->number == number && sent->sent_us != UNSENT;
        if (!was_sent || device->now_us - sent->sent_us >= REPORT_REPEAT_US) {
            sent->number = number;
            sent->sent_us = device->now_us;
            send_report(device, link, number);
        }
        reporter->repeat_us = least(reporter->repeat_us, sent->sent_us + REPORT_REPEAT_US);
    }
}

void reporter_tell(struct reporter *reporter, struct device *device, struct link *link, uint32_t changed)
{
    int64_t now_us = device->now_us;
    uint8_t payload[STATUS_SIZE];
    if (!reporter->stop_told) {
        struct msg_stopped stopped = stop_of(reporter, device);
        if (confirmed(&stopped)) {
            tell_stop(reporter, device, link);
        }
    }
    if (!reporter->live) {
        return;
    }
    if (now_us < device->pulser.rings_until_us) {
        reporter->held_back |= changed;
        reporter->deadline_us = device->pulser.rings_until_us;
        return;
    }
    changed |= reporter->held_back;
    reporter->held_back = 0;
    if ((changed & ON_STATUS) != 0) {
        status_of(device, 0, payload);
        memcpy(reporter->visible, payload + VISIBLE_AT, VISIBLE_SIZE);
        reporter->period_us = device->armed ? STATUS_ARMED_US : STATUS_IDLE_US;
    }
    bool same = reporter->told_any && memcmp(reporter->visible, reporter->told, COMPARED_SIZE) == 0;
    int64_t status_us = reporter->status_us + (same ? reporter->period_us : STATUS_SPACING_US);
    if (now_us >= status_us) {
        put_u64(payload, (uint64_t)now_us);
        put_u32(payload + 8, device->boot_number);
        put_u32(payload + 12, host_challenge(&device->host, now_us));
        memcpy(payload + VISIBLE_AT, reporter->visible, VISIBLE_SIZE);
        link_send(link, OPCODE_STATUS, payload, STATUS_SIZE);
        memcpy(reporter->told, reporter->visible, VISIBLE_SIZE);
        reporter->told_any = true;
        reporter->status_us = now_us;
        status_us = now_us + reporter->period_us;
    }
    if (now_us >= reporter->telemetry_us) {
        uint8_t telemetry[TELEMETRY_SIZE];
        reporter->telemetry_us += TELEMETRY_US;
        reporter->sample++;
        telemetry_of(reporter, device, link, telemetry);
        link_send(link, OPCODE_TELEMETRY, telemetry, TELEMETRY_SIZE);
    }
    if ((changed & ON_REPORTS) != 0 || now_us >= reporter->repeat_us) {
        send_reports(reporter, device, link);
    }
    reporter->deadline_us = least(status_us, least(reporter->telemetry_us, reporter->repeat_us));
}
