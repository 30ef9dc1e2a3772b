/* The boundary of the firmware's core: what it asks of its board, and how it is run.
 *
 * Theory of operation. `picolase_step` is called at every change of an input, at every run of received bytes,
 * and at the time it asked for. The core keeps all that it knows in one `struct firmware` without pointers of
 * its own, so that a copy of its bytes is a copy of the running firmware. It allocates nothing, recurses
 * nowhere, and every loop in it is bounded.
 */
#ifndef PICOLASE_H
#define PICOLASE_H

#include "picolase_interface.h"

struct firmware;

/* What the core asks of the board. The board hands `context` back and forth unseen. */
struct board {
    void *context;
    uint32_t memory_size;
    /* Non-volatile store; false: it is broken. A write is durable when it returns. */
    bool (*memory_read)(void *context, uint32_t offset, uint8_t *data, uint32_t length);
    bool (*memory_write)(void *context, uint32_t offset, const uint8_t *data, uint32_t length);
    /* The lines as they are at this very moment: the last look before a trigger. */
    void (*look)(void *context, struct inputs *inputs);
};

/* Bytes going out, or kept for the length of one step, in room that the board provides. */
struct room {
    uint8_t *bytes;
    uint32_t size;
    uint32_t used;
};

/* Room that one step may need for so many received bytes: the shortest frame has 17 bytes, the longest answer
 * 106; on top of them stand what is told unasked, and one frame that was begun before. */
#define SENT_ROOM(received) (8U * (received) + 4096U)
#define EVENTS_ROOM(received) ((received) + ENCODED_MAX + 1U)
/* A slice of the console ends what is held of a line, and each of its shortest queries may list every fault. */
#define CONSOLE_ROOM (64U * 1024U)

struct ports {
    struct room sent;    /* to the host's binary port */
    struct room console; /* to the console port */
    struct room events;  /* the core's own, of no meaning between steps */
};

struct identity {
    char serial[16];   /* padded with zeros */
    char build_id[20]; /* padded with zeros */
};

/* Bytes that one `struct firmware` takes. */
uint32_t picolase_size(void);

/* Start as after power-on: outputs at their safe level, RAM forgotten; `now_us` becomes time zero.
 * False: the memory is too small for the firmware's books. */
bool picolase_boot(struct firmware *firmware, const struct board *board, const struct identity *identity,
                   int64_t now_us, bool watchdog_reset);

/* Advance to `now_us`; returns when to be called again at the latest. */
int64_t picolase_step(struct firmware *firmware, const struct board *board, int64_t now_us,
                      const struct inputs *inputs, const uint8_t *received, uint32_t received_length,
                      const uint8_t *typed, uint32_t typed_length, struct ports *ports);

/* What it drives now. */
const struct outputs *picolase_outputs(const struct firmware *firmware);

/* What people and tests may want to see of its inside. */
struct inside {
    int64_t now_us; /* device time */
    uint32_t boot_number;
    uint32_t state;
    uint32_t leave;
    uint32_t first_fault;
    uint32_t fault_instance;
    uint64_t latched;
    uint64_t pulse_number;
    uint64_t acknowledged;
    uint64_t lamp_shots;
    bool calibrated;
};
void picolase_inside(const struct firmware *firmware, struct inside *inside);

#endif
