/* Written by `make docs` from the declarations. Do not edit: change the declaration. */
#ifndef PICOLASE_INTERFACE_H
#define PICOLASE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "picolase_bytes.h"

/* -- the interface as a whole */
#define INTERFACE_HASH UINT64_C(0x70ee7f9cd380267a)
#define PROTOCOL_VERSION 1U
#define HEADER_SIZE 11U
#define CRC_SIZE 4U
#define RAW_MIN 15U
#define RAW_MAX 265U
#define ENCODED_MAX 267U
#define SENT_PAYLOAD_MAX 101U /* of the device */

/* -- enumerations */
enum state {
    STATE_OFF = 0,
    STATE_SELF_TEST = 1,
    STATE_WARM_UP = 2,
    STATE_CALIBRATING = 3,
    STATE_STANDBY = 4,
    STATE_ARMING = 5,
    STATE_READY = 6,
    STATE_EMITTING = 7,
    STATE_FAULT = 8,
    STATE_COUNT = 9
};

enum event {
    EVENT_KEY_ON = 1,
    EVENT_KEY_OFF = 2,
    EVENT_SELF_TEST_PASSED = 3,
    EVENT_WARMED = 4,
    EVENT_CALIBRATE = 5,
    EVENT_CALIBRATION_ENDED = 6,
    EVENT_ARM = 7,
    EVENT_PROVEN = 8,
    EVENT_PRESS = 9,
    EVENT_RELEASE = 10,
    EVENT_RETURN = 11,
    EVENT_STOP = 12,
    EVENT_TRIP = 13,
    EVENT_CLEARED = 14,
    EVENT_CLEARED_RESTART = 15,
    EVENT_COUNT = 16
};

enum fault {
    FAULT_NONE = 0,
    FAULT_ESTOP = 1,
    FAULT_REMOTE_INTERLOCK = 2,
    FAULT_DOOR = 3,
    FAULT_COVER = 4,
    FAULT_HANDPIECE = 5,
    FAULT_ARTICULATED_ARM = 6,
    FAULT_MAINS = 7,
    FAULT_FOOT_DISAGREES = 8,
    FAULT_SHUTTER_STUCK_CLOSED = 9,
    FAULT_SHUTTER_STUCK_OPEN = 10,
    FAULT_SHUTTER_FEEDBACK = 11,
    FAULT_INDICATOR = 12,
    FAULT_COOLANT_FLOW = 13,
    FAULT_COOLANT_LEVEL = 14,
    FAULT_COOLANT_COLD = 15,
    FAULT_COOLANT_HOT = 16,
    FAULT_HEATER_THERMOSTAT = 17,
    FAULT_CHARGER_HOT = 18,
    FAULT_NO_END_OF_CHARGE = 19,
    FAULT_OVER_VOLTAGE = 20,
    FAULT_DUMP_FAILED = 21,
    FAULT_SIMMER_LOST = 22,
    FAULT_SIMMER_TIMEOUT = 23,
    FAULT_ENERGY_HIGH = 24,
    FAULT_ENERGY_LOW = 25,
    FAULT_OVER_ENERGY_COMPARATOR = 26,
    FAULT_MONITORS_DISAGREE = 27,
    FAULT_MONITOR_FAILED = 28,
    FAULT_PULSE_WIDTH = 29,
    FAULT_PULSE_MISSING = 30,
    FAULT_PULSE_DOUBLE = 31,
    FAULT_LIGHT_WITHOUT_TRIGGER = 32,
    FAULT_LINK_LOST = 33,
    FAULT_NONVOLATILE = 34,
    FAULT_WATCHDOG_RESET = 35,
    FAULT_SELF_TEST = 36,
    FAULT_GATE_CHANNEL = 37,
    FAULT_HV_CHANNEL = 38,
    FAULT_WARM_UP_TIMEOUT = 39,
    FAULT_ESTOP_DISAGREES = 40,
    FAULT_COVER_DISAGREES = 41,
    FAULT_DOCK_DISAGREES = 42,
    FAULT_PORT_DARK = 43,
    FAULT_LAMP_WEAK = 44,
    FAULT_COUNT = 45
};

enum interlock {
    INTERLOCK_ESTOP = 0,
    INTERLOCK_KEY = 1,
    INTERLOCK_MAINS = 2,
    INTERLOCK_REMOTE = 3,
    INTERLOCK_DOOR = 4,
    INTERLOCK_COVER = 5,
    INTERLOCK_ARTICULATED_ARM = 6,
    INTERLOCK_HANDPIECE = 7,
    INTERLOCK_COOLANT_LEVEL = 8,
    INTERLOCK_COOLANT_FLOW = 9,
    INTERLOCK_HEATER_THERMOSTAT = 10,
    INTERLOCK_CHARGER_TEMPERATURE = 11,
    INTERLOCK_COUNT = 12
};

enum refusal {
    REFUSAL_WRONG_STATE = 0,
    REFUSAL_KEY_OFF = 1,
    REFUSAL_FAULT_LATCHED = 2,
    REFUSAL_INTERLOCK_OPEN = 3,
    REFUSAL_FOOT_HELD = 4,
    REFUSAL_NOT_WARM = 5,
    REFUSAL_NOT_CALIBRATED = 6,
    REFUSAL_AIMING_BEAM = 7,
    REFUSAL_NO_SETPOINT = 8,
    REFUSAL_SETPOINT_DIFFERS = 9,
    REFUSAL_STOPPED_SINCE = 10,
    REFUSAL_ARM_EPOCH = 11,
    REFUSAL_BOOT = 12,
    REFUSAL_INTERFACE = 13,
    REFUSAL_HANDPIECE_DIFFERS = 14,
    REFUSAL_SPOT_DIFFERS = 15,
    REFUSAL_WAVELENGTH_DIFFERS = 16,
    REFUSAL_ENERGY_RANGE = 17,
    REFUSAL_RATE_NOT_OFFERED = 18,
    REFUSAL_MODE_NOT_OFFERED = 19,
    REFUSAL_PULSES_RANGE = 20,
    REFUSAL_PERMIT_END = 21,
    REFUSAL_PERMIT_HELD = 22,
    REFUSAL_REPORTS_FULL = 23,
    REFUSAL_HOST_SILENT = 24,
    REFUSAL_CAUSE_PRESENT = 25,
    REFUSAL_OTHER_FAULT = 26,
    REFUSAL_SERVICE_NEEDED = 27,
    REFUSAL_NOT_DOCKED = 28,
    REFUSAL_DOCKED = 29,
    REFUSAL_SESSION = 30,
    REFUSAL_BEAM = 31,
    REFUSAL_DOCK_DISAGREES = 32,
    REFUSAL_TRIGGER = 33,
    REFUSAL_COVER_DEFEATED = 34,
    REFUSAL_COUNT = 35
};

