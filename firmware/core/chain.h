/* The interlock chain: which contacts are open, in the order in which the first cause is judged. */
#ifndef PICOLASE_CHAIN_H
#define PICOLASE_CHAIN_H

#include "picolase.h"

/* What must be closed even for light that ends on the closed shutter. */
#define ALWAYS_CLOSED (INTERLOCKS_LATCHING_ALWAYS | (uint32_t)BIT(INTERLOCK_KEY))

/* Set of open interlocks, one bit each; a pair is open unless both contacts are closed. */
uint32_t open_contacts(const struct inputs *inputs, bool flow_low);

/* The open contacts that latch their fault in this state. */
uint32_t latching_contacts(uint32_t open_interlocks, enum state state, bool armed, bool cooling_runs);

#endif
