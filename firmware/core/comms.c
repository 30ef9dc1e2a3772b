/* Message handlers: what each message of the host does, and what it is answered. */
#include "comms.h"

#include <string.h>

#include "crc.h"
#include "firmware.h"
#include "refuse.h"
#include "sequences.h"

/* -- what reads */

static enum opcode read_identity(const struct firmware *firmware, uint8_t *answer)
{
    const struct identity *own = &firmware->device.identity;
    struct msg_identity identity = {
        .model = MODEL,
        .firmware_version = FIRMWARE_VERSION,
        .interface_hash = INTERFACE_HASH,
        .boot = firmware->device.boot_number,
        .simulated = 1,
    };
    memcpy(identity.serial, own->serial, sizeof identity.serial);
    memcpy(identity.build_id, own->build_id, sizeof identity.build_id);
    identity_pack(&identity, answer);
    return OPCODE_IDENTITY;
}

static enum opcode read_capabilities(uint8_t *answer)
{
    struct msg_capabilities capabilities = {
        .rate_1_mhz = RATES_MHZ[0],
        .rate_2_mhz = RATES_MHZ[1],
        .rate_3_mhz = RATES_MHZ[2],
        .rate_4_mhz = RATES_MHZ[3],
        .modes = MODES_COUNT,
        .spot_min_um = SPOT_MIN_UM,
        .spot_max_um = SPOT_MAX_UM,
        .permit_pulses_max = PERMIT_PULSES_MAX,
        .permit_max_us = PERMIT_MAX_US,
        .reports_max = REPORTS_MAX,
        .ready_delay_us = READY_DELAY_US,
        .energy_step_uj = ENERGY_STEP_UJ,
    };
    capabilities_pack(&capabilities, answer);
    return OPCODE_CAPABILITIES;
}

static enum opcode read_mode(const uint8_t *payload, uint8_t *answer)
{
    struct msg_read_mode asked;
    read_mode_unpack(&asked, payload);
    uint8_t index = asked.index < MODES_COUNT ? asked.index : MODES_COUNT - 1;
    const struct energy_mode *mode = &MODES[index];
    struct msg_mode told = {
        .index = index,
        .wavelength_nm = (uint16_t)mode->wavelength_nm,
        .mode_width_ps = (uint16_t)mode->mode_width_ps,
        .energy_min_uj = (uint32_t)mode->energy_min_uj,
        .energy_max_uj = (uint32_t)mode->energy_max_uj,
    };
    mode_pack(&told, answer);
    return OPCODE_MODE;
}

static enum opcode read_counters(const struct device *device, uint8_t *answer)
{
    const struct memory *memory = &device->memory;
    struct msg_counters counters = {
        .pulse_number = memory->pulse_number,
        .acknowledged = memory->books.acknowledged,
        .reports_waiting = (uint16_t)memory_waiting(memory),
        .lamp_shots = memory->lamp_shots,
        .boots = memory->books.boots,
        .trips = memory->books.trips,
    };
    counters_pack(&counters, answer);
    return OPCODE_COUNTERS;
}

static enum opcode read_fault(const struct device *device, const uint8_t *payload, uint8_t *answer)
{
    struct msg_read_fault asked;
    struct msg_fault_record record;
    read_fault_unpack(&asked, payload);
    faults_record(&device->memory, asked.index, &record);
    fault_record_pack(&record, answer);
    return OPCODE_FAULT_RECORD;
}

static enum opcode read_calibration(const struct device *device, uint8_t *answer)
{
    const struct stored_calibration *stored = &device->memory.calibration;
    struct msg_calibration calibration = {
        .valid = device->calibrator.valid,
        .boot = stored->boot,
        .device_time_us = (uint64_t)stored->device_time_us,
        .lamp_shots = stored->lamp_shots,
        .gain_a_ppm = stored->gain_a_ppm,
        .gain_b_ppm = stored->gain_b_ppm,
        .worst_residual_ppm = stored->residual_ppm,
        .points = stored->points,
    };
    calibration_pack(&calibration, answer);
    return OPCODE_CALIBRATION;
}

static enum opcode read_calibration_point(const struct device *device, const uint8_t *payload,
                                          uint8_t *answer)
{
    const struct stored_calibration *stored = &device->memory.calibration;
    struct msg_read_calibration_point asked;
    read_calibration_point_unpack(&asked, payload);
    uint8_t index = asked.index < POINTS ? asked.index : POINTS - 1;
    uint32_t mode = index / LEVELS_COUNT;
    uint32_t tested_uj = stored->energies_uj[mode * LEVELS_COUNT + (uint32_t)SHUTTER_TEST_LEVEL];
    struct msg_calibration_point point = {
        .index = index,
        .wavelength_nm = (uint16_t)MODES[mode].wavelength_nm,
        .mode_width_ps = (uint16_t)MODES[mode].mode_width_ps,
        .lamp_mv = (uint32_t)level_mv(mode, index % LEVELS_COUNT, tested_uj),
        .reference_uj = stored->energies_uj[index],
        .residual_ppm = stored->residuals_ppm[index],
    };
    calibration_point_pack(&point, answer);
    return OPCODE_CALIBRATION_POINT;
}