enum handpiece {
    HANDPIECE_NONE = 0,
    HANDPIECE_ZOOM = 1,
    HANDPIECE_FIXED_6 = 2,
    HANDPIECE_FIXED_8 = 3,
    HANDPIECE_FIXED_10 = 4,
    HANDPIECE_LENS_ARRAY_6 = 5,
    HANDPIECE_COUNT = 6
};

enum beam {
    BEAM_APERTURE = 1,
    BEAM_SHUTTER = 2,
    BEAM_COUNT = 3
};

enum intent {
    INTENT_IDLE = 0,
    INTENT_ARMED = 1,
    INTENT_PERMIT = 2,
    INTENT_COUNT = 3
};

enum foot {
    FOOT_RELEASED = 0,
    FOOT_PRESSED = 1,
    FOOT_DISAGREES = 2,
    FOOT_COUNT = 3
};

enum shutter {
    SHUTTER_CLOSED = 0,
    SHUTTER_OPEN = 1,
    SHUTTER_MOVING = 2,
    SHUTTER_CONTRADICTION = 3,
    SHUTTER_COUNT = 4
};

enum pulse_flag {
    PULSE_FLAG_UNKNOWN = 0,
    PULSE_FLAG_SHUTTER_CLOSED = 1,
    PULSE_FLAG_CALIBRATION = 2,
    PULSE_FLAG_MISSING = 3,
    PULSE_FLAG_DOUBLE = 4,
    PULSE_FLAG_ENERGY_HIGH = 5,
    PULSE_FLAG_ENERGY_LOW = 6,
    PULSE_FLAG_ENERGY_DRIFT = 7,
    PULSE_FLAG_WIDTH = 8,
    PULSE_FLAG_MONITORS_DISAGREE = 9,
    PULSE_FLAG_COMPARATOR = 10,
    PULSE_FLAG_SKIPPED = 11,
    PULSE_FLAG_COUNT = 12
};

enum leave {
    LEAVE_NEVER = 0,
    LEAVE_STANDBY_ASKED = 1,
    LEAVE_STOP = 2,
    LEAVE_HANDPIECE = 3,
    LEAVE_SPOT = 4,
    LEAVE_WAVELENGTH = 5,
    LEAVE_SETPOINT = 6,
    LEAVE_IDLE = 7,
    LEAVE_SESSION = 8,
    LEAVE_DRIFT = 9,
    LEAVE_REPORTS_FULL = 10,
    LEAVE_AIMING = 11,
    LEAVE_FOOT_HELD = 12,
    LEAVE_NOT_CALIBRATED = 13,
    LEAVE_INTENT = 14,
    LEAVE_TRIGGER = 15,
    LEAVE_COVER_DEFEATED = 16,
    LEAVE_COUNT = 17
};

enum nak_reason {
    NAK_REASON_CRC = 1,
    NAK_REASON_LENGTH = 2,
    NAK_REASON_VERSION = 3,
    NAK_REASON_OPCODE = 4,
    NAK_REASON_FIELD = 5,
    NAK_REASON_SESSION = 6,
    NAK_REASON_SEQUENCE = 7,
    NAK_REASON_ENCODING = 8,
    NAK_REASON_COUNT = 9
};

enum result {
    RESULT_DONE = 0,
    RESULT_REFUSED = 1,
    RESULT_COUNT = 2
};

enum trigger {
    TRIGGER_FOOT = 0,
    TRIGGER_INTERNAL = 1,
    TRIGGER_COUNT = 2
};

