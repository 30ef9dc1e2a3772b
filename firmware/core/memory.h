/* The firmware's books in non-volatile memory: counters, latched faults, calibration, history, report ring. */
#ifndef PICOLASE_MEMORY_H
#define PICOLASE_MEMORY_H

#include "picolase.h"

#define POINTS (MODES_COUNT * LEVELS_COUNT)

/* Counters and latched faults; the pulse counter here is only a floor under the ring's. */
struct books {
    uint64_t pulse_number;
    uint64_t acknowledged;
    uint64_t lamp_shots;
    uint32_t boots;
    uint32_t trips;
    uint64_t latched;
    uint8_t first_fault;
    uint32_t trip_boot; /* boot in which the present trip happened */
};

/* An energy calibration: monitor gains, and the port's energy at each level of each mode. */
struct stored_calibration {
    bool valid;
    uint32_t boot;
    int64_t device_time_us;
    uint64_t lamp_shots;
    uint32_t gain_a_ppm;
    uint32_t gain_b_ppm;
    uint32_t residual_ppm;
    uint8_t points;
    uint32_t energies_uj[POINTS]; /* mode by mode, level by level */
    uint32_t residuals_ppm[POINTS];
};

struct slots {
    uint32_t sequence;
    uint32_t next; /* 0 or 1: which of the two is written next */
};

/* All that survives a restart. `broken` is raised by any failed or misread write and stays. */
struct memory {
    const struct board *board; /* only within a step */
    struct slots books_slots;
    struct slots calibration_slots;
    struct books books;
    struct stored_calibration calibration;
    bool broken;
    bool unknown_at_boot; /* the newest pulse was cut off between its trigger and its report */
    uint64_t pulse_number;
    uint64_t lamp_shots;
};

/* Read everything; false: the part is too small. */
bool memory_load(struct memory *memory, const struct board *board);

/* Pulse reports not yet acknowledged. */
int64_t memory_waiting(const struct memory *memory);

/* Pulses that can still be numbered before the host must acknowledge. */
int64_t memory_room(const struct memory *memory);

void memory_save_books(struct memory *memory);
void memory_save_calibration(struct memory *memory);

/* Number a pulse, before its trigger; false: it is not on record and must not be fired. */
bool memory_commit(struct memory *memory, const struct msg_pulse_report *report);

/* Store the report of a committed pulse. */
void memory_finish(struct memory *memory, const struct msg_pulse_report *report);

/* Report of a pulse that waits; UNKNOWN when only its commit is there, or nothing readable. */
void memory_report(const struct memory *memory, uint64_t number, struct msg_pulse_report *report);

/* Free the reports up to `number`, which is not above the counter. */
void memory_acknowledge(struct memory *memory, uint64_t number);

/* Write one entry of the fault history, at the place of its instance. */
void memory_save_record(struct memory *memory, const struct msg_fault_record *record);

/* Entry of the history; false: never written, overwritten or unreadable. */
bool memory_record(const struct memory *memory, uint32_t instance, struct msg_fault_record *record);

/* Whether what memory holds is what the firmware believes: the self-test's question. */
bool memory_intact(const struct memory *memory);

#endif