/* -- what sets and permits */

static struct msg_reply reply_of(const struct device *device, uint64_t reasons, bool arms)
{
    struct msg_reply reply = {
        .result = reasons != 0 ? RESULT_REFUSED : RESULT_DONE,
        .reasons = reasons,
        .epoch = arms ? device->arm_epoch : device->stop_epoch,
    };
    return reply;
}

static struct msg_reply stage(struct device *device, const uint8_t *payload)
{
    struct msg_stage_setpoint asked;
    stage_setpoint_unpack(&asked, payload);
    struct msg_setpoint setpoint = {
        .wavelength_nm = asked.wavelength_nm,
        .mode_width_ps = asked.mode_width_ps,
        .pulse_energy_uj = asked.pulse_energy_uj,
        .rep_rate_mhz = asked.rep_rate_mhz,
        .handpiece = asked.handpiece,
        .spot_um = asked.spot_um,
    };
    uint64_t reasons = stage_refusals(device, &setpoint);
    if (reasons == 0) {
        setpoints_stage(&device->setpoints, &setpoint);
    }
    return reply_of(device, reasons, false);
}

static struct msg_reply commit(struct device *device, const uint8_t *payload)
{
    struct msg_commit_setpoint asked;
    commit_setpoint_unpack(&asked, payload);
    uint64_t reasons = commit_refusals(device, asked.setpoint_hash);
    if (reasons == 0) {
        setpoints_commit(&device->setpoints);
    }
    return reply_of(device, reasons, false);
}

static struct msg_reply set_aiming(struct device *device, const uint8_t *payload)
{
    struct msg_set_aiming asked;
    set_aiming_unpack(&asked, payload);
    uint64_t reasons = aiming_refusals(device, asked.on != 0);
    if (reasons == 0) {
        device_set_aiming(device, asked.on != 0);
    }
    return reply_of(device, reasons, false);
}

static struct msg_reply calibrate(struct device *device)
{
    uint64_t reasons = calibrate_refusals(device);
    if (reasons == 0) {
        (void)device_go(device, EVENT_CALIBRATE, LEAVE_NEVER);
    }
    return reply_of(device, reasons, false);
}

static struct msg_reply acknowledge(struct device *device, const uint8_t *payload)
{
    struct msg_acknowledge asked;
    acknowledge_unpack(&asked, payload);
    uint64_t reasons = acknowledge_refusals(device, asked.fault_instance);
    if (reasons == 0) {
        faults_clear(&device->memory);
        bool holds = device->self_tested && cooling_warm(&device->cooling) && device->calibrator.valid;
        (void)device_go(device, holds ? EVENT_CLEARED : EVENT_CLEARED_RESTART, LEAVE_NEVER);
    }
    return reply_of(device, reasons, false);
}

static struct msg_reply standby(struct device *device)
{
    uint64_t reasons = standby_refusals(device);
    if (reasons == 0) {
        device_void_permit(device);
        (void)device_go(device, EVENT_RETURN, LEAVE_STANDBY_ASKED);
    }
    return reply_of(device, reasons, false);
}

static struct msg_reply arm(struct device *device, const uint8_t *payload)
{
    struct msg_arm asked;
    arm_unpack(&asked, payload);
    uint64_t reasons = arm_refusals(device, &asked);
    if (reasons == 0) {
        device->beam = (enum beam)asked.beam;
        (void)device_go(device, EVENT_ARM, LEAVE_NEVER);
    }
    return reply_of(device, reasons, true);
}

static struct msg_reply grant(struct device *device, const uint8_t *payload)
{
    struct msg_grant asked;
    grant_unpack(&asked, payload);
    uint32_t fingerprint = crc32_after(0, payload, GRANT_SIZE);
    bool taken;
    const struct msg_reply *before = permit_answered(&device->permit, asked.permit_id, fingerprint, &taken);
    if (before != 0) {
        return *before;
    }
    uint64_t reasons = grant_refusals(device, &asked);
    if (taken) {
        reasons |= BIT(REFUSAL_PERMIT_HELD); /* an identity is for one permit, whatever became of it */
    }
    struct msg_reply reply = reply_of(device, reasons, false);
    if (reasons == 0) {
        permit_grant(&device->permit, &asked);
        host_permit_changed(&device->host, device->now_us);
        foot_consume(&device->foot, device->now_us);
    }
    permit_remember(&device->permit, asked.permit_id, fingerprint, &reply);
    return reply;
}

