/* The latch table: which faults are latched, the first cause, the number of the trip, and the history. */
#include "faults.h"

#include <string.h>

static void save_record(struct memory *memory, int64_t now_us, enum state state, uint32_t open_interlocks,
                        int64_t value)
{
    const struct books *books = &memory->books;
    struct msg_fault_record record = {
        .index = 0,
        .fault = books->first_fault,
        .instance = books->trips,
        .boot = books->trip_boot,
        .device_time_us = (uint64_t)now_us,
        .state = (uint8_t)state,
        .open_interlocks = open_interlocks,
        .value = (int32_t)within(value, INT32_MIN, INT32_MAX),
    };
    memory_save_record(memory, &record);
}

void faults_start(struct memory *memory)
{
    struct msg_fault_record record;
    if (memory->books.latched != 0 && !memory_record(memory, memory->books.trips, &record)) {
        /* Power went between latching and its record: the cause is known, the circumstances are not. */
        save_record(memory, 0, STATE_FAULT, 0, 0);
    }
}

uint32_t faults_instance(const struct memory *memory)
{
    return memory->books.latched != 0 ? memory->books.trips : 0;
}

bool faults_has(const struct memory *memory, enum fault fault)
{
    return (memory->books.latched & BIT(fault)) != 0;
}

bool faults_latch(struct memory *memory, enum fault fault, int64_t now_us, enum state state,
                  uint32_t open_interlocks, int64_t value)
{
    struct books *books = &memory->books;
    if (faults_has(memory, fault)) {
        return false;
    }
    bool starts = books->latched == 0;
    books->latched |= BIT(fault);
    if (starts) {
        books->trips++;
        if (books->trips == 0) {
            books->trips = 1; /* 0 stands for none */
        }
        books->first_fault = (uint8_t)fault;
        books->trip_boot = books->boots;
    }
    if ((BIT(fault) & FAULTS_VOID_CALIBRATION) != 0 && memory->calibration.valid) {
        memory->calibration.valid = false;
        memory_save_calibration(memory);
    }
    memory_save_books(memory); /* before the history: what is latched must survive a cut in between */
    if (starts) {
        save_record(memory, now_us, state, open_interlocks, value);
    }
    return true;
}

void faults_clear(struct memory *memory)
{
    memory->books.latched = 0;
    memory->books.first_fault = FAULT_NONE;
    memory_save_books(memory);
}

void faults_record(const struct memory *memory, uint8_t index, struct msg_fault_record *record)
{
    bool kept = index < HISTORY_MAX && memory->books.trips > index;
    if (!kept || !memory_record(memory, memory->books.trips - index, record)) {
        memset(record, 0, sizeof *record);
    }
    record->index = index;
}
