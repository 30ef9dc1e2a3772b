/* The firmware's books in non-volatile memory: counters, latched faults, calibration, history, report ring.
 *
 * Theory of operation. Books and calibration live in two slots each, written in turn with a rising sequence
 * number and a CRC, so that a write cut short leaves the slot before it; one with numbers that no device has,
 * such as another layout may write, is not believed whatever its CRC says. Each of the pulses of the ring has two
 * halves: the commit, written before the trigger, and the report, written after the judgement. A commit without
 * its report is the UNKNOWN report of that pulse. The pulse counter is the highest commit.
 */
#include "memory.h"

#include <string.h>

#include "crc.h"
#include "frame.h"

#define MAGIC 0x50494350U /* changes with the layout: other bytes are not ours to read */
#define HEAD 8U           /* of a slot: magic and sequence */
#define BOOKS_SIZE 45U
#define CALIBRATION_BYTES (34U + 8U * POINTS)
#define SLOT_MAX (HEAD + CALIBRATION_BYTES + CRC_SIZE)
#define HALF_BODY (8U + PULSE_REPORT_SIZE) /* lamp shots, encoded report */
#define HALF_BYTES (HALF_BODY + CRC_SIZE)
#define HALF_STRIDE 80U
#define RECORD_BYTES (FAULT_RECORD_SIZE + CRC_SIZE)
#define RECORD_STRIDE 32U
#define HISTORY_AT 1024U
#define RING_AT 4096U
#define COUNTED_MAX (UINT64_C(3) << 61) /* what counts on from it for ever still fits the wire */
#define GAIN_MAX_PPM 10000000U
#define LATCHABLE (((UINT64_C(1) << FAULT_COUNT) - 1U) & ~UINT64_C(1)) /* every fault but FAULT_NONE */

static const uint32_t BOOKS_AT[2] = {0, 128};
static const uint32_t CALIBRATION_AT[2] = {256, 512};

_Static_assert(HALF_BYTES <= HALF_STRIDE && RECORD_BYTES <= RECORD_STRIDE, "entries overlap");
_Static_assert(SLOT_MAX <= 256U && HEAD + BOOKS_SIZE + CRC_SIZE <= 128U, "slots overlap");
_Static_assert(RING_AT + REPORTS_MAX * 2 * HALF_STRIDE == MEMORY_BYTES, "not the reference's layout");

static bool read_at(const struct memory *memory, uint32_t offset, uint8_t *data, uint32_t length)
{
    return memory->board->memory_read(memory->board->context, offset, data, length);
}

/* Write and read back; what did not arrive makes the memory broken for good. */
static bool write_at(struct memory *memory, uint32_t offset, const uint8_t *data, uint32_t length)
{
    uint8_t back[SLOT_MAX];
    bool good = memory->board->memory_write(memory->board->context, offset, data, length) &&
                read_at(memory, offset, back, length) && memcmp(back, data, length) == 0;
    if (!good) {
        memory->broken = true;
    }
    return good;
}

/* -- two slots of one record */

typedef bool (*sound_function)(const uint8_t *body);

/* The newest sound body of `size` bytes in `body`; `*clean`: the slots are as a new part or a cut write leaves them. */
static bool slots_load(struct slots *slots, const struct memory *memory, const uint32_t at[2], uint32_t size,
                       sound_function sound, uint8_t *body, bool *clean)
{
    bool found = false;
    bool strange = false;
    bool second_blank = true;
    slots->sequence = 0;
    slots->next = 0;
    for (uint32_t index = 0; index < 2; index++) {
        uint8_t raw[SLOT_MAX] = {0};
        uint32_t length = HEAD + size + CRC_SIZE;
        (void)read_at(memory, at[index], raw, length);
        if (index == 1) {
            for (uint32_t i = 0; i < length; i++) {
                second_blank = second_blank && raw[i] == 0;
            }
        }
        uint32_t sequence = get_u32(raw + 4);
        uint32_t ahead = sequence - slots->sequence;
        bool whole = get_u32(raw + HEAD + size) == crc32_after(0, raw, HEAD + size) && get_u32(raw) == MAGIC;
        if (whole && !sound(raw + HEAD)) {
            strange = true;
        } else if (whole && (!found || (ahead > 0 && ahead < 0x80000000U))) {
            memcpy(body, raw + HEAD, size);
            slots->sequence = sequence;
            slots->next = 1 - index;
            found = true;
        }
    }
    /* Slot 0 is written first: while slot 1 is blank at most that first write can have been cut short. */
    *clean = !strange && (found || second_blank);
    return found;
}

