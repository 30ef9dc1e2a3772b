/* Written by `make docs` from the declarations. Do not edit: change the declaration. */
#include "picolase_interface.h"

const struct energy_mode MODES[MODES_COUNT] = {
    {755, 750, 10000, 200000},
    {755, 650, 10000, 180000},
    {755, 550, 10000, 165000},
};
const uint32_t RATES_MHZ[RATES_COUNT] = {1000, 2500, 5000, 10000};
const int64_t CALIBRATION_LEVELS_MV[LEVELS_COUNT] = {615000, 820000, 980000, 1120000, 1240000};
const struct range_um SPOTS_UM[HANDPIECE_COUNT] = {
    {1, 0},
    {2000, 6000},
    {6000, 6000},
    {8000, 8000},
    {10000, 10000},
    {6000, 6000},
};

const uint8_t TRANSITIONS[STATE_COUNT][EVENT_COUNT] = {
    {255, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 8, 255, 255},
    {255, 255, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1, 8, 255, 255},
    {255, 255, 0, 255, 3, 255, 255, 255, 255, 255, 255, 255, 2, 8, 255, 255},
    {255, 255, 0, 255, 255, 255, 4, 255, 255, 255, 255, 4, 4, 8, 255, 255},
    {255, 255, 0, 255, 255, 3, 255, 5, 255, 255, 255, 255, 4, 8, 255, 255},
    {255, 255, 0, 255, 255, 255, 255, 255, 6, 255, 255, 4, 4, 8, 255, 255},
    {255, 255, 0, 255, 255, 255, 255, 255, 255, 7, 255, 4, 4, 8, 255, 255},
    {255, 255, 0, 255, 255, 255, 255, 255, 255, 255, 6, 4, 4, 8, 255, 255},
    {255, 255, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 8, 8, 4, 1},
};
const uint8_t INTERLOCK_FAULT[INTERLOCK_COUNT] = {1, 0, 7, 2, 3, 4, 6, 5, 14, 13, 17, 18};