/* -- times of the wire, limits of this laser; times in microseconds */
#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define HEARTBEAT_PERIOD_US INT64_C(50000)
#define PERMIT_LIFE_US INT64_C(200000)
#define CHALLENGES_KEPT INT64_C(8)
#define STATUS_ARMED_US INT64_C(50000)
#define STATUS_IDLE_US INT64_C(100000)
#define TELEMETRY_US INT64_C(1000000)
#define LINK_SILENT_US INT64_C(1000000)
#define ANSWER_FIRST_US INT64_C(200000)
#define ANSWER_MIN_US INT64_C(30000)
#define ANSWER_MAX_US INT64_C(800000)
#define TRIES_MAX INT64_C(5)
#define REQUESTS_QUEUED_MAX INT64_C(16)
#define STOP_REPEAT_US INT64_C(50000)
#define STOP_UNCONFIRMED_US INT64_C(500000)
#define REPORT_REPEAT_US INT64_C(300000)
#define REPORTS_OUTSTANDING INT64_C(8)
#define NEVER_US INT64_C(4611686018427387904)
#define ENERGY_STEP_UJ INT64_C(100)
#define PERMIT_PULSES_MAX INT64_C(1000)
#define PERMIT_MAX_US INT64_C(120000000)
#define STATUS_SPACING_US INT64_C(10000)
#define QUIET_US INT64_C(3000)
#define KICK_SPACING_US INT64_C(48000)
#define KICK_PERIOD_US INT64_C(50000)
#define INTENT_SETTLE_US INT64_C(500000)
#define INTENT_STRIKES INT64_C(3)
#define IDLE_US INT64_C(300000000)
#define AIMING_OFF_US INT64_C(600000000)
#define GRANTS_KEPT INT64_C(32)
#define FOOT_STABLE_US INT64_C(5000)
#define FOOT_DISAGREE_US INT64_C(50000)
#define FOOT_HELD_US INT64_C(10000000)
#define PAIR_DISAGREE_US INT64_C(50000)
#define SHUTTER_US INT64_C(30000)
#define READY_DELAY_US INT64_C(2000000)
#define SELF_TEST_US INT64_C(1000000)
#define INDICATOR_MIN_UA INT64_C(10000)
#define INDICATOR_MAX_UA INT64_C(30000)
#define INDICATOR_DARK_UA INT64_C(1000)
#define INDICATOR_SETTLE_US INT64_C(100000)
#define AIMING_MIN_UW INT64_C(100)
#define AIMING_MAX_UW INT64_C(5000)
#define AIMING_SETTLE_US INT64_C(100000)
#define DARK_MAX_UJ INT64_C(500)
#define FLASH_MIN_UJ INT64_C(35000)
#define FLASH_MAX_UJ INT64_C(65000)
#define PUMP_GRACE_US INT64_C(3000000)
#define FLOW_MIN_ML_MIN INT64_C(2000)
#define FLOW_LOW_US INT64_C(500000)
#define COOLANT_SET_MC INT64_C(60000)
#define HEATER_BAND_MC INT64_C(300)
#define WARM_BAND_MC INT64_C(1000)
#define WARM_US INT64_C(60000000)
#define WARM_UP_TIMEOUT_US INT64_C(1800000000)
#define ARM_COOLANT_MC_LOW INT64_C(58000)
#define ARM_COOLANT_MC_HIGH INT64_C(62000)
#define COOLANT_COLD_MC INT64_C(55000)
#define COOLANT_HOT_MC INT64_C(68000)
#define SENSOR_MC_LOW INT64_C(0)
#define SENSOR_MC_HIGH INT64_C(95000)
#define HV_SAFE_MV INT64_C(60000)
#define DUMP_US INT64_C(5000000)
#define HV_MIN_MV INT64_C(500000)
#define HV_MAX_MV INT64_C(1250000)
#define OVER_VOLTAGE_PERMILLE INT64_C(15)
#define CHARGED_PERMILLE INT64_C(980)
#define SKIPS_MAX INT64_C(3)
#define SIMMER_US INT64_C(1000000)
#define SIMMER_SETTLE_US INT64_C(10000)
#define JUDGE_US INT64_C(1000)
#define MISSING_US INT64_C(2000)
#define RESET_LIGHT_US INT64_C(2000)
#define ENERGY_TRIP_PERCENT INT64_C(15)
#define ENERGY_DRIFT_PERCENT INT64_C(10)
#define DRIFTS_MAX INT64_C(3)
#define MONITORS_PERCENT INT64_C(10)
#define WIDTH_MIN_PS INT64_C(450)
#define WIDTH_MAX_PS INT64_C(825)
#define WIDTH_PERCENT INT64_C(15)
#define DARK_B_MAX_UJ INT64_C(2000)
#define COMPARATOR_PERCENT INT64_C(120)
#define COMPARATOR_MAX_UJ INT64_C(300000)
#define CALIBRATION_SHOTS INT64_C(2)
#define CALIBRATION_PERIOD_US INT64_C(100000)
#define SHUTTER_TEST_LEVEL INT64_C(1)
#define LOWEST_LEVEL_UJ INT64_C(10000)
#define LAMP_THRESHOLD_J INT64_C(10)
#define LAMP_FULL_J INT64_C(43)
#define LAMP_WEAK_UJ INT64_C(15000)
#define RESIDUAL_MAX_PPM INT64_C(50000)
#define GAIN_PPM_LOW INT64_C(500000)
#define GAIN_PPM_HIGH INT64_C(2000000)
#define PORT_MIN_UJ INT64_C(2000)
#define CALIBRATION_SHOTS_MAX INT64_C(100000)
#define AGREES_PERCENT INT64_C(15)
#define REPORTS_MAX INT64_C(256)
#define HISTORY_MAX INT64_C(32)
#define MEMORY_BYTES INT64_C(45056)
#define WAITING_MAX INT64_C(4096)
#define SLICE_BYTES INT64_C(256)
#define SLICE_US INT64_C(500)
#define MODEL "PicoLase 755"
#define FIRMWARE_VERSION "0.1.0"

struct energy_mode {
    int64_t wavelength_nm;
    int64_t mode_width_ps;
    int64_t energy_min_uj;
    int64_t energy_max_uj;
};
#define MODES_COUNT 3
extern const struct energy_mode MODES[MODES_COUNT];
#define RATES_COUNT 4
extern const uint32_t RATES_MHZ[RATES_COUNT];
#define LEVELS_COUNT 5
extern const int64_t CALIBRATION_LEVELS_MV[LEVELS_COUNT];
struct range_um {
    int64_t low;
    int64_t high;
};
extern const struct range_um SPOTS_UM[HANDPIECE_COUNT];
#define SPOT_MIN_UM 2000U
#define SPOT_MAX_UM 10000U

/* -- states: what follows, or REFUSED_TRANSITION */
#define REFUSED_TRANSITION 0xffU
extern const uint8_t TRANSITIONS[STATE_COUNT][EVENT_COUNT];
#define ARMED_STATES 0xe0U

/* -- faults, interlocks, refusals */
#define FAULTS_FOR_SERVICE UINT64_C(0x6500300000)
#define INTERLOCKS_LATCHING_ALWAYS 0xf25U
extern const uint8_t INTERLOCK_FAULT[INTERLOCK_COUNT]; /* FAULT_NONE: it latches none */

