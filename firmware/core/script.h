/* A timed sequence of acts, each a given time after the one before: the frame of self-test and arming. */
#ifndef PICOLASE_SCRIPT_H
#define PICOLASE_SCRIPT_H

#include "picolase.h"

struct device;

struct act {
    int64_t after_us; /* the act before */
    void (*act)(struct device *device);
};

/* Where in its acts a script is; which acts they are its owner knows. */
struct script {
    uint32_t next;
    int64_t last_us;
};

/* Begin anew at `now_us`. */
void script_start(struct script *script, int64_t now_us);

/* Carry out what is due, as long as nothing of it changes the state; a late step makes what follows later. */
void script_run(struct script *script, const struct act *acts, uint32_t count, struct device *device);

/* When the next act is due; NEVER_US: every act was carried out. */
int64_t script_deadline_us(const struct script *script, const struct act *acts, uint32_t count);

#endif
