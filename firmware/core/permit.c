/* The permit: what the host allowed, in RAM only, and the answers already given to grants. */
#include "permit.h"

#include <string.h>

void permit_grant(struct permit *permit, const struct msg_grant *grant)
{
    permit->internal = grant->trigger == TRIGGER_INTERNAL;
    permit->id = grant->permit_id;
    permit->pulses_left = grant->pulses;
    permit->ends_us = (int64_t)grant->ends_us;
}

void permit_void(struct permit *permit)
{
    permit->id = 0;
    permit->pulses_left = 0;
    permit->ends_us = 0;
    permit->internal = false;
}

int64_t permit_deadline_us(const struct permit *permit)
{
    return permit->id != 0 ? permit->ends_us : NEVER_US;
}

const struct msg_reply *permit_answered(const struct permit *permit, uint32_t permit_id,
                                        uint32_t fingerprint, bool *taken)
{
    *taken = false;
    for (uint32_t i = 0; i < (uint32_t)GRANTS_KEPT; i++) {
        const struct given *given = &permit->given[i];
        if (given->used && given->permit_id == permit_id) {
            if (given->fingerprint == fingerprint) {
                *taken = false;
                return &given->reply;
            }
            *taken = true;
        }
    }
    return 0;
}

void permit_remember(struct permit *permit, uint32_t permit_id, uint32_t fingerprint,
                     const struct msg_reply *reply)
{
    struct given *given = &permit->given[permit->oldest];
    given->used = true;
    given->permit_id = permit_id;
    given->fingerprint = fingerprint;
    given->reply = *reply;
    permit->oldest = (permit->oldest + 1) % (uint32_t)GRANTS_KEPT;
}

void permit_forget_answers(struct permit *permit)
{
    memset(permit->given, 0, sizeof permit->given);
    permit->oldest = 0;
}