/* -- the board's lines, in the order of sim_device/board.py */
struct inputs {
    bool key_on; /* key switch turned on */
    bool mains_ok; /* mains within its window */
    bool estop_a_closed; /* e-stop loop, first contact */
    bool estop_b_closed; /* e-stop loop, second contact */
    bool remote_closed; /* remote interlock connector */
    bool door_closed; /* treatment room door */
    bool cover_a_closed; /* housing cover, first contact */
    bool cover_b_closed; /* housing cover, second contact */
    bool defeat_key_out; /* service's key that bridges both contacts of the cover is out */
    bool arm_connected; /* articulated arm */
    bool foot_a_closed; /* footswitch, first contact: closed = pressed */
    bool foot_b_closed; /* footswitch, second contact: closed = pressed */
    bool internal_trigger_strap; /* strap that lets rigs and service fire without a foot */
    bool docked_a_closed; /* handpiece in the calibration port, first contact */
    bool docked_b_closed; /* handpiece in the calibration port, second contact */
    int32_t handpiece; /* identity of the handpiece (protocols.messages.Handpiece) */
    int32_t spot_um; /* spot diameter by the zoom encoder or the identity chip [um] */
    int32_t wavelength_nm; /* active wavelength module [nm] */
    bool shutter_open_switch; /* shutter fully open */
    bool shutter_closed_switch; /* shutter fully closed */
    bool gate_inhibited; /* trigger and Pockels gate blocks */
    bool hv_inhibited; /* charger blocked */
    bool comparator_tripped; /* latched hardware over-energy comparator */
    int32_t hv_mv; /* capacitor voltage [mV] */
    bool charge_done; /* end of charge */
    bool simmer_on; /* simmer current present */
    bool charger_cool; /* charger's temperature contact closed */
    int32_t coolant_mc; /* coolant temperature; a cut sensor reads -50 degC [mC] */
    int32_t flow_ml_min; /* coolant flow [ml/min] */
    bool level_ok; /* coolant level switch */
    bool thermostat_closed; /* heater's own thermostat */
    int32_t indicator_ua; /* emission indicator lamp current [uA] */
    int32_t aiming_uw; /* aiming diode power [uW] */
    uint32_t light_count; /* optical pulses seen by the photodiode before the shutter */
    int32_t pulse_width_ps; /* width of the latest optical pulse, photodiode [ps] */
    int32_t monitor_a_uj; /* energy of the latest pulse before the shutter, uncalibrated [uJ] */
    int32_t monitor_b_uj; /* energy of the latest pulse after the shutter, uncalibrated [uJ] */
    int32_t port_meter_uj; /* reference meter in the calibration port, latest pulse [uJ] */
    int32_t dark_a_uj; /* monitor A without light; with `monitor_test` on, its reference flash [uJ] */
    int32_t dark_b_uj; /* monitor B without light; with `monitor_test` on, its reference flash [uJ] */
};
struct outputs {
    bool hv_enable; /* the charger may run */
    int32_t hv_set_mv; /* voltage the charger charges to [mV] */
    bool dump_hold; /* hold the dump relay open; released, the capacitor is dumped */
    bool simmer_start; /* run the simmer supply */
    bool gate_enable; /* let triggers reach lamp and Pockels cell */
    uint32_t lamp_triggers; /* counts up by one for each lamp trigger; the plant acts on the change */
    int32_t mode_width_ps; /* modulation and dump setting of this mode; 0 = none [ps] */
    int32_t comparator_uj; /* threshold of the hardware over-energy comparator: light above trips it [uJ] */
    bool comparator_reset; /* clears the comparator's latch while high */
    bool shutter_open; /* drive the shutter against its spring */
    bool indicator_on; /* emission indicator */
    bool defeat_lamp_on; /* lamp that says: the cover's interlock is defeated */
    bool aiming_on; /* aiming diode */
    bool pump_on; /* coolant pump */
    bool heater_on; /* coolant heater */
    bool monitor_test; /* reference flash of both energy monitors */
    bool buzzer_on; /* audible warning while arming and emitting */
    uint32_t watchdog_kicks; /* counts up with each refresh of the processor's windowed watchdog */
};

/* Which part of a step depends on which lines: one bit for each group, as in changes.py. */
#define CHANGED_ALL 0xffffU
#define CHANGED_CHAIN 0x0001U
#define CHANGED_FOOT 0x0002U
#define CHANGED_HEAD 0x0004U
#define CHANGED_SHUTTER 0x0008U
#define CHANGED_STOPS 0x0010U
#define CHANGED_VOLTAGE 0x0020U
#define CHANGED_CHARGE 0x0040U
#define CHANGED_SIMMER 0x0080U
#define CHANGED_COOLANT 0x0100U
#define CHANGED_LAMPS 0x0200U
#define CHANGED_LIGHT 0x0400U
#define CHANGED_DARK 0x0800U
#define CHANGED_PAIRS 0x8000U
#define CHANGED_DRIVEN 0x1000U
#define CHANGED_PULSE 0x2000U
#define CHANGED_RECORDS 0x4000U
#define INPUT_LINES(X) \
    X(key_on, 0x0001U) \
    X(mains_ok, 0x0001U) \
    X(estop_a_closed, 0x8001U) \
    X(estop_b_closed, 0x8001U) \
    X(remote_closed, 0x0001U) \
    X(door_closed, 0x0001U) \
    X(cover_a_closed, 0x8001U) \
    X(cover_b_closed, 0x8001U) \
    X(defeat_key_out, 0xffffU) \
    X(arm_connected, 0x0001U) \
    X(foot_a_closed, 0x0002U) \
    X(foot_b_closed, 0x0002U) \
    X(internal_trigger_strap, 0x0006U) \
    X(docked_a_closed, 0x8004U) \
    X(docked_b_closed, 0x8004U) \
    X(handpiece, 0x0005U) \
    X(spot_um, 0x0005U) \
    X(wavelength_nm, 0x0004U) \
    X(shutter_open_switch, 0x0008U) \
    X(shutter_closed_switch, 0x0008U) \
    X(gate_inhibited, 0x0010U) \
    X(hv_inhibited, 0x0010U) \
    X(comparator_tripped, 0x0010U) \
    X(hv_mv, 0x0020U) \
    X(charge_done, 0x0040U) \
    X(simmer_on, 0x0080U) \
    X(charger_cool, 0x0001U) \
    X(coolant_mc, 0x0100U) \
    X(flow_ml_min, 0x0100U) \
    X(level_ok, 0x0101U) \
    X(thermostat_closed, 0x0101U) \
    X(indicator_ua, 0x0200U) \
    X(aiming_uw, 0x0200U) \
    X(light_count, 0x0400U) \
    X(pulse_width_ps, 0x0400U) \
    X(monitor_a_uj, 0x0400U) \
    X(monitor_b_uj, 0x0400U) \
    X(port_meter_uj, 0x0400U) \
    X(dark_a_uj, 0x0800U) \
    X(dark_b_uj, 0x0800U)
#define OUTPUT_LINES(X) \
    X(hv_enable) \
    X(hv_set_mv) \
    X(dump_hold) \
    X(simmer_start) \
    X(gate_enable) \
    X(lamp_triggers) \
    X(mode_width_ps) \
    X(comparator_uj) \
    X(comparator_reset) \
    X(shutter_open) \
    X(indicator_on) \
    X(defeat_lamp_on) \
    X(aiming_on) \
    X(pump_on) \
    X(heater_on) \
    X(monitor_test) \
    X(buzzer_on) \
    X(watchdog_kicks)

