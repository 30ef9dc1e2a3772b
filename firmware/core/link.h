/* The device's end of the reliable link. */
#ifndef PICOLASE_LINK_H
#define PICOLASE_LINK_H

#include "frame.h"

struct link {
    uint32_t session; /* 0: nobody connected since boot */
    uint32_t frames_rejected;
    uint32_t boot;
    uint32_t connects;
    uint32_t host_nonce;
    uint32_t expected_seq;
    uint32_t heard_seq;
    uint32_t free_seq;
    bool asking;
    bool nak_sent;
    struct decoder decoder;
    uint32_t answer_length;
    uint8_t answer[FRAME_SENT_MAX]; /* the last one, for repetitions */
    struct room *out;               /* only within a step */
};

/* What the firmware must act on. */
enum link_event_kind {
    LINK_OPENED, /* a host connected: every permit of the session before is void */
    LINK_ASKED,  /* a request to carry out now; give its answer to `link_answer` */
    LINK_HEARD   /* an out-of-band message of the live session, or a Stop of any */
};

struct link_event {
    enum link_event_kind kind;
    uint8_t opcode;
    const uint8_t *payload;
    uint32_t session;    /* LINK_OPENED */
    bool same_interface; /* LINK_OPENED */
};

void link_start(struct link *link, uint32_t boot);

/* Take bytes from the wire; fills `events` with what `link_next_event` then hands out in order. */
void link_receive(struct link *link, const uint8_t *data, uint32_t length, struct room *events);

/* The event at `*at`, which moves on; false: there is no further one. */
bool link_next_event(const struct room *events, uint32_t *at, struct link_event *event);

/* Send the answer to the request just asked; dropped when a new session was opened since. */
void link_answer(struct link *link, enum opcode opcode, const uint8_t *payload, uint32_t size);

/* Send an out-of-band message; dropped while no session is open, except the answer to a Stop. */
void link_send(struct link *link, enum opcode opcode, const uint8_t *payload, uint32_t size);

#endif
