/* The host as the firmware believes it to be: its session, its life by answered challenges, its intent. */
#ifndef PICOLASE_HOST_H
#define PICOLASE_HOST_H

#include "picolase.h"

struct challenge {
    uint32_t number;
    int64_t issued_us;
};

/* One session's host. Knows nothing of states; it is told when the situation changes. */
struct host {
    uint32_t session;
    bool same_interface;
    int64_t alive_until_us;
    uint32_t next_challenge;
    uint32_t issued; /* challenges kept */
    uint32_t oldest;
    struct challenge challenges[CHALLENGES_KEPT];
    int64_t strikes;
    int64_t first_strike_us;
    int64_t armed_changed_us;
    int64_t permit_changed_us;
};

void host_start(struct host *host, uint32_t boot);

/* Another host, or the same one anew: it has proven nothing yet. */
void host_open_session(struct host *host, uint32_t session, bool same_interface);

/* A new challenge for the next Status. */
uint32_t host_challenge(struct host *host, int64_t now_us);

/* Whether a challenge issued less than 200 ms ago was answered. */
bool host_alive(const struct host *host, int64_t now_us);

/* The armed states were entered or left. */
void host_armed_changed(struct host *host, int64_t now_us);

/* A permit came or went. */
void host_permit_changed(struct host *host, int64_t now_us);

/* Take a heartbeat; true: its intent has disagreed for too long. */
bool host_heard(struct host *host, const struct msg_heartbeat *heartbeat, bool armed, bool permit);

#endif