const struct field_row FIELDS[] = {
    {FIELD_UNSIGNED, 0, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 8, UINT64_C(0), UINT64_C(18446744073709551615)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 8, 8, UINT64_C(0), UINT64_C(18446744073709551615)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(1), UINT64_C(8)},
    {FIELD_UNSIGNED, 1, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 5, 1, UINT64_C(0), UINT64_C(255)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 1, UINT64_C(0), UINT64_C(2)},
    {FIELD_UNSIGNED, 0, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 0, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 8, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 12, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 16, 1, UINT64_C(0), UINT64_C(8)},
    {FIELD_UNSIGNED, 17, 1, UINT64_C(1), UINT64_C(2)},
    {FIELD_UNSIGNED, 18, 1, UINT64_C(0), UINT64_C(16)},
    {FIELD_SET, 19, 4, UINT64_C(0), UINT64_C(4095)},
    {FIELD_SET, 23, 8, UINT64_C(0), UINT64_C(34359738367)},
    {FIELD_SET, 31, 8, UINT64_C(0), UINT64_C(35184372088831)},
    {FIELD_SET, 39, 8, UINT64_C(0), UINT64_C(35184372088831)},
    {FIELD_UNSIGNED, 47, 1, UINT64_C(0), UINT64_C(44)},
    {FIELD_UNSIGNED, 48, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 52, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 56, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 60, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 64, 2, UINT64_C(0), UINT64_C(65535)},
    {FIELD_UNSIGNED, 66, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 74, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 78, 1, UINT64_C(0), UINT64_C(5)},
    {FIELD_UNSIGNED, 79, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 81, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 83, 1, UINT64_C(0), UINT64_C(2)},
    {FIELD_UNSIGNED, 84, 1, UINT64_C(0), UINT64_C(3)},
    {FIELD_UNSIGNED, 85, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 86, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 87, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 88, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 89, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 90, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 91, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 99, 2, UINT64_C(0), UINT64_C(65535)},
    {FIELD_UNSIGNED, 0, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 8, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 12, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 20, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 24, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_SET, 28, 4, UINT64_C(0), UINT64_C(4095)},
    {FIELD_UNSIGNED, 32, 4, UINT64_C(0), UINT64_C(500000)},
    {FIELD_UNSIGNED, 36, 4, UINT64_C(0), UINT64_C(5000000)},
    {FIELD_UNSIGNED, 40, 4, UINT64_C(0), UINT64_C(5000000)},
    {FIELD_UNSIGNED, 44, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 48, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 50, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 52, 1, UINT64_C(0), UINT64_C(5)},
    {FIELD_UNSIGNED, 53, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 55, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 59, 4, UINT64_C(0), UINT64_C(2000000)},
    {FIELD_SIGNED, 63, 4, UINT64_C(18446744073709501616), UINT64_C(150000)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 12, 4, UINT64_C(0), UINT64_C(2000000)},
    {FIELD_SIGNED, 16, 4, UINT64_C(18446744073709501616), UINT64_C(150000)},
    {FIELD_UNSIGNED, 20, 4, UINT64_C(0), UINT64_C(100000)},
    {FIELD_UNSIGNED, 24, 4, UINT64_C(0), UINT64_C(10000000)},
    {FIELD_UNSIGNED, 28, 4, UINT64_C(0), UINT64_C(1000000)},
    {FIELD_UNSIGNED, 32, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 33, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 34, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 42, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 46, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 8, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 16, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 17, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 18, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 19, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(15)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(255)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(63)},
    {FIELD_UNSIGNED, 0, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 2, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(0), UINT64_C(500000)},
    {FIELD_UNSIGNED, 8, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 12, 1, UINT64_C(0), UINT64_C(5)},
    {FIELD_UNSIGNED, 13, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 8, 1, UINT64_C(1), UINT64_C(2)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 8, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 12, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 16, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 20, 2, UINT64_C(1), UINT64_C(65535)},
    {FIELD_UNSIGNED, 22, 1, UINT64_C(1), UINT64_C(2)},
    {FIELD_UNSIGNED, 23, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 24, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 26, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 28, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 32, 1, UINT64_C(0), UINT64_C(5)},
    {FIELD_UNSIGNED, 33, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 35, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 39, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_SET, 1, 8, UINT64_C(0), UINT64_C(34359738367)},
    {FIELD_UNSIGNED, 9, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_TEXT, 0, 24, UINT64_C(0), UINT64_C(0)},
    {FIELD_TEXT, 24, 16, UINT64_C(0), UINT64_C(0)},
    {FIELD_TEXT, 40, 16, UINT64_C(0), UINT64_C(0)},
    {FIELD_TEXT, 56, 20, UINT64_C(0), UINT64_C(0)},
    {FIELD_UNSIGNED, 76, 8, UINT64_C(0), UINT64_C(18446744073709551615)},
    {FIELD_UNSIGNED, 84, 4, UINT64_C(1), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 88, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 0, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 8, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 12, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 16, 1, UINT64_C(1), UINT64_C(16)},
    {FIELD_UNSIGNED, 17, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 19, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 21, 2, UINT64_C(1), UINT64_C(65535)},
    {FIELD_UNSIGNED, 23, 8, UINT64_C(1), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 31, 2, UINT64_C(1), UINT64_C(65535)},
    {FIELD_UNSIGNED, 33, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 41, 4, UINT64_C(1), UINT64_C(500000)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(15)},
    {FIELD_UNSIGNED, 1, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 3, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 5, 4, UINT64_C(0), UINT64_C(500000)},
    {FIELD_UNSIGNED, 9, 4, UINT64_C(0), UINT64_C(500000)},
    {FIELD_UNSIGNED, 0, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 2, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 4, 4, UINT64_C(0), UINT64_C(500000)},
    {FIELD_UNSIGNED, 8, 4, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 12, 1, UINT64_C(0), UINT64_C(5)},
    {FIELD_UNSIGNED, 13, 2, UINT64_C(0), UINT64_C(20000)},
    {FIELD_UNSIGNED, 0, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 8, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 16, 2, UINT64_C(0), UINT64_C(65535)},
    {FIELD_UNSIGNED, 18, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 26, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 30, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(255)},
    {FIELD_UNSIGNED, 1, 1, UINT64_C(0), UINT64_C(44)},
    {FIELD_UNSIGNED, 2, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 6, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 10, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 18, 1, UINT64_C(0), UINT64_C(8)},
    {FIELD_SET, 19, 4, UINT64_C(0), UINT64_C(4095)},
    {FIELD_SIGNED, 23, 4, UINT64_C(18446744071562067968), UINT64_C(2147483647)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(1)},
    {FIELD_UNSIGNED, 1, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 5, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 13, 8, UINT64_C(0), UINT64_C(9223372036854775807)},
    {FIELD_UNSIGNED, 21, 4, UINT64_C(0), UINT64_C(10000000)},
    {FIELD_UNSIGNED, 25, 4, UINT64_C(0), UINT64_C(10000000)},
    {FIELD_UNSIGNED, 29, 4, UINT64_C(0), UINT64_C(4294967295)},
    {FIELD_UNSIGNED, 33, 1, UINT64_C(0), UINT64_C(255)},
    {FIELD_UNSIGNED, 0, 1, UINT64_C(0), UINT64_C(63)},
    {FIELD_UNSIGNED, 1, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 3, 2, UINT64_C(0), UINT64_C(2000)},
    {FIELD_UNSIGNED, 5, 4, UINT64_C(0), UINT64_C(2000000)},
    {FIELD_UNSIGNED, 9, 4, UINT64_C(0), UINT64_C(5000000)},
    {FIELD_UNSIGNED, 13, 4, UINT64_C(0), UINT64_C(4294967295)},
};
const struct message_row MESSAGES[MESSAGES_COUNT] = {
    {0x01, 12, CHANNEL_LINK, true, false, 0, 2}, /* Connect */
    {0x02, 16, CHANNEL_LINK, false, false, 2, 3}, /* Connected */
    {0x03, 6, CHANNEL_LINK, false, false, 5, 3}, /* Nak */
    {0x10, 4, CHANNEL_FREE, true, false, 8, 1}, /* Stop */
    {0x11, 5, CHANNEL_FREE, true, false, 9, 2}, /* Heartbeat */
    {0x12, 8, CHANNEL_FREE, true, false, 11, 1}, /* AckPulses */
    {0x20, 101, CHANNEL_FREE, false, false, 12, 31}, /* Status */
    {0x21, 67, CHANNEL_FREE, false, false, 43, 17}, /* PulseReport */
    {0x22, 50, CHANNEL_FREE, false, false, 60, 12}, /* Telemetry */
    {0x24, 20, CHANNEL_FREE, false, false, 72, 7}, /* Stopped */
    {0x40, 0, CHANNEL_REQUEST, true, true, 79, 0}, /* ReadIdentity */
    {0x41, 0, CHANNEL_REQUEST, true, true, 79, 0}, /* ReadCapabilities */
    {0x42, 1, CHANNEL_REQUEST, true, true, 79, 1}, /* ReadMode */
    {0x43, 0, CHANNEL_REQUEST, true, true, 80, 0}, /* ReadSetpoint */
    {0x44, 0, CHANNEL_REQUEST, true, true, 80, 0}, /* ReadCounters */
    {0x45, 1, CHANNEL_REQUEST, true, true, 80, 1}, /* ReadFault */
    {0x46, 0, CHANNEL_REQUEST, true, true, 81, 0}, /* ReadCalibration */
    {0x47, 1, CHANNEL_REQUEST, true, true, 81, 1}, /* ReadCalibrationPoint */
    {0x50, 15, CHANNEL_REQUEST, true, false, 82, 6}, /* StageSetpoint */
    {0x51, 4, CHANNEL_REQUEST, true, false, 88, 1}, /* CommitSetpoint */
    {0x52, 1, CHANNEL_REQUEST, true, false, 89, 1}, /* SetAiming */
    {0x53, 0, CHANNEL_REQUEST, true, false, 90, 0}, /* Calibrate */
    {0x54, 4, CHANNEL_REQUEST, true, false, 90, 1}, /* Acknowledge */
    {0x55, 0, CHANNEL_REQUEST, true, false, 91, 0}, /* Standby */
    {0x56, 9, CHANNEL_REQUEST, true, false, 91, 3}, /* Arm */
    {0x57, 47, CHANNEL_REQUEST, true, false, 94, 15}, /* Grant */
    {0x80, 13, CHANNEL_ANSWER, false, false, 109, 3}, /* Reply */
    {0x81, 89, CHANNEL_ANSWER, false, false, 112, 7}, /* Identity */
    {0x82, 45, CHANNEL_ANSWER, false, false, 119, 12}, /* Capabilities */
    {0x83, 13, CHANNEL_ANSWER, false, false, 131, 5}, /* Mode */
    {0x84, 15, CHANNEL_ANSWER, false, false, 136, 6}, /* Setpoint */
    {0x85, 34, CHANNEL_ANSWER, false, false, 142, 6}, /* Counters */
    {0x86, 27, CHANNEL_ANSWER, false, false, 148, 8}, /* FaultRecord */
    {0x87, 34, CHANNEL_ANSWER, false, false, 156, 8}, /* Calibration */
    {0x88, 17, CHANNEL_ANSWER, false, false, 164, 6}, /* CalibrationPoint */
};

