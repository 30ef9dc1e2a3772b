/* Set-points: staged, committed by hash, compared with what is connected; and what this laser can do at all. */
#include "setpoint.h"

#include <string.h>

#include "crc.h"

uint32_t setpoint_hash(const struct msg_setpoint *setpoint)
{
    uint8_t encoded[SETPOINT_SIZE];
    setpoint_pack(setpoint, encoded);
    return crc32_after(0, encoded, SETPOINT_SIZE);
}

void setpoints_stage(struct setpoints *setpoints, const struct msg_setpoint *setpoint)
{
    setpoints->staged = *setpoint;
    setpoints->staged_hash = setpoint_hash(setpoint);
}

void setpoints_commit(struct setpoints *setpoints)
{
    setpoints->committed = setpoints->staged;
    setpoints->hash = setpoints->staged_hash;
    setpoints_forget_staged(setpoints);
}

void setpoints_forget_staged(struct setpoints *setpoints)
{
    memset(&setpoints->staged, 0, sizeof setpoints->staged);
    setpoints->staged_hash = 0;
}

static bool energy_offered(int32_t mode, uint32_t energy_uj)
{
    for (int32_t i = 0; i < MODES_COUNT; i++) {
        bool considered = mode < 0 || mode == i; /* of an unknown mode: what any could give */
        if (considered && energy_uj >= MODES[i].energy_min_uj && energy_uj <= MODES[i].energy_max_uj) {
            return true;
        }
    }
    return false;
}

static bool rate_offered(uint32_t rate_mhz)
{
    for (uint32_t i = 0; i < RATES_COUNT; i++) {
        if (RATES_MHZ[i] == rate_mhz) {
            return true;
        }
    }
    return false;
}

uint64_t range_refusals(const struct msg_setpoint *setpoint)
{
    uint64_t reasons = 0;
    int32_t mode = mode_of(setpoint->wavelength_nm, setpoint->mode_width_ps);
    if (mode < 0) {
        reasons |= BIT(REFUSAL_MODE_NOT_OFFERED);
    }
    if (!energy_offered(mode, setpoint->pulse_energy_uj)) {
        reasons |= BIT(REFUSAL_ENERGY_RANGE);
    }
    if (!rate_offered(setpoint->rep_rate_mhz)) {
        reasons |= BIT(REFUSAL_RATE_NOT_OFFERED);
    }
    if (!spot_fits((enum handpiece)setpoint->handpiece, setpoint->spot_um)) {
        reasons |= BIT(REFUSAL_SPOT_DIFFERS);
    }
    return reasons;
}

uint64_t connection_refusals(uint16_t wavelength_nm, uint8_t handpiece, uint16_t spot_um,
                             const struct inputs *inputs)
{
    uint64_t reasons = 0;
    if (handpiece != inputs->handpiece || handpiece == HANDPIECE_NONE) { /* "none" is not even like itself */
        reasons |= BIT(REFUSAL_HANDPIECE_DIFFERS);
    }
    if (spot_um != inputs->spot_um) {
        reasons |= BIT(REFUSAL_SPOT_DIFFERS);
    }
    if (wavelength_nm != inputs->wavelength_nm) {
        reasons |= BIT(REFUSAL_WAVELENGTH_DIFFERS);
    }
    return reasons;
}

int64_t comparator_uj(uint32_t pulse_energy_uj)
{
    return pulse_energy_uj * COMPARATOR_PERCENT / 100;
}

int32_t mode_of(uint16_t wavelength_nm, uint16_t mode_width_ps)
{
    for (int32_t i = 0; i < MODES_COUNT; i++) {
        if (MODES[i].wavelength_nm == wavelength_nm && MODES[i].mode_width_ps == mode_width_ps) {
            return i;
        }
    }
    return -1;
}

enum handpiece handpiece_of(int64_t identity)
{
    bool known = identity >= 0 && identity < HANDPIECE_COUNT;
    return known ? (enum handpiece)identity : HANDPIECE_NONE;
}

bool spot_fits(enum handpiece handpiece, int64_t spot_um)
{
    return SPOTS_UM[handpiece].low <= spot_um && spot_um <= SPOTS_UM[handpiece].high;
}