static struct msg_reply carry_out(struct device *device, uint8_t opcode, const uint8_t *payload)
{
    switch (opcode) {
    case OPCODE_STAGE_SETPOINT:
        return stage(device, payload);
    case OPCODE_COMMIT_SETPOINT:
        return commit(device, payload);
    case OPCODE_SET_AIMING:
        return set_aiming(device, payload);
    case OPCODE_CALIBRATE:
        return calibrate(device);
    case OPCODE_ACKNOWLEDGE:
        return acknowledge(device, payload);
    case OPCODE_STANDBY:
        return standby(device);
    case OPCODE_ARM:
        return arm(device, payload);
    default:
        return grant(device, payload); /* the last request there is */
    }
}

enum opcode comms_request(struct firmware *firmware, const struct message_row *request,
                          const uint8_t *payload, uint8_t answer[SENT_PAYLOAD_MAX])
{
    struct device *device = &firmware->device;
    switch (request->opcode) {
    case OPCODE_READ_IDENTITY:
        return read_identity(firmware, answer);
    case OPCODE_READ_CAPABILITIES:
        return read_capabilities(answer);
    case OPCODE_READ_MODE:
        return read_mode(payload, answer);
    case OPCODE_READ_SETPOINT:
        setpoint_pack(&device->setpoints.committed, answer);
        return OPCODE_SETPOINT;
    case OPCODE_READ_COUNTERS:
        return read_counters(device, answer);
    case OPCODE_READ_FAULT:
        return read_fault(device, payload, answer);
    case OPCODE_READ_CALIBRATION:
        return read_calibration(device, answer);
    case OPCODE_READ_CALIBRATION_POINT:
        return read_calibration_point(device, payload, answer);
    default:
        break;
    }
    device_note(device, CHANGED_ALL);
    struct msg_reply reply = carry_out(device, request->opcode, payload);
    reply_pack(&reply, answer);
    return OPCODE_REPLY;
}

/* -- what is out of band */

void comms_stop(struct firmware *firmware, bool again)
{
    struct device *device = &firmware->device;
    if (!again) {
        device->stop_epoch++;
    }
    device_void_permit(device);
    (void)device_go(device, EVENT_STOP, LEAVE_STOP);
}

static void hear_heartbeat(struct device *device, const uint8_t *payload)
{
    struct msg_heartbeat heartbeat;
    heartbeat_unpack(&heartbeat, payload);
    if (host_heard(&device->host, &heartbeat, device->armed, device->permit.id != 0)) {
        (void)device_go(device, EVENT_RETURN, LEAVE_INTENT);
    }
}

static void hear_acknowledgement(struct device *device, const uint8_t *payload)
{
    struct msg_ack_pulses ack;
    ack_pulses_unpack(&ack, payload);
    if (ack.pulse_number > device->memory.books.acknowledged && ack.pulse_number <= reported(device)) {
        memory_acknowledge(&device->memory, ack.pulse_number);
        device_note(device, CHANGED_RECORDS);
    }
}

static void hear_stop(struct firmware *firmware, const uint8_t *payload)
{
    struct msg_stop stop;
    stop_unpack(&stop, payload);
    comms_stop(firmware, stop.stop_id == firmware->stop_id);
    firmware->stop_id = stop.stop_id;
    reporter_stopped(&firmware->reporter, &firmware->device, &firmware->link, stop.stop_id);
}

static void open_session(struct firmware *firmware, uint32_t session, bool same_interface)
{
    struct device *device = &firmware->device;
    device_note(device, CHANGED_ALL);
    host_open_session(&device->host, session, same_interface);
    device_void_permit(device);
    permit_forget_answers(&device->permit);
    setpoints_forget_staged(&device->setpoints);
    if (device->armed) {
        (void)device_go(device, EVENT_RETURN, LEAVE_SESSION);
    }
    reporter_open_session(&firmware->reporter, device->now_us);
}

static void answer_request(struct firmware *firmware, const struct link_event *event)
{
    uint8_t answer[SENT_PAYLOAD_MAX];
    enum opcode opcode = comms_request(firmware, message_of(event->opcode), event->payload, answer);
    link_answer(&firmware->link, opcode, answer, message_of((uint8_t)opcode)->size);
}

void comms_receive(struct firmware *firmware, const uint8_t *data, uint32_t length, struct room *events)
{
    struct link_event event;
    uint32_t at = 0;
    link_receive(&firmware->link, data, length, events);
    while (link_next_event(events, &at, &event)) {
        if (event.kind == LINK_OPENED) {
            open_session(firmware, event.session, event.same_interface);
        } else if (event.kind == LINK_ASKED) {
            answer_request(firmware, &event);
        } else if (event.opcode == OPCODE_HEARTBEAT) {
            hear_heartbeat(&firmware->device, event.payload);
        } else if (event.opcode == OPCODE_ACK_PULSES) {
            hear_acknowledgement(&firmware->device, event.payload);
        } else if (event.opcode == OPCODE_STOP) {
            hear_stop(firmware, event.payload);
        }
    }
}