const char *const REFUSAL_TEXTS[REFUSAL_COUNT] = {
    "the laser is in another state",
    "the key is off",
    "a fault is latched",
    "an interlock is open",
    "the footswitch is pressed",
    "the coolant is outside its window",
    "no valid energy calibration",
    "the aiming beam is off or outside its power window",
    "no set-point is committed",
    "the set-point is not the one that was read back",
    "a stop came in between",
    "the permit belongs to an earlier arming",
    "the device restarted since",
    "host and device were built from different interfaces",
    "another handpiece is connected",
    "the spot read back is not the planned one",
    "another wavelength module is active",
    "pulse energy outside the mode's range, or beyond what the lamp still gives",
    "the device does not offer this rate",
    "the device does not offer this pulse width mode",
    "too few or too many pulses for one permit",
    "the permit ends in the past or too far ahead",
    "another permit is still held",
    "too many pulse reports wait to be acknowledged",
    "no live heartbeat from the host",
    "the cause of the fault is still there",
    "that is not the fault that is latched",
    "this fault is for service",
    "the handpiece is not in the calibration port",
    "the handpiece is still in the calibration port",
    "the session is not the live one",
    "the permit's beam path is not the one that was armed",
    "the two contacts of the calibration port disagree",
    "the permit is for another trigger than the laser has",
    "the interlock of the housing cover is defeated",
};
const char *const STATE_NAMES[STATE_COUNT] = {
    "OFF", "SELF_TEST", "WARM_UP", "CALIBRATING", "STANDBY", "ARMING", "READY", "EMITTING", "FAULT",
};
static const char *const LEAVE_NAMES[LEAVE_COUNT] = {
    "NEVER", "STANDBY_ASKED", "STOP", "HANDPIECE", "SPOT", "WAVELENGTH", "SETPOINT", "IDLE", "SESSION", "DRIFT", "REPORTS_FULL", "AIMING", "FOOT_HELD", "NOT_CALIBRATED", "INTENT", "TRIGGER", "COVER_DEFEATED",
};
static const char *const REFUSAL_NAMES[REFUSAL_COUNT] = {
    "WRONG_STATE", "KEY_OFF", "FAULT_LATCHED", "INTERLOCK_OPEN", "FOOT_HELD", "NOT_WARM", "NOT_CALIBRATED", "AIMING_BEAM", "NO_SETPOINT", "SETPOINT_DIFFERS", "STOPPED_SINCE", "ARM_EPOCH", "BOOT", "INTERFACE", "HANDPIECE_DIFFERS", "SPOT_DIFFERS", "WAVELENGTH_DIFFERS", "ENERGY_RANGE", "RATE_NOT_OFFERED", "MODE_NOT_OFFERED", "PULSES_RANGE", "PERMIT_END", "PERMIT_HELD", "REPORTS_FULL", "HOST_SILENT", "CAUSE_PRESENT", "OTHER_FAULT", "SERVICE_NEEDED", "NOT_DOCKED", "DOCKED", "SESSION", "BEAM", "DOCK_DISAGREES", "TRIGGER", "COVER_DEFEATED",
};
static const char *const FOOT_NAMES[FOOT_COUNT] = {
    "RELEASED", "PRESSED", "DISAGREES",
};
static const char *const SHUTTER_NAMES[SHUTTER_COUNT] = {
    "CLOSED", "OPEN", "MOVING", "CONTRADICTION",
};
static const char *const HANDPIECE_NAMES[HANDPIECE_COUNT] = {
    "NONE", "ZOOM", "FIXED_6", "FIXED_8", "FIXED_10", "LENS_ARRAY_6",
};
static const char *const INTERLOCK_NAMES[INTERLOCK_COUNT] = {
    "ESTOP", "KEY", "MAINS", "REMOTE", "DOOR", "COVER", "ARTICULATED_ARM", "HANDPIECE", "COOLANT_LEVEL", "COOLANT_FLOW", "HEATER_THERMOSTAT", "CHARGER_TEMPERATURE",
};
static const char *const FAULT_NAMES[FAULT_COUNT] = {
    "NONE", "ESTOP", "REMOTE_INTERLOCK", "DOOR", "COVER", "HANDPIECE", "ARTICULATED_ARM", "MAINS", "FOOT_DISAGREES", "SHUTTER_STUCK_CLOSED", "SHUTTER_STUCK_OPEN", "SHUTTER_FEEDBACK", "INDICATOR", "COOLANT_FLOW", "COOLANT_LEVEL", "COOLANT_COLD", "COOLANT_HOT", "HEATER_THERMOSTAT", "CHARGER_HOT", "NO_END_OF_CHARGE", "OVER_VOLTAGE", "DUMP_FAILED", "SIMMER_LOST", "SIMMER_TIMEOUT", "ENERGY_HIGH", "ENERGY_LOW", "OVER_ENERGY_COMPARATOR", "MONITORS_DISAGREE", "MONITOR_FAILED", "PULSE_WIDTH", "PULSE_MISSING", "PULSE_DOUBLE", "LIGHT_WITHOUT_TRIGGER", "LINK_LOST", "NONVOLATILE", "WATCHDOG_RESET", "SELF_TEST", "GATE_CHANNEL", "HV_CHANNEL", "WARM_UP_TIMEOUT", "ESTOP_DISAGREES", "COVER_DISAGREES", "DOCK_DISAGREES", "PORT_DARK", "LAMP_WEAK",
};
static const struct console_parameter PARAMETER_MASK = {
    "mask", "255", "no suffix", 255,
    {{"", 0}, {0, 0}, {0, 0}, {0, 0}}, {{0, 0}, {0, 0}},
};
static const struct console_parameter PARAMETER_PULSE_ENERGY_MJ = {
    "pulse_energy_mj", "500", "MJ or UJ or J", 500000,
    {{"", 3}, {"MJ", 3}, {"UJ", 0}, {"J", 6}}, {{0, 0}, {0, 0}},
};
static const struct console_parameter PARAMETER_REP_RATE_HZ = {
    "rep_rate_hz", "20", "HZ", 20000,
    {{"", 3}, {"HZ", 3}, {0, 0}, {0, 0}}, {{0, 0}, {0, 0}},
};
static const struct console_parameter PARAMETER_MODE_WIDTH_PS = {
    "mode_width_ps", "2000", "PS or NS", 2000,
    {{"", 0}, {"PS", 0}, {"NS", 3}, {0, 0}}, {{0, 0}, {0, 0}},
};
static const struct console_parameter PARAMETER_WAVELENGTH_NM = {
    "wavelength_nm", "2000", "NM", 2000,
    {{"", 0}, {"NM", 0}, {0, 0}, {0, 0}}, {{0, 0}, {0, 0}},
};
static const struct console_parameter PARAMETER_SWITCH = {
    "switch", "1", "no suffix", 1,
    {{"", 0}, {0, 0}, {0, 0}, {0, 0}}, {{"ON", 1}, {"OFF", 0}},
};
const struct console_node NODES[NODES_COUNT] = {
    {QUERY_IDN, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *IDN */
    {QUERY_NONE, ACTION_RST, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *RST */
    {QUERY_NONE, ACTION_CLS, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *CLS */
    {QUERY_ESR, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *ESR */
    {QUERY_ESE, ACTION_ESE, 1, false, {0, 0, 0, 0, 0, 0, 0}, {&PARAMETER_MASK, 0, 0}}, /* *ESE */
    {QUERY_STB, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *STB */
    {QUERY_SRE, ACTION_SRE, 1, false, {0, 0, 0, 0, 0, 0, 0}, {&PARAMETER_MASK, 0, 0}}, /* *SRE */
    {QUERY_OPC, ACTION_OPC, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *OPC */
    {QUERY_NONE, ACTION_WAI, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *WAI */
    {QUERY_TST, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* *TST */
    {QUERY_SYSTEM_ERROR, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* SYSTem:ERRor[:NEXT] */
    {QUERY_SYSTEM_ERROR_COUNT, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* SYSTem:ERRor:COUNt */
    {QUERY_SYSTEM_VERSION, ACTION_NONE, 0, false, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* SYSTem:VERSion */
    {QUERY_NONE, ACTION_ABORT, 0, true, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0}}, /* ABORt */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 16, 1, FIELD_UNSIGNED, 0, 9, STATE_NAMES}, {0, 0, 0}}, /* STATus:LASer */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 18, 1, FIELD_UNSIGNED, 0, 17, LEAVE_NAMES}, {0, 0, 0}}, /* STATus:LEAVe */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 23, 8, FIELD_SET, 0, 35, REFUSAL_NAMES}, {0, 0, 0}}, /* STATus:BLOCks */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 90, 1, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* STATus:CALibrated */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 89, 1, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* STATus:DOCKed */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 83, 1, FIELD_UNSIGNED, 0, 3, FOOT_NAMES}, {0, 0, 0}}, /* STATus:FOOT */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 84, 1, FIELD_UNSIGNED, 0, 4, SHUTTER_NAMES}, {0, 0, 0}}, /* STATus:SHUTter */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 78, 1, FIELD_UNSIGNED, 0, 6, HANDPIECE_NAMES}, {0, 0, 0}}, /* STATus:HANDpiece */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 79, 2, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* STATus:SPOT */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 81, 2, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* STATus:WAVelength */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 19, 4, FIELD_SET, 0, 12, INTERLOCK_NAMES}, {0, 0, 0}}, /* INTerlock */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 47, 1, FIELD_UNSIGNED, 0, 45, FAULT_NAMES}, {0, 0, 0}}, /* FAULt */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 31, 8, FIELD_SET, 0, 45, FAULT_NAMES}, {0, 0, 0}}, /* FAULt:LIST */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 39, 8, FIELD_SET, 0, 45, FAULT_NAMES}, {0, 0, 0}}, /* FAULt:PRESent */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x20, 48, 4, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* FAULt:INSTance */
    {QUERY_FIELD, ACTION_CHANGE, 1, false, {0x84, 4, 4, FIELD_UNSIGNED, 3, 0, 0}, {&PARAMETER_PULSE_ENERGY_MJ, 0, 0}}, /* SOURce:ENERgy */
    {QUERY_FIELD, ACTION_CHANGE, 1, false, {0x84, 8, 4, FIELD_UNSIGNED, 3, 0, 0}, {&PARAMETER_REP_RATE_HZ, 0, 0}}, /* SOURce:RATE */
    {QUERY_FIELD, ACTION_CHANGE, 1, false, {0x84, 2, 2, FIELD_UNSIGNED, 0, 0, 0}, {&PARAMETER_MODE_WIDTH_PS, 0, 0}}, /* SOURce:WIDTh */
    {QUERY_FIELD, ACTION_CHANGE, 1, false, {0x84, 0, 2, FIELD_UNSIGNED, 0, 0, 0}, {&PARAMETER_WAVELENGTH_NM, 0, 0}}, /* SOURce:WAVelength */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x84, 13, 2, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SOURce:SPOT */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x84, 12, 1, FIELD_UNSIGNED, 0, 6, HANDPIECE_NAMES}, {0, 0, 0}}, /* SOURce:HANDpiece */
    {QUERY_NONE, ACTION_SOURCE_APPLY, 3, false, {0, 0, 0, 0, 0, 0, 0}, {&PARAMETER_MODE_WIDTH_PS, &PARAMETER_PULSE_ENERGY_MJ, &PARAMETER_REP_RATE_HZ}}, /* SOURce:APPLy */
    {QUERY_FIELD, ACTION_SOURCE_AIMING, 1, false, {0x20, 88, 1, FIELD_UNSIGNED, 0, 0, 0}, {&PARAMETER_SWITCH, 0, 0}}, /* SOURce:AIMing */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x21, 36, 4, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:ENERgy */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x21, 40, 4, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:ENERgy2 */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x21, 44, 4, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* SENSe:WIDTh */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x22, 16, 4, FIELD_SIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:TEMPerature */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x22, 20, 4, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:FLOW */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x22, 12, 4, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:CHARge */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x22, 24, 4, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:INDicator */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x22, 28, 4, FIELD_UNSIGNED, 3, 0, 0}, {0, 0, 0}}, /* SENSe:AIMing */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x85, 0, 8, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* COUNt:PULSes */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x85, 8, 8, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* COUNt:ACKNowledged */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x85, 16, 2, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* COUNt:WAITing */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x85, 18, 8, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* COUNt:LAMP */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x85, 26, 4, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* COUNt:BOOTs */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x85, 30, 4, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* COUNt:TRIPs */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x87, 0, 1, FIELD_UNSIGNED, 0, 0, 0}, {0, 0, 0}}, /* CALibration:VALid */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x87, 21, 4, FIELD_UNSIGNED, 6, 0, 0}, {0, 0, 0}}, /* CALibration:GAIN */
    {QUERY_FIELD, ACTION_NONE, 0, false, {0x87, 25, 4, FIELD_UNSIGNED, 6, 0, 0}, {0, 0, 0}}, /* CALibration:GAIN2 */
};
const struct console_spelling SPELLINGS[SPELLINGS_COUNT] = {
    {"*CLS", 2},
    {"*ESE", 4},
    {"*ESR", 3},
    {"*IDN", 0},
    {"*OPC", 7},
    {"*RST", 1},
    {"*SRE", 6},
    {"*STB", 5},
    {"*TST", 9},
    {"*WAI", 8},
    {"ABOR", 13},
    {"ABORT", 13},
    {"CAL:GAIN", 52},
    {"CAL:GAIN2", 53},
    {"CAL:VAL", 51},
    {"CAL:VALID", 51},
    {"CALIBRATION:GAIN", 52},
    {"CALIBRATION:GAIN2", 53},
    {"CALIBRATION:VAL", 51},
    {"CALIBRATION:VALID", 51},
    {"COUN:ACKN", 46},
    {"COUN:ACKNOWLEDGED", 46},
    {"COUN:BOOT", 49},
    {"COUN:BOOTS", 49},
    {"COUN:LAMP", 48},
    {"COUN:PULS", 45},
    {"COUN:PULSES", 45},
    {"COUN:TRIP", 50},
    {"COUN:TRIPS", 50},
    {"COUN:WAIT", 47},
    {"COUN:WAITING", 47},
    {"COUNT:ACKN", 46},
    {"COUNT:ACKNOWLEDGED", 46},
    {"COUNT:BOOT", 49},
    {"COUNT:BOOTS", 49},
    {"COUNT:LAMP", 48},
    {"COUNT:PULS", 45},
    {"COUNT:PULSES", 45},
    {"COUNT:TRIP", 50},
    {"COUNT:TRIPS", 50},
    {"COUNT:WAIT", 47},
    {"COUNT:WAITING", 47},
    {"FAUL", 25},
    {"FAUL:INST", 28},
    {"FAUL:INSTANCE", 28},
    {"FAUL:LIST", 26},
    {"FAUL:PRES", 27},
    {"FAUL:PRESENT", 27},
    {"FAULT", 25},
    {"FAULT:INST", 28},
    {"FAULT:INSTANCE", 28},
    {"FAULT:LIST", 26},
    {"FAULT:PRES", 27},
    {"FAULT:PRESENT", 27},
    {"INT", 24},
    {"INTERLOCK", 24},
    {"SENS:AIM", 44},
    {"SENS:AIMING", 44},
    {"SENS:CHAR", 42},
    {"SENS:CHARGE", 42},
    {"SENS:ENER", 37},
    {"SENS:ENER2", 38},
    {"SENS:ENERGY", 37},
    {"SENS:ENERGY2", 38},
    {"SENS:FLOW", 41},
    {"SENS:IND", 43},
    {"SENS:INDICATOR", 43},
    {"SENS:TEMP", 40},
    {"SENS:TEMPERATURE", 40},
    {"SENS:WIDT", 39},
    {"SENS:WIDTH", 39},
    {"SENSE:AIM", 44},
    {"SENSE:AIMING", 44},
    {"SENSE:CHAR", 42},
    {"SENSE:CHARGE", 42},
    {"SENSE:ENER", 37},
    {"SENSE:ENER2", 38},
    {"SENSE:ENERGY", 37},
    {"SENSE:ENERGY2", 38},
    {"SENSE:FLOW", 41},
    {"SENSE:IND", 43},
    {"SENSE:INDICATOR", 43},
    {"SENSE:TEMP", 40},
    {"SENSE:TEMPERATURE", 40},
    {"SENSE:WIDT", 39},
    {"SENSE:WIDTH", 39},
    {"SOUR:AIM", 36},
    {"SOUR:AIMING", 36},
    {"SOUR:APPL", 35},
    {"SOUR:APPLY", 35},
    {"SOUR:ENER", 29},
    {"SOUR:ENERGY", 29},
    {"SOUR:HAND", 34},
    {"SOUR:HANDPIECE", 34},
    {"SOUR:RATE", 30},
    {"SOUR:SPOT", 33},
    {"SOUR:WAV", 32},
    {"SOUR:WAVELENGTH", 32},
    {"SOUR:WIDT", 31},
    {"SOUR:WIDTH", 31},
    {"SOURCE:AIM", 36},
    {"SOURCE:AIMING", 36},
    {"SOURCE:APPL", 35},
    {"SOURCE:APPLY", 35},
    {"SOURCE:ENER", 29},
    {"SOURCE:ENERGY", 29},
    {"SOURCE:HAND", 34},
    {"SOURCE:HANDPIECE", 34},
    {"SOURCE:RATE", 30},
    {"SOURCE:SPOT", 33},
    {"SOURCE:WAV", 32},
    {"SOURCE:WAVELENGTH", 32},
    {"SOURCE:WIDT", 31},
    {"SOURCE:WIDTH", 31},
    {"STAT:BLOC", 16},
    {"STAT:BLOCKS", 16},
    {"STAT:CAL", 17},
    {"STAT:CALIBRATED", 17},
    {"STAT:DOCK", 18},
    {"STAT:DOCKED", 18},
    {"STAT:FOOT", 19},
    {"STAT:HAND", 21},
    {"STAT:HANDPIECE", 21},
    {"STAT:LAS", 14},
    {"STAT:LASER", 14},
    {"STAT:LEAV", 15},
    {"STAT:LEAVE", 15},
    {"STAT:SHUT", 20},
    {"STAT:SHUTTER", 20},
    {"STAT:SPOT", 22},
    {"STAT:WAV", 23},
    {"STAT:WAVELENGTH", 23},
    {"STATUS:BLOC", 16},
    {"STATUS:BLOCKS", 16},
    {"STATUS:CAL", 17},
    {"STATUS:CALIBRATED", 17},
    {"STATUS:DOCK", 18},
    {"STATUS:DOCKED", 18},
    {"STATUS:FOOT", 19},
    {"STATUS:HAND", 21},
    {"STATUS:HANDPIECE", 21},
    {"STATUS:LAS", 14},
    {"STATUS:LASER", 14},
    {"STATUS:LEAV", 15},
    {"STATUS:LEAVE", 15},
    {"STATUS:SHUT", 20},
    {"STATUS:SHUTTER", 20},
    {"STATUS:SPOT", 22},
    {"STATUS:WAV", 23},
    {"STATUS:WAVELENGTH", 23},
    {"SYST:ERR", 10},
    {"SYST:ERR:COUN", 11},
    {"SYST:ERR:COUNT", 11},
    {"SYST:ERR:NEXT", 10},
    {"SYST:ERROR", 10},
    {"SYST:ERROR:COUN", 11},
    {"SYST:ERROR:COUNT", 11},
    {"SYST:ERROR:NEXT", 10},
    {"SYST:VERS", 12},
    {"SYST:VERSION", 12},
    {"SYSTEM:ERR", 10},
    {"SYSTEM:ERR:COUN", 11},
    {"SYSTEM:ERR:COUNT", 11},
    {"SYSTEM:ERR:NEXT", 10},
    {"SYSTEM:ERROR", 10},
    {"SYSTEM:ERROR:COUN", 11},
    {"SYSTEM:ERROR:COUNT", 11},
    {"SYSTEM:ERROR:NEXT", 10},
    {"SYSTEM:VERS", 12},
    {"SYSTEM:VERSION", 12},
};
const struct console_error CONSOLE_ERRORS[CONSOLE_ERRORS_COUNT] = {
    {0, "No error"},
    {-101, "Invalid character"},
    {-102, "Syntax error"},
    {-104, "Data type error"},
    {-108, "Parameter not allowed"},
    {-109, "Missing parameter"},
    {-113, "Undefined header"},
    {-123, "Exponent too large"},
    {-131, "Invalid suffix"},
    {-221, "Settings conflict"},
    {-222, "Data out of range"},
    {-350, "Queue overflow"},
    {-363, "Input buffer overrun"},
};
