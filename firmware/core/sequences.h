/* What each state does besides watching. All but `enter` are called in every step in which it may matter. */
#ifndef PICOLASE_SEQUENCES_H
#define PICOLASE_SEQUENCES_H

#include "device.h"

/* Self-test: memory, monitors, indicator, shutter, footswitch, comparator; at least a second. */
void self_test_enter(struct device *device);
void self_test_work(struct device *device);
int64_t self_test_deadline_us(const struct device *device);

/* Warm-up: pump and heater run until the coolant has been warm for a minute; then simmer starts. */
void warm_up_work(struct device *device);
int64_t warm_up_deadline_us(const struct device *device);

/* Arming: one run of proofs; READY follows when they are done, the delay is over and the foot is up. */
void arming_enter(struct device *device);
void arming_work(struct device *device);
int64_t arming_deadline_us(const struct device *device);
int64_t arming_patience_us(const struct device *device);

/* Proofs that self-test and arming share. */
void check_dark(struct device *device);
void check_flash(struct device *device);
void light_flash(struct device *device);

/* Calibration. */
void calibrator_enter(struct device *device);
void calibrator_work(struct device *device);
void calibrator_take(struct device *device, const struct outcome *outcome);

/* Capacitor voltage of a level. The lowest follows `tested_uj`, what the shutter test's level gave in this mode. */
int64_t level_mv(uint32_t mode, uint32_t level, int64_t tested_uj);

/* Capacitor voltage for this energy in this mode, or 0: the calibration does not reach it. */
int64_t voltage_mv(const struct stored_calibration *stored, int32_t mode, uint32_t energy_uj);

/* READY and EMITTING. */
void emission_enter(struct device *device);
void emission_watch(struct device *device);
void emission_ready(struct device *device);
void emission_emitting(struct device *device);
void emission_take(struct device *device, const struct outcome *outcome);
int64_t emission_idle_us(const struct device *device);

#endif