/* -- messages: payloads as structures, packed and unpacked field by field */
enum opcode {
    OPCODE_CONNECT = 0x01,
    OPCODE_CONNECTED = 0x02,
    OPCODE_NAK = 0x03,
    OPCODE_STOP = 0x10,
    OPCODE_HEARTBEAT = 0x11,
    OPCODE_ACK_PULSES = 0x12,
    OPCODE_STATUS = 0x20,
    OPCODE_PULSE_REPORT = 0x21,
    OPCODE_TELEMETRY = 0x22,
    OPCODE_STOPPED = 0x24,
    OPCODE_READ_IDENTITY = 0x40,
    OPCODE_READ_CAPABILITIES = 0x41,
    OPCODE_READ_MODE = 0x42,
    OPCODE_READ_SETPOINT = 0x43,
    OPCODE_READ_COUNTERS = 0x44,
    OPCODE_READ_FAULT = 0x45,
    OPCODE_READ_CALIBRATION = 0x46,
    OPCODE_READ_CALIBRATION_POINT = 0x47,
    OPCODE_STAGE_SETPOINT = 0x50,
    OPCODE_COMMIT_SETPOINT = 0x51,
    OPCODE_SET_AIMING = 0x52,
    OPCODE_CALIBRATE = 0x53,
    OPCODE_ACKNOWLEDGE = 0x54,
    OPCODE_STANDBY = 0x55,
    OPCODE_ARM = 0x56,
    OPCODE_GRANT = 0x57,
    OPCODE_REPLY = 0x80,
    OPCODE_IDENTITY = 0x81,
    OPCODE_CAPABILITIES = 0x82,
    OPCODE_MODE = 0x83,
    OPCODE_SETPOINT = 0x84,
    OPCODE_COUNTERS = 0x85,
    OPCODE_FAULT_RECORD = 0x86,
    OPCODE_CALIBRATION = 0x87,
    OPCODE_CALIBRATION_POINT = 0x88,
};

enum field_kind { FIELD_UNSIGNED, FIELD_SIGNED, FIELD_SET, FIELD_TEXT };
struct field_row {
    uint8_t kind;
    uint8_t offset;
    uint8_t width;
    uint64_t low;  /* least value */
    uint64_t high; /* greatest value, or every bit a set may have */
};
enum channel { CHANNEL_LINK, CHANNEL_REQUEST, CHANNEL_ANSWER, CHANNEL_FREE };
struct message_row {
    uint8_t opcode;
    uint8_t size;
    uint8_t channel;
    bool from_host;
    bool reads; /* its effect: it may be repeated freely, because it changes nothing */
    uint8_t first_field;
    uint8_t fields;
};
#define MESSAGES_COUNT 35
extern const struct message_row MESSAGES[MESSAGES_COUNT];
extern const struct field_row FIELDS[];

#define CONNECT_SIZE 12U
struct msg_connect {
    uint32_t host_nonce;
    uint64_t interface_hash;
};
static inline void connect_unpack(struct msg_connect *to, const uint8_t *payload)
{
    to->host_nonce = get_u32(payload + 0);
    to->interface_hash = get_u64(payload + 4);
}

#define CONNECTED_SIZE 16U
struct msg_connected {
    uint32_t host_nonce;
    uint32_t boot;
    uint64_t interface_hash;
};
static inline void connected_pack(const struct msg_connected *from, uint8_t *payload)
{
    put_u32(payload + 0, from->host_nonce);
    put_u32(payload + 4, from->boot);
    put_u64(payload + 8, from->interface_hash);
}

#define NAK_SIZE 6U
struct msg_nak {
    uint8_t reason;
    uint32_t expected_seq;
    uint8_t detail;
};
static inline void nak_pack(const struct msg_nak *from, uint8_t *payload)
{
    put_u8(payload + 0, from->reason);
    put_u32(payload + 1, from->expected_seq);
    put_u8(payload + 5, from->detail);
}

#define STOP_SIZE 4U
struct msg_stop {
    uint32_t stop_id;
};
static inline void stop_unpack(struct msg_stop *to, const uint8_t *payload)
{
    to->stop_id = get_u32(payload + 0);
}

#define HEARTBEAT_SIZE 5U
struct msg_heartbeat {
    uint32_t challenge;
    uint8_t intent;
};
static inline void heartbeat_unpack(struct msg_heartbeat *to, const uint8_t *payload)
{
    to->challenge = get_u32(payload + 0);
    to->intent = get_u8(payload + 4);
}

#define ACK_PULSES_SIZE 8U
struct msg_ack_pulses {
    uint64_t pulse_number;
};
static inline void ack_pulses_unpack(struct msg_ack_pulses *to, const uint8_t *payload)
{
    to->pulse_number = get_u64(payload + 0);
}

#define STATUS_SIZE 101U
struct msg_status {
    uint64_t device_time_us;
    uint32_t boot;
    uint32_t challenge;
    uint8_t state;
    uint8_t beam;
    uint8_t leave;
    uint32_t open_interlocks;
    uint64_t blocks;
    uint64_t faults;
    uint64_t faults_present;
    uint8_t first_fault;
    uint32_t fault_instance;
    uint32_t stop_epoch;
    uint32_t arm_epoch;
    uint32_t permit_id;
    uint16_t permit_pulses_left;
    uint64_t permit_ends_us;
    uint32_t setpoint_hash;
    uint8_t handpiece;
    uint16_t spot_um;
    uint16_t wavelength_nm;
    uint8_t foot;
    uint8_t shutter;
    uint8_t gate_inhibited;
    uint8_t hv_inhibited;
    uint8_t indicator_on;
    uint8_t aiming_on;
    uint8_t docked;
    uint8_t calibrated;
    uint64_t pulse_number;
    uint16_t reports_waiting;
};
static inline void status_pack(const struct msg_status *from, uint8_t *payload)
{
    put_u64(payload + 0, from->device_time_us);
    put_u32(payload + 8, from->boot);
    put_u32(payload + 12, from->challenge);
    put_u8(payload + 16, from->state);
    put_u8(payload + 17, from->beam);
    put_u8(payload + 18, from->leave);
    put_u32(payload + 19, from->open_interlocks);
    put_u64(payload + 23, from->blocks);
    put_u64(payload + 31, from->faults);
    put_u64(payload + 39, from->faults_present);
    put_u8(payload + 47, from->first_fault);
    put_u32(payload + 48, from->fault_instance);
    put_u32(payload + 52, from->stop_epoch);
    put_u32(payload + 56, from->arm_epoch);
    put_u32(payload + 60, from->permit_id);
    put_u16(payload + 64, from->permit_pulses_left);
    put_u64(payload + 66, from->permit_ends_us);
    put_u32(payload + 74, from->setpoint_hash);
    put_u8(payload + 78, from->handpiece);
    put_u16(payload + 79, from->spot_um);
    put_u16(payload + 81, from->wavelength_nm);
    put_u8(payload + 83, from->foot);
    put_u8(payload + 84, from->shutter);
    put_u8(payload + 85, from->gate_inhibited);
    put_u8(payload + 86, from->hv_inhibited);
    put_u8(payload + 87, from->indicator_on);
    put_u8(payload + 88, from->aiming_on);
    put_u8(payload + 89, from->docked);
    put_u8(payload + 90, from->calibrated);
    put_u64(payload + 91, from->pulse_number);
    put_u16(payload + 99, from->reports_waiting);
}

