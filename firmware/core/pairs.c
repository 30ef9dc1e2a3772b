/* Pairs of contacts that one actuator moves: e-stop, cover, calibration port; how long the two may differ. */
#include "pairs.h"

const enum fault PAIR_FAULTS[PAIRS_COUNT] = {FAULT_ESTOP_DISAGREES, FAULT_COVER_DISAGREES,
                                             FAULT_DOCK_DISAGREES};

void pairs_start(struct pairs *pairs)
{
    pairs->now_us = 0;
    for (uint32_t i = 0; i < PAIRS_COUNT; i++) {
        pairs->since_us[i] = -1;
    }
}

bool pair_differs(const struct inputs *inputs, uint32_t pair)
{
    switch (PAIR_FAULTS[pair]) {
    case FAULT_ESTOP_DISAGREES:
        return inputs->estop_a_closed != inputs->estop_b_closed;
    case FAULT_COVER_DISAGREES:
        return inputs->cover_a_closed != inputs->cover_b_closed;
    default:
        return inputs->docked_a_closed != inputs->docked_b_closed;
    }
}

void pairs_update(struct pairs *pairs, int64_t now_us, const struct inputs *inputs)
{
    pairs->now_us = now_us;
    for (uint32_t i = 0; i < PAIRS_COUNT; i++) {
        if (!pair_differs(inputs, i)) {
            pairs->since_us[i] = -1;
        } else if (pairs->since_us[i] < 0) {
            pairs->since_us[i] = now_us;
        }
    }
}

uint32_t pair_of(enum fault fault)
{
    uint32_t pair = 0;
    while (pair < PAIRS_COUNT && PAIR_FAULTS[pair] != fault) {
        pair++;
    }
    return pair;
}

static bool too_long(const struct pairs *pairs, uint32_t pair)
{
    return pairs->since_us[pair] >= 0 && pairs->now_us - pairs->since_us[pair] > PAIR_DISAGREE_US;
}

bool pairs_disagree(const struct pairs *pairs, enum fault fault)
{
    uint32_t pair = pair_of(fault);
    return pair < PAIRS_COUNT && too_long(pairs, pair);
}

int64_t pairs_deadline_us(const struct pairs *pairs)
{
    int64_t deadline_us = NEVER_US;
    for (uint32_t i = 0; i < PAIRS_COUNT; i++) {
        if (pairs->since_us[i] >= 0 && !too_long(pairs, i)) {
            deadline_us = least(deadline_us, pairs->since_us[i] + PAIR_DISAGREE_US + 1);
        }
    }
    return deadline_us;
}
