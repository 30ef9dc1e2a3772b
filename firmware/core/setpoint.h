/* Set-points: staged, committed by hash, compared with what is connected; and what this laser can do at all. */
#ifndef PICOLASE_SETPOINT_H
#define PICOLASE_SETPOINT_H

#include "picolase.h"

/* The one in force and the one staged beside it, each with its hash; 0 stands for none. */
struct setpoints {
    struct msg_setpoint staged;
    uint32_t staged_hash;
    struct msg_setpoint committed;
    uint32_t hash;
};

/* Put a checked set-point beside the one in force. */
void setpoints_stage(struct setpoints *setpoints, const struct msg_setpoint *setpoint);

/* Put the staged one in force. */
void setpoints_commit(struct setpoints *setpoints);

/* Nothing is staged any more. */
void setpoints_forget_staged(struct setpoints *setpoints);

/* The identity of a set-point: CRC-32 of it as it is encoded. */
uint32_t setpoint_hash(const struct msg_setpoint *setpoint);

/* Every reason why this laser cannot do this at all, one bit each. */
uint64_t range_refusals(const struct msg_setpoint *setpoint);

/* Every way in which these differ from what is connected now, one bit each. */
uint64_t connection_refusals(uint16_t wavelength_nm, uint8_t handpiece, uint16_t spot_um,
                             const struct inputs *inputs);

/* Threshold of the hardware comparator for this energy. */
int64_t comparator_uj(uint32_t pulse_energy_uj);

/* Index of the mode, or -1: not offered. */
int32_t mode_of(uint16_t wavelength_nm, uint16_t mode_width_ps);

/* The handpiece of an identity chip; NONE for one that is not known. */
enum handpiece handpiece_of(int64_t identity);

/* Whether this handpiece can have this spot. */
bool spot_fits(enum handpiece handpiece, int64_t spot_um);

#endif