/* Write the body that stands in `raw` behind its head. */
static void slots_store(struct slots *slots, struct memory *memory, const uint32_t at[2], uint32_t size,
                        uint8_t *raw)
{
    slots->sequence++;
    put_u32(raw, MAGIC);
    put_u32(raw + 4, slots->sequence);
    put_u32(raw + HEAD + size, crc32_after(0, raw, HEAD + size));
    uint32_t place = at[slots->next];
    slots->next = 1 - slots->next;
    (void)write_at(memory, place, raw, HEAD + size + CRC_SIZE);
}

void memory_save_books(struct memory *memory)
{
    struct books *books = &memory->books;
    uint8_t raw[HEAD + BOOKS_SIZE + CRC_SIZE];
    uint8_t *body = raw + HEAD;
    books->pulse_number = memory->pulse_number;
    books->lamp_shots = memory->lamp_shots;
    put_u64(body, books->pulse_number);
    put_u64(body + 8, books->acknowledged);
    put_u64(body + 16, books->lamp_shots);
    put_u32(body + 24, books->boots);
    put_u32(body + 28, books->trips);
    put_u64(body + 32, books->latched);
    put_u8(body + 40, books->first_fault);
    put_u32(body + 41, books->trip_boot);
    slots_store(&memory->books_slots, memory, BOOKS_AT, BOOKS_SIZE, raw);
}

static void load_books(struct books *books, const uint8_t *body)
{
    books->pulse_number = get_u64(body);
    books->acknowledged = get_u64(body + 8);
    books->lamp_shots = get_u64(body + 16);
    books->boots = get_u32(body + 24);
    books->trips = get_u32(body + 28);
    books->latched = get_u64(body + 32);
    books->first_fault = get_u8(body + 40);
    books->trip_boot = get_u32(body + 41);
}

static bool sound_books(const uint8_t *body)
{
    struct books books;
    load_books(&books, body);
    bool counted = books.pulse_number <= COUNTED_MAX && books.acknowledged <= COUNTED_MAX &&
                   books.lamp_shots <= COUNTED_MAX;
    bool known = (books.latched & ~LATCHABLE) == 0 && books.first_fault < (uint32_t)FAULT_COUNT;
    bool first = books.latched == 0 ? books.first_fault == (uint8_t)FAULT_NONE
                                    : known && (books.latched >> books.first_fault & 1U) != 0;
    return counted && known && first;
}

void memory_save_calibration(struct memory *memory)
{
    const struct stored_calibration *stored = &memory->calibration;
    uint8_t raw[SLOT_MAX];
    uint8_t *body = raw + HEAD;
    put_u8(body, stored->valid);
    put_u32(body + 1, stored->boot);
    put_u64(body + 5, (uint64_t)stored->device_time_us);
    put_u64(body + 13, stored->lamp_shots);
    put_u32(body + 21, stored->gain_a_ppm);
    put_u32(body + 25, stored->gain_b_ppm);
    put_u32(body + 29, stored->residual_ppm);
    put_u8(body + 33, stored->points);
    for (uint32_t i = 0; i < POINTS; i++) {
        put_u32(body + 34 + 4 * i, stored->energies_uj[i]);
        put_u32(body + 34 + 4 * (POINTS + i), stored->residuals_ppm[i]);
    }
    slots_store(&memory->calibration_slots, memory, CALIBRATION_AT, CALIBRATION_BYTES, raw);
}

static void load_calibration(struct stored_calibration *stored, const uint8_t *body)
{
    stored->valid = get_u8(body) != 0;
    stored->boot = get_u32(body + 1);
    stored->device_time_us = (int64_t)get_u64(body + 5);
    stored->lamp_shots = get_u64(body + 13);
    stored->gain_a_ppm = get_u32(body + 21);
    stored->gain_b_ppm = get_u32(body + 25);
    stored->residual_ppm = get_u32(body + 29);
    stored->points = get_u8(body + 33);
    for (uint32_t i = 0; i < POINTS; i++) {
        stored->energies_uj[i] = get_u32(body + 34 + 4 * i);
        stored->residuals_ppm[i] = get_u32(body + 34 + 4 * (POINTS + i));
    }
}

static bool sound_calibration(const uint8_t *body)
{
    return get_u64(body + 5) <= COUNTED_MAX && get_u64(body + 13) <= COUNTED_MAX &&
           get_u32(body + 21) <= GAIN_MAX_PPM && get_u32(body + 25) <= GAIN_MAX_PPM;
}

