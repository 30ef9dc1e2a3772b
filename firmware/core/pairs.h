/* Pairs of contacts that one actuator moves: e-stop, cover, calibration port; how long the two may differ. */
#ifndef PICOLASE_PAIRS_H
#define PICOLASE_PAIRS_H

#include "picolase.h"

#define PAIRS_COUNT 3U

/* The fault of each pair that disagrees. */
extern const enum fault PAIR_FAULTS[PAIRS_COUNT];

/* Watches them in every state; what a disagreement leads to is decided elsewhere. */
struct pairs {
    int64_t now_us;
    int64_t since_us[PAIRS_COUNT]; /* -1: they agree */
};

void pairs_start(struct pairs *pairs);

/* Take all of them as they are now. */
void pairs_update(struct pairs *pairs, int64_t now_us, const struct inputs *inputs);

/* The pair of this fault, or PAIRS_COUNT. */
uint32_t pair_of(enum fault fault);

/* Whether the contacts of this pair have differed for longer than allowed. */
bool pairs_disagree(const struct pairs *pairs, enum fault fault);

/* When the first of those that differ has done so for too long. */
int64_t pairs_deadline_us(const struct pairs *pairs);

/* Whether the contacts of this pair are unlike now. */
bool pair_differs(const struct inputs *inputs, uint32_t pair);

#endif