#define PULSE_REPORT_SIZE 67U
struct msg_pulse_report {
    uint64_t pulse_number;
    uint32_t boot;
    uint64_t device_time_us;
    uint32_t permit_id;
    uint32_t press;
    uint32_t flags;
    uint32_t set_energy_uj;
    uint32_t monitor_a_uj;
    uint32_t monitor_b_uj;
    uint32_t pulse_width_ps;
    uint16_t mode_width_ps;
    uint16_t wavelength_nm;
    uint8_t handpiece;
    uint16_t spot_um;
    uint32_t rep_rate_mhz;
    uint32_t lamp_mv;
    int32_t coolant_mc;
};
static inline void pulse_report_pack(const struct msg_pulse_report *from, uint8_t *payload)
{
    put_u64(payload + 0, from->pulse_number);
    put_u32(payload + 8, from->boot);
    put_u64(payload + 12, from->device_time_us);
    put_u32(payload + 20, from->permit_id);
    put_u32(payload + 24, from->press);
    put_u32(payload + 28, from->flags);
    put_u32(payload + 32, from->set_energy_uj);
    put_u32(payload + 36, from->monitor_a_uj);
    put_u32(payload + 40, from->monitor_b_uj);
    put_u32(payload + 44, from->pulse_width_ps);
    put_u16(payload + 48, from->mode_width_ps);
    put_u16(payload + 50, from->wavelength_nm);
    put_u8(payload + 52, from->handpiece);
    put_u16(payload + 53, from->spot_um);
    put_u32(payload + 55, from->rep_rate_mhz);
    put_u32(payload + 59, from->lamp_mv);
    put_u32(payload + 63, (uint32_t)from->coolant_mc);
}
static inline void pulse_report_unpack(struct msg_pulse_report *to, const uint8_t *payload)
{
    to->pulse_number = get_u64(payload + 0);
    to->boot = get_u32(payload + 8);
    to->device_time_us = get_u64(payload + 12);
    to->permit_id = get_u32(payload + 20);
    to->press = get_u32(payload + 24);
    to->flags = get_u32(payload + 28);
    to->set_energy_uj = get_u32(payload + 32);
    to->monitor_a_uj = get_u32(payload + 36);
    to->monitor_b_uj = get_u32(payload + 40);
    to->pulse_width_ps = get_u32(payload + 44);
    to->mode_width_ps = get_u16(payload + 48);
    to->wavelength_nm = get_u16(payload + 50);
    to->handpiece = get_u8(payload + 52);
    to->spot_um = get_u16(payload + 53);
    to->rep_rate_mhz = get_u32(payload + 55);
    to->lamp_mv = get_u32(payload + 59);
    to->coolant_mc = (int32_t)get_u32(payload + 63);
}

#define TELEMETRY_SIZE 50U
struct msg_telemetry {
    uint32_t sample;
    uint64_t device_time_us;
    uint32_t hv_mv;
    int32_t coolant_mc;
    uint32_t flow_ml_min;
    uint32_t indicator_ua;
    uint32_t aiming_uw;
    uint8_t simmer_on;
    uint8_t heater_on;
    uint64_t lamp_shots;
    uint32_t frames_rejected;
    uint32_t skipped_pulses;
};
static inline void telemetry_pack(const struct msg_telemetry *from, uint8_t *payload)
{
    put_u32(payload + 0, from->sample);
    put_u64(payload + 4, from->device_time_us);
    put_u32(payload + 12, from->hv_mv);
    put_u32(payload + 16, (uint32_t)from->coolant_mc);
    put_u32(payload + 20, from->flow_ml_min);
    put_u32(payload + 24, from->indicator_ua);
    put_u32(payload + 28, from->aiming_uw);
    put_u8(payload + 32, from->simmer_on);
    put_u8(payload + 33, from->heater_on);
    put_u64(payload + 34, from->lamp_shots);
    put_u32(payload + 42, from->frames_rejected);
    put_u32(payload + 46, from->skipped_pulses);
}

#define STOPPED_SIZE 20U
struct msg_stopped {
    uint32_t stop_id;
    uint32_t stop_epoch;
    uint64_t device_time_us;
    uint8_t no_permit;
    uint8_t not_emitting;
    uint8_t gate_inhibited;
    uint8_t shutter_closed;
};
static inline void stopped_pack(const struct msg_stopped *from, uint8_t *payload)
{
    put_u32(payload + 0, from->stop_id);
    put_u32(payload + 4, from->stop_epoch);
    put_u64(payload + 8, from->device_time_us);
    put_u8(payload + 16, from->no_permit);
    put_u8(payload + 17, from->not_emitting);
    put_u8(payload + 18, from->gate_inhibited);
    put_u8(payload + 19, from->shutter_closed);
}

#define READ_IDENTITY_SIZE 0U
#define READ_CAPABILITIES_SIZE 0U
#define READ_MODE_SIZE 1U
struct msg_read_mode {
    uint8_t index;
};
static inline void read_mode_unpack(struct msg_read_mode *to, const uint8_t *payload)
{
    to->index = get_u8(payload + 0);
}

#define READ_SETPOINT_SIZE 0U
#define READ_COUNTERS_SIZE 0U
#define READ_FAULT_SIZE 1U
struct msg_read_fault {
    uint8_t index;
};
static inline void read_fault_unpack(struct msg_read_fault *to, const uint8_t *payload)
{
    to->index = get_u8(payload + 0);
}

#define READ_CALIBRATION_SIZE 0U
#define READ_CALIBRATION_POINT_SIZE 1U
struct msg_read_calibration_point {
    uint8_t index;
};
static inline void read_calibration_point_unpack(struct msg_read_calibration_point *to, const uint8_t *payload)
{
    to->index = get_u8(payload + 0);
}

#define STAGE_SETPOINT_SIZE 15U
struct msg_stage_setpoint {
    uint16_t wavelength_nm;
    uint16_t mode_width_ps;
    uint32_t pulse_energy_uj;
    uint32_t rep_rate_mhz;
    uint8_t handpiece;
    uint16_t spot_um;
};
static inline void stage_setpoint_unpack(struct msg_stage_setpoint *to, const uint8_t *payload)
{
    to->wavelength_nm = get_u16(payload + 0);
    to->mode_width_ps = get_u16(payload + 2);
    to->pulse_energy_uj = get_u32(payload + 4);
    to->rep_rate_mhz = get_u32(payload + 8);
    to->handpiece = get_u8(payload + 12);
    to->spot_um = get_u16(payload + 13);
}

