/* What sim_device/native.py calls, and the structures that it shares. */
#ifndef PICOLASE_LIBRARY_H
#define PICOLASE_LIBRARY_H

#include "../core/firmware.h"

struct native {
    void *context; /* of the board: not part of what is copied */
    struct inputs inputs;
    struct outputs shown; /* as the caller has them */
    uint32_t shown_state;
    uint32_t memory_size;
    struct firmware firmware;
};

/* One write to the memory. */
struct written {
    uint32_t offset;
    uint32_t length; /* 0: nothing was written */
    uint8_t bytes[256];
};

#define WRITTEN_MAX 8U

/* What one step takes and gives, besides what stands in the structure. */
struct exchange {
    uint32_t anything;     /* not 0: something of the next five is news */
    uint32_t sent;         /* bytes */
    uint32_t console;      /* bytes */
    uint32_t changed;      /* outputs, one bit each */
    uint32_t state;        /* enum state */
    uint32_t sent_size;    /* room for them */
    uint32_t console_size;
    uint32_t events_size;
    uint32_t writes; /* to a quick memory, in `written`, for the caller to do */
    uint8_t *sent_bytes;
    uint8_t *console_bytes;
    uint8_t *events_bytes;
    struct written written[WRITTEN_MAX];
};

typedef bool (*read_function)(void *context, uint32_t offset, uint8_t *data, uint32_t length);
/* Writes `data` and puts into `back` what stands there then. */
typedef bool (*write_function)(void *context, uint32_t offset, const uint8_t *data, uint32_t length,
                               uint8_t *back);
typedef void (*look_function)(void *context);

void native_connect(struct exchange *shared, read_function read, write_function write, look_function look_at);

/* Sizes and places that the caller must know; index by index as sim_device/native.py names them. */
uint32_t native_layout(uint32_t index);

void native_set_context(struct native *native, void *context);

bool native_boot(struct native *native, int64_t now_us, uint32_t memory_size, const char *serial,
                 const char *build_id, bool watchdog_reset);

int64_t native_feed(struct native *native, int64_t now_us, const uint8_t *received, uint32_t received_length,
                    const uint8_t *typed, uint32_t typed_length, bool quick);

/* Without bytes, as most steps are. A memory is quick when it takes every write, gives back what was written and
 * needs no time in which a line could move: then writes are left for the caller to do after the step. */
int64_t native_step(struct native *native, int64_t now_us, bool quick);

/* Let everything count as changed in the next step: a test shows that it makes no difference. */
void native_note_all(struct native *native);

void native_inside(const struct native *native, struct inside *inside);

#endif
