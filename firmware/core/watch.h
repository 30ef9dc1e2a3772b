/* Safety first: every input, in the order in which a first cause is judged. */
#ifndef PICOLASE_WATCH_H
#define PICOLASE_WATCH_H

struct firmware;

/* Look at what may have changed, and act on it. */
void watch(struct firmware *firmware);

#endif