#define COMMIT_SETPOINT_SIZE 4U
struct msg_commit_setpoint {
    uint32_t setpoint_hash;
};
static inline void commit_setpoint_unpack(struct msg_commit_setpoint *to, const uint8_t *payload)
{
    to->setpoint_hash = get_u32(payload + 0);
}

#define SET_AIMING_SIZE 1U
struct msg_set_aiming {
    uint8_t on;
};
static inline void set_aiming_unpack(struct msg_set_aiming *to, const uint8_t *payload)
{
    to->on = get_u8(payload + 0);
}

#define CALIBRATE_SIZE 0U
#define ACKNOWLEDGE_SIZE 4U
struct msg_acknowledge {
    uint32_t fault_instance;
};
static inline void acknowledge_unpack(struct msg_acknowledge *to, const uint8_t *payload)
{
    to->fault_instance = get_u32(payload + 0);
}

#define STANDBY_SIZE 0U
#define ARM_SIZE 9U
struct msg_arm {
    uint32_t setpoint_hash;
    uint32_t stop_epoch;
    uint8_t beam;
};
static inline void arm_unpack(struct msg_arm *to, const uint8_t *payload)
{
    to->setpoint_hash = get_u32(payload + 0);
    to->stop_epoch = get_u32(payload + 4);
    to->beam = get_u8(payload + 8);
}

#define GRANT_SIZE 47U
struct msg_grant {
    uint32_t permit_id;
    uint32_t boot;
    uint32_t session;
    uint32_t arm_epoch;
    uint32_t stop_epoch;
    uint16_t pulses;
    uint8_t beam;
    uint8_t trigger;
    uint16_t wavelength_nm;
    uint16_t mode_width_ps;
    uint32_t rep_rate_mhz;
    uint8_t handpiece;
    uint16_t spot_um;
    uint32_t setpoint_hash;
    uint64_t ends_us;
};
static inline void grant_unpack(struct msg_grant *to, const uint8_t *payload)
{
    to->permit_id = get_u32(payload + 0);
    to->boot = get_u32(payload + 4);
    to->session = get_u32(payload + 8);
    to->arm_epoch = get_u32(payload + 12);
    to->stop_epoch = get_u32(payload + 16);
    to->pulses = get_u16(payload + 20);
    to->beam = get_u8(payload + 22);
    to->trigger = get_u8(payload + 23);
    to->wavelength_nm = get_u16(payload + 24);
    to->mode_width_ps = get_u16(payload + 26);
    to->rep_rate_mhz = get_u32(payload + 28);
    to->handpiece = get_u8(payload + 32);
    to->spot_um = get_u16(payload + 33);
    to->setpoint_hash = get_u32(payload + 35);
    to->ends_us = get_u64(payload + 39);
}

#define REPLY_SIZE 13U
struct msg_reply {
    uint8_t result;
    uint64_t reasons;
    uint32_t epoch;
};
static inline void reply_pack(const struct msg_reply *from, uint8_t *payload)
{
    put_u8(payload + 0, from->result);
    put_u64(payload + 1, from->reasons);
    put_u32(payload + 9, from->epoch);
}

#define IDENTITY_SIZE 89U
struct msg_identity {
    char model[24];
    char serial[16];
    char firmware_version[16];
    char build_id[20];
    uint64_t interface_hash;
    uint32_t boot;
    uint8_t simulated;
};
static inline void identity_pack(const struct msg_identity *from, uint8_t *payload)
{
    put_text(payload + 0, from->model, 24);
    put_text(payload + 24, from->serial, 16);
    put_text(payload + 40, from->firmware_version, 16);
    put_text(payload + 56, from->build_id, 20);
    put_u64(payload + 76, from->interface_hash);
    put_u32(payload + 84, from->boot);
    put_u8(payload + 88, from->simulated);
}

#define CAPABILITIES_SIZE 45U
struct msg_capabilities {
    uint32_t rate_1_mhz;
    uint32_t rate_2_mhz;
    uint32_t rate_3_mhz;
    uint32_t rate_4_mhz;
    uint8_t modes;
    uint16_t spot_min_um;
    uint16_t spot_max_um;
    uint16_t permit_pulses_max;
    uint64_t permit_max_us;
    uint16_t reports_max;
    uint64_t ready_delay_us;
    uint32_t energy_step_uj;
};
static inline void capabilities_pack(const struct msg_capabilities *from, uint8_t *payload)
{
    put_u32(payload + 0, from->rate_1_mhz);
    put_u32(payload + 4, from->rate_2_mhz);
    put_u32(payload + 8, from->rate_3_mhz);
    put_u32(payload + 12, from->rate_4_mhz);
    put_u8(payload + 16, from->modes);
    put_u16(payload + 17, from->spot_min_um);
    put_u16(payload + 19, from->spot_max_um);
    put_u16(payload + 21, from->permit_pulses_max);
    put_u64(payload + 23, from->permit_max_us);
    put_u16(payload + 31, from->reports_max);
    put_u64(payload + 33, from->ready_delay_us);
    put_u32(payload + 41, from->energy_step_uj);
}

#define MODE_SIZE 13U
struct msg_mode {
    uint8_t index;
    uint16_t wavelength_nm;
    uint16_t mode_width_ps;
    uint32_t energy_min_uj;
    uint32_t energy_max_uj;
};
static inline void mode_pack(const struct msg_mode *from, uint8_t *payload)
{
    put_u8(payload + 0, from->index);
    put_u16(payload + 1, from->wavelength_nm);
    put_u16(payload + 3, from->mode_width_ps);
    put_u32(payload + 5, from->energy_min_uj);
    put_u32(payload + 9, from->energy_max_uj);
}

#define SETPOINT_SIZE 15U
struct msg_setpoint {
    uint16_t wavelength_nm;
    uint16_t mode_width_ps;
    uint32_t pulse_energy_uj;
    uint32_t rep_rate_mhz;
    uint8_t handpiece;
    uint16_t spot_um;
};
static inline void setpoint_pack(const struct msg_setpoint *from, uint8_t *payload)
{
    put_u16(payload + 0, from->wavelength_nm);
    put_u16(payload + 2, from->mode_width_ps);
    put_u32(payload + 4, from->pulse_energy_uj);
    put_u32(payload + 8, from->rep_rate_mhz);
    put_u8(payload + 12, from->handpiece);
    put_u16(payload + 13, from->spot_um);
}

