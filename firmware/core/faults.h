/* The latch table: which faults are latched, the first cause, the number of the trip, and the history. */
#ifndef PICOLASE_FAULTS_H
#define PICOLASE_FAULTS_H

#include "memory.h"

/* After these the energy cannot be trusted before a new calibration: their action in the fault table says so. */
#define FAULTS_VOID_CALIBRATION                                                                               \
    (BIT(FAULT_ENERGY_HIGH) | BIT(FAULT_ENERGY_LOW) | BIT(FAULT_OVER_ENERGY_COMPARATOR) |                     \
     BIT(FAULT_MONITORS_DISAGREE) | BIT(FAULT_PULSE_WIDTH))

/* Latched over key, reset and power loss; only an acknowledge clears them, all of one trip together. They live
 * in the memory's books. */
void faults_start(struct memory *memory);

/* Number of the present trip; 0 when nothing is latched. */
uint32_t faults_instance(const struct memory *memory);

bool faults_has(const struct memory *memory, enum fault fault);

/* Latch a fault; the first of a trip is its cause and enters the history. True: it is new. */
bool faults_latch(struct memory *memory, enum fault fault, int64_t now_us, enum state state,
                  uint32_t open_interlocks, int64_t value);

/* Forget the trip, after an acknowledge. */
void faults_clear(struct memory *memory);

/* Entry of the history, 0 the newest; fault NONE where it ends. */
void faults_record(const struct memory *memory, uint8_t index, struct msg_fault_record *record);

#endif
