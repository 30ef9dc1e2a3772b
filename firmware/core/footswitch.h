/* The footswitch: two contacts, a press that must be stable, a release that never waits. */
#ifndef PICOLASE_FOOTSWITCH_H
#define PICOLASE_FOOTSWITCH_H

#include "picolase.h"

/* A press is both contacts closed for 5 ms; either one open is a release, at once. It permits only when it
 * began after `foot_consume` was called last: every loss of permission calls it. */
struct footswitch {
    bool down; /* both contacts closed, stable or not */
    bool stable;
    uint32_t press;   /* number of the latest stable press within the arming */
    int64_t began_us; /* when its contacts closed; -1: there was none */
    int64_t down_since_us;
    int64_t differ_since_us;
    int64_t consumed_us;
    int64_t now_us;
};

void foot_start(struct footswitch *foot);

/* Take both contacts as they are now. */
void foot_update(struct footswitch *foot, int64_t now_us, bool a_closed, bool b_closed);

/* Whether the contacts have differed for longer than allowed. */
bool foot_disagrees(const struct footswitch *foot);

/* Whether a stable press holds that began after permission was last lost or gained. */
bool foot_fresh(const struct footswitch *foot);

/* The footswitch as the host sees it; down counts as pressed from the first instant. */
enum foot foot_level(const struct footswitch *foot);

/* When it changes its mind without a contact moving. */
int64_t foot_deadline_us(const struct footswitch *foot);

/* Only a press that begins after `now_us` counts from here on. */
void foot_consume(struct footswitch *foot, int64_t now_us);

#endif