#define COUNTERS_SIZE 34U
struct msg_counters {
    uint64_t pulse_number;
    uint64_t acknowledged;
    uint16_t reports_waiting;
    uint64_t lamp_shots;
    uint32_t boots;
    uint32_t trips;
};
static inline void counters_pack(const struct msg_counters *from, uint8_t *payload)
{
    put_u64(payload + 0, from->pulse_number);
    put_u64(payload + 8, from->acknowledged);
    put_u16(payload + 16, from->reports_waiting);
    put_u64(payload + 18, from->lamp_shots);
    put_u32(payload + 26, from->boots);
    put_u32(payload + 30, from->trips);
}

#define FAULT_RECORD_SIZE 27U
struct msg_fault_record {
    uint8_t index;
    uint8_t fault;
    uint32_t instance;
    uint32_t boot;
    uint64_t device_time_us;
    uint8_t state;
    uint32_t open_interlocks;
    int32_t value;
};
static inline void fault_record_pack(const struct msg_fault_record *from, uint8_t *payload)
{
    put_u8(payload + 0, from->index);
    put_u8(payload + 1, from->fault);
    put_u32(payload + 2, from->instance);
    put_u32(payload + 6, from->boot);
    put_u64(payload + 10, from->device_time_us);
    put_u8(payload + 18, from->state);
    put_u32(payload + 19, from->open_interlocks);
    put_u32(payload + 23, (uint32_t)from->value);
}
static inline void fault_record_unpack(struct msg_fault_record *to, const uint8_t *payload)
{
    to->index = get_u8(payload + 0);
    to->fault = get_u8(payload + 1);
    to->instance = get_u32(payload + 2);
    to->boot = get_u32(payload + 6);
    to->device_time_us = get_u64(payload + 10);
    to->state = get_u8(payload + 18);
    to->open_interlocks = get_u32(payload + 19);
    to->value = (int32_t)get_u32(payload + 23);
}

#define CALIBRATION_SIZE 34U
struct msg_calibration {
    uint8_t valid;
    uint32_t boot;
    uint64_t device_time_us;
    uint64_t lamp_shots;
    uint32_t gain_a_ppm;
    uint32_t gain_b_ppm;
    uint32_t worst_residual_ppm;
    uint8_t points;
};
static inline void calibration_pack(const struct msg_calibration *from, uint8_t *payload)
{
    put_u8(payload + 0, from->valid);
    put_u32(payload + 1, from->boot);
    put_u64(payload + 5, from->device_time_us);
    put_u64(payload + 13, from->lamp_shots);
    put_u32(payload + 21, from->gain_a_ppm);
    put_u32(payload + 25, from->gain_b_ppm);
    put_u32(payload + 29, from->worst_residual_ppm);
    put_u8(payload + 33, from->points);
}

#define CALIBRATION_POINT_SIZE 17U
struct msg_calibration_point {
    uint8_t index;
    uint16_t wavelength_nm;
    uint16_t mode_width_ps;
    uint32_t lamp_mv;
    uint32_t reference_uj;
    uint32_t residual_ppm;
};
static inline void calibration_point_pack(const struct msg_calibration_point *from, uint8_t *payload)
{
    put_u8(payload + 0, from->index);
    put_u16(payload + 1, from->wavelength_nm);
    put_u16(payload + 3, from->mode_width_ps);
    put_u32(payload + 5, from->lamp_mv);
    put_u32(payload + 9, from->reference_uj);
    put_u32(payload + 13, from->residual_ppm);
}

/* -- the console's tree */
#define LINE_MAX 256U
#define ERRORS_MAX 16U
#define ABOUT_MAX 255U
#define EXPONENT_MAX 18
#define SCPI_VERSION "1999.0"
#define NOT_KNOWN "9.91E37"
#define OPERATION_COMPLETE 0x01U
#define POWER_ON 0x80U
#define ERRORS_WAIT 0x04U
#define MESSAGE_AVAILABLE 0x10U
#define EVENT_SUMMARY 0x20U
#define MASTER_SUMMARY 0x40U
#define RANGE_REFUSALS UINT64_C(0xe0000)
enum console_query {
    QUERY_NONE,
    QUERY_FIELD,
    QUERY_IDN,
    QUERY_ESR,
    QUERY_ESE,
    QUERY_STB,
    QUERY_SRE,
    QUERY_OPC,
    QUERY_TST,
    QUERY_SYSTEM_ERROR,
    QUERY_SYSTEM_ERROR_COUNT,
    QUERY_SYSTEM_VERSION,
};
enum console_action {
    ACTION_NONE,
    ACTION_CHANGE,
    ACTION_RST,
    ACTION_CLS,
    ACTION_ESE,
    ACTION_SRE,
    ACTION_OPC,
    ACTION_WAI,
    ACTION_ABORT,
    ACTION_SOURCE_APPLY,
    ACTION_SOURCE_AIMING,
};
/* A field as the console tells it: a name, names of a set, or a number with so many decimals. */
struct console_field {
    uint8_t opcode;
    uint8_t offset;
    uint8_t width;
    uint8_t kind; /* enum field_kind */
    uint8_t digits;
    uint8_t names_count;
    const char *const *names; /* 0: it is a number */
};
struct console_unit {
    const char *suffix;
    int32_t digits; /* the power of ten that it stands for */
};
struct console_parameter {
    const char *name;
    const char *most;  /* what the greatest value is called */
    const char *known; /* the suffixes, in words */
    int64_t high;
    struct console_unit units[4];
    struct console_unit words[2]; /* words that stand for a number, here in `digits` */
};
#define PARAMETERS_MAX 3
struct console_node {
    uint8_t query;
    uint8_t action;
    uint8_t parameters;
    bool always;
    struct console_field field;
    const struct console_parameter *parameter[PARAMETERS_MAX];
};
struct console_spelling {
    const char *header;
    uint8_t node;
};
struct console_error {
    int32_t code;
    const char *words;
};
#define NODES_COUNT 54U
extern const struct console_node NODES[NODES_COUNT];
#define SPELLINGS_COUNT 170U
extern const struct console_spelling SPELLINGS[SPELLINGS_COUNT];
#define CONSOLE_ERRORS_COUNT 13U
extern const struct console_error CONSOLE_ERRORS[CONSOLE_ERRORS_COUNT];
extern const char *const REFUSAL_TEXTS[REFUSAL_COUNT];
extern const char *const STATE_NAMES[STATE_COUNT];

#endif
