/* The permit: what the host allowed, in RAM only, and the answers already given to grants. */
#ifndef PICOLASE_PERMIT_H
#define PICOLASE_PERMIT_H

#include "picolase.h"

struct given {
    bool used;
    uint32_t permit_id;
    uint32_t fingerprint; /* of the whole grant */
    struct msg_reply reply;
};

/* At most one permit is held; everything that ends permission ends it. */
struct permit {
    uint32_t id; /* 0: none is held */
    uint16_t pulses_left;
    bool internal; /* the internal trigger fires, not the foot */
    int64_t ends_us;
    uint32_t oldest;
    struct given given[GRANTS_KEPT];
};

/* Hold this permit. */
void permit_grant(struct permit *permit, const struct msg_grant *grant);

/* Hold none. */
void permit_void(struct permit *permit);

/* When it ends by itself. */
int64_t permit_deadline_us(const struct permit *permit);

/* The answer given to this very grant before, or 0; `*taken`: its identity was used by another one. */
const struct msg_reply *permit_answered(const struct permit *permit, uint32_t permit_id,
                                        uint32_t fingerprint, bool *taken);

/* Keep the answer, so that a repetition gets it again and no second permit. */
void permit_remember(struct permit *permit, uint32_t permit_id, uint32_t fingerprint,
                     const struct msg_reply *reply);

/* A new session asks anew; what the one before was granted is void. */
void permit_forget_answers(struct permit *permit);

#endif
