/* Every reason to refuse a request, all at once, as one bit each; nothing here changes anything. */
#ifndef PICOLASE_REFUSE_H
#define PICOLASE_REFUSE_H

#include "device.h"

/* Why arming would be refused now, whatever beam is asked for; while armed, with what the beam demands. Being
 * armed already is no block: Arm itself refuses that. */
uint64_t blocks(const struct device *device);

uint64_t stage_refusals(const struct device *device, const struct msg_setpoint *setpoint);
uint64_t commit_refusals(const struct device *device, uint32_t setpoint_hash);
uint64_t aiming_refusals(const struct device *device, bool on);
uint64_t calibrate_refusals(const struct device *device);
uint64_t standby_refusals(const struct device *device);
uint64_t acknowledge_refusals(const struct device *device, uint32_t fault_instance);
uint64_t arm_refusals(const struct device *device, const struct msg_arm *arm);

/* The answers given before are the caller's matter. */
uint64_t grant_refusals(const struct device *device, const struct msg_grant *grant);

#endif