/* -- the ring of pulses */

static uint32_t entry_at(uint64_t number)
{
    return RING_AT + (uint32_t)(number % (uint64_t)REPORTS_MAX) * 2U * HALF_STRIDE;
}

/* The half of an entry that stands at `offset`; false: none does. */
static bool half_at(const struct memory *memory, uint32_t offset, uint64_t *lamp_shots,
                    struct msg_pulse_report *report)
{
    uint8_t raw[HALF_BYTES];
    if (!read_at(memory, offset, raw, HALF_BYTES)) {
        return false;
    }
    /* The CRC is seeded, so that blank memory does not pass. */
    if (get_u32(raw + HALF_BODY) != crc32_after(MAGIC, raw, HALF_BODY)) {
        return false;
    }
    if (!payload_valid(message_of(OPCODE_PULSE_REPORT), raw + 8)) { /* written by another layout */
        return false;
    }
    *lamp_shots = get_u64(raw);
    pulse_report_unpack(report, raw + 8);
    return *lamp_shots <= COUNTED_MAX && report->pulse_number <= COUNTED_MAX;
}

static bool write_half(struct memory *memory, uint32_t offset, uint64_t lamp_shots,
                       const struct msg_pulse_report *report)
{
    uint8_t raw[HALF_BYTES];
    put_u64(raw, lamp_shots);
    pulse_report_pack(report, raw + 8);
    put_u32(raw + HALF_BODY, crc32_after(MAGIC, raw, HALF_BODY));
    return write_at(memory, offset, raw, HALF_BYTES);
}

int64_t memory_waiting(const struct memory *memory)
{
    return (int64_t)(memory->pulse_number - memory->books.acknowledged);
}

int64_t memory_room(const struct memory *memory)
{
    return REPORTS_MAX - memory_waiting(memory);
}

bool memory_commit(struct memory *memory, const struct msg_pulse_report *report)
{
    if (memory_room(memory) <= 0 ||
        !write_half(memory, entry_at(report->pulse_number), memory->lamp_shots + 1, report)) {
        return false;
    }
    memory->pulse_number = report->pulse_number;
    memory->lamp_shots++;
    return true;
}

void memory_finish(struct memory *memory, const struct msg_pulse_report *report)
{
    if ((report->flags & BIT(PULSE_FLAG_SKIPPED)) != 0) {
        memory->lamp_shots--; /* the lamp did not fire after all */
    }
    (void)write_half(memory, entry_at(report->pulse_number) + HALF_STRIDE, memory->lamp_shots, report);
}

void memory_report(const struct memory *memory, uint64_t number, struct msg_pulse_report *report)
{
    uint32_t at = entry_at(number);
    uint64_t lamp_shots;
    if (half_at(memory, at + HALF_STRIDE, &lamp_shots, report) && report->pulse_number == number) {
        return;
    }
    if (half_at(memory, at, &lamp_shots, report) && report->pulse_number == number) {
        return;
    }
    /* Its commit cannot be read any more: counted, nothing known. */
    memset(report, 0, sizeof *report);
    report->pulse_number = number;
    report->boot = memory->books.boots > 0 ? memory->books.boots : 1;
    report->flags = (uint32_t)BIT(PULSE_FLAG_UNKNOWN);
}

void memory_acknowledge(struct memory *memory, uint64_t number)
{
    memory->books.acknowledged = number;
    memory_save_books(memory);
}

/* -- the history of faults */

static uint32_t record_at(uint32_t instance)
{
    return HISTORY_AT + instance % (uint32_t)HISTORY_MAX * RECORD_STRIDE;
}

void memory_save_record(struct memory *memory, const struct msg_fault_record *record)
{
    uint8_t raw[RECORD_BYTES];
    fault_record_pack(record, raw);
    put_u32(raw + FAULT_RECORD_SIZE, crc32_after(0, raw, FAULT_RECORD_SIZE));
    (void)write_at(memory, record_at(record->instance), raw, RECORD_BYTES);
}

bool memory_record(const struct memory *memory, uint32_t instance, struct msg_fault_record *record)
{
    uint8_t raw[RECORD_BYTES];
    if (!read_at(memory, record_at(instance), raw, RECORD_BYTES) ||
        get_u32(raw + FAULT_RECORD_SIZE) != crc32_after(0, raw, FAULT_RECORD_SIZE) ||
        !payload_valid(message_of(OPCODE_FAULT_RECORD), raw)) {
        return false;
    }
    fault_record_unpack(record, raw);
    return record->instance == instance;
}

