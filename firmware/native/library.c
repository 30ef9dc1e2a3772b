/* The core as a library for the simulator: one structure for each laser, exchanged with sim_device/native.py.
 *
 * The caller keeps the structure and puts the inputs into it; received bytes, sent bytes and what else a step
 * gives go through one exchange that all lasers of the process share, because only one of them steps at a time.
 */
#include "library.h"

#include <stddef.h>
#include <string.h>

static struct exchange *exchange;
static read_function on_read;
static write_function on_write;
static look_function on_look;

static struct native *stepping;
static bool quick_memory;

/* The caller puts the lines as they are now into the structure. */
static void look(void *context, struct inputs *inputs)
{
    if (!quick_memory) {
        on_look(context);
    }
    *inputs = stepping->inputs;
}

/* What was written last, as the memory gives it back: the core reads every write back at once, and one call of
 * the caller does for both. */
static struct written written;

static bool memory_read(void *context, uint32_t offset, uint8_t *data, uint32_t length)
{
    bool kept = length > 0 && length == written.length && offset == written.offset;
    written.length = 0; /* good for one reading: whatever comes later shall see the memory itself */
    if (kept) {
        memcpy(data, written.bytes, length);
        return true;
    }
    return on_read(context, offset, data, length);
}

static bool memory_write(void *context, uint32_t offset, const uint8_t *data, uint32_t length)
{
    written.length = 0;
    if (length > sizeof written.bytes) {
        return false;
    }
    bool inside = length <= stepping->memory_size && offset <= stepping->memory_size - length;
    if (quick_memory && inside && exchange->writes < WRITTEN_MAX) {
        memcpy(written.bytes, data, length);
        written.offset = offset;
        written.length = length;
        exchange->written[exchange->writes++] = written;
        return true;
    }
    if (!on_write(context, offset, data, length, written.bytes)) {
        return false;
    }
    written.offset = offset;
    written.length = length;
    return true;
}

static struct board board_of(const struct native *native)
{
    struct board board = {native->context, native->memory_size, memory_read, memory_write, look};
    return board;
}

void native_connect(struct exchange *shared, read_function read, write_function write, look_function look_at)
{
    exchange = shared;
    on_read = read;
    on_write = write;
    on_look = look_at;
}

uint32_t native_layout(uint32_t index)
{
    const uint32_t layout[] = {
        (uint32_t)sizeof(struct native),
        (uint32_t)offsetof(struct native, inputs),
        (uint32_t)sizeof(struct inputs),
        (uint32_t)offsetof(struct native, shown),
        (uint32_t)sizeof(struct outputs),
        (uint32_t)sizeof(struct exchange),
        (uint32_t)sizeof(struct inside),
    };
    return layout[index];
}

static uint32_t show(struct native *native)
{
    const struct outputs *now = picolase_outputs(&native->firmware);
    const struct outputs *shown = &native->shown;
    uint32_t changed = 0;
    uint32_t bit = 1;
#define COMPARE(line)                                                                                         \
    changed |= now->line != shown->line ? bit : 0U;                                                           \
    bit <<= 1;
    OUTPUT_LINES(COMPARE)
#undef COMPARE
    if (changed != 0) {
        native->shown = *now;
    }
    return changed;
}

void native_set_context(struct native *native, void *context)
{
    native->context = context;
}

bool native_boot(struct native *native, int64_t now_us, uint32_t memory_size, const char *serial,
                 const char *build_id, bool watchdog_reset)
{
    struct identity identity;
    native->memory_size = memory_size;
    put_text((uint8_t *)identity.serial, serial, sizeof identity.serial);
    put_text((uint8_t *)identity.build_id, build_id, sizeof identity.build_id);
    struct board board = board_of(native);
    stepping = native;
    quick_memory = false;
    exchange->writes = 0;
    bool booted = picolase_boot(&native->firmware, &board, &identity, now_us, watchdog_reset);
    native->shown = *picolase_outputs(&native->firmware); /* the caller starts from the safe level, too */
    native->shown_state = STATE_OFF;
    return booted;
}

int64_t native_feed(struct native *native, int64_t now_us, const uint8_t *received, uint32_t received_length,
                    const uint8_t *typed, uint32_t typed_length, bool quick)
{
    struct board board = board_of(native);
    struct ports ports = {
        {exchange->sent_bytes, exchange->sent_size, 0},
        {exchange->console_bytes, exchange->console_size, 0},
        {exchange->events_bytes, exchange->events_size, 0},
    };
    stepping = native;
    quick_memory = quick;
    exchange->writes = 0;
    int64_t wake_us = picolase_step(&native->firmware, &board, now_us, &native->inputs, received,
                                    received_length, typed, typed_length, &ports);
    exchange->sent = ports.sent.used;
    exchange->console = ports.console.used;
    exchange->changed = show(native);
    uint32_t state = native->firmware.device.state;
    bool moved = state != native->shown_state;
    exchange->anything = exchange->sent | exchange->console | exchange->changed | exchange->writes | moved;
    exchange->state = native->shown_state = state;
    return wake_us;
}

int64_t native_step(struct native *native, int64_t now_us, bool quick)
{
    return native_feed(native, now_us, (const uint8_t *)"", 0, (const uint8_t *)"", 0, quick);
}

void native_note_all(struct native *native)
{
    device_note(&native->firmware.device, CHANGED_ALL);
}

void native_inside(const struct native *native, struct inside *inside)
{
    picolase_inside(&native->firmware, inside);
}