/* -- everything */

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The highest pulse of the ring; raises the lamp's counter with it. */
static uint64_t load_ring(struct memory *memory)
{
    uint64_t highest = 0;
    for (uint32_t slot = 0; slot < (uint32_t)REPORTS_MAX; slot++) {
        struct msg_pulse_report report;
        uint64_t lamp_shots;
        if (half_at(memory, RING_AT + slot * 2U * HALF_STRIDE, &lamp_shots, &report) &&
            report.pulse_number % (uint64_t)REPORTS_MAX == slot) {
            highest = greater(highest, report.pulse_number);
            memory->lamp_shots = greater(memory->lamp_shots, lamp_shots);
        }
    }
    return highest;
}

bool memory_load(struct memory *memory, const struct board *board)
{
    uint8_t body[CALIBRATION_BYTES];
    bool clean;
    bool calibration_clean;
    memset(memory, 0, sizeof *memory);
    memory->board = board;
    memory->calibration.gain_a_ppm = 1000000U;
    memory->calibration.gain_b_ppm = 1000000U;
    if (board->memory_size < MEMORY_BYTES) {
        return false;
    }
    if (slots_load(&memory->books_slots, memory, BOOKS_AT, BOOKS_SIZE, sound_books, body, &clean)) {
        load_books(&memory->books, body);
    }
    if (slots_load(&memory->calibration_slots, memory, CALIBRATION_AT, CALIBRATION_BYTES, sound_calibration,
                   body, &calibration_clean)) {
        load_calibration(&memory->calibration, body);
    }
    memory->broken = !(clean && calibration_clean);
    memory->lamp_shots = memory->books.lamp_shots;
    uint64_t highest = load_ring(memory);
    memory->pulse_number = greater(highest, memory->books.pulse_number);
    int64_t waiting = memory_waiting(memory);
    if (highest < memory->books.pulse_number || waiting < 0 || waiting > REPORTS_MAX) {
        uint64_t ring = (uint64_t)REPORTS_MAX;
        memory->broken = true;
        if (memory->pulse_number > ring) {
            memory->books.acknowledged = greater(memory->books.acknowledged, memory->pulse_number - ring);
        }
        memory->pulse_number = greater(memory->pulse_number, memory->books.acknowledged);
    }
    waiting = memory_waiting(memory);
    struct msg_pulse_report report;
    if (waiting != 0) {
        memory_report(memory, memory->pulse_number, &report);
        memory->unknown_at_boot = (report.flags & BIT(PULSE_FLAG_UNKNOWN)) != 0;
    }
    for (int64_t i = 1; i <= waiting; i++) { /* at most REPORTS_MAX by now */
        uint64_t number = memory->books.acknowledged + (uint64_t)i;
        uint64_t lamp_shots;
        if (!half_at(memory, entry_at(number), &lamp_shots, &report) || report.pulse_number != number) {
            memory->broken = true;
        }
    }
    return true;
}

static bool same_books(const struct books *a, const struct books *b)
{
    return a->pulse_number == b->pulse_number && a->acknowledged == b->acknowledged &&
           a->lamp_shots == b->lamp_shots && a->boots == b->boots && a->trips == b->trips &&
           a->latched == b->latched && a->first_fault == b->first_fault && a->trip_boot == b->trip_boot;
}

static bool same_calibration(const struct stored_calibration *a, const struct stored_calibration *b)
{
    return a->valid == b->valid && a->boot == b->boot && a->device_time_us == b->device_time_us &&
           a->lamp_shots == b->lamp_shots && a->gain_a_ppm == b->gain_a_ppm &&
           a->gain_b_ppm == b->gain_b_ppm && a->residual_ppm == b->residual_ppm && a->points == b->points &&
           memcmp(a->energies_uj, b->energies_uj, sizeof a->energies_uj) == 0 &&
           memcmp(a->residuals_ppm, b->residuals_ppm, sizeof a->residuals_ppm) == 0;
}

bool memory_intact(const struct memory *memory)
{
    struct memory again;
    return memory_load(&again, memory->board) && !memory->broken && !again.broken &&
           again.pulse_number == memory->pulse_number && same_books(&again.books, &memory->books) &&
           same_calibration(&again.calibration, &memory->calibration);
}
