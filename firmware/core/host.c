/* The host as the firmware believes it to be: its session, its life by answered challenges, its intent.
 *
 * Theory of operation. Challenges count up from a value that differs between boots. They are no secret: they
 * prove that the host has heard the device lately, so that heartbeats left in a buffer by a dead host keep
 * nothing alive. Messages cross on the wire, so an intent is judged only when the heartbeat answers a challenge
 * that already told of the present situation. Three heartbeats running that say IDLE while armed end the
 * arming. PERMIT without a permit, and ARMED with one, must besides have gone on for 500 ms: Grant or answer may
 * be lost and repeated before both ends agree.
 */
#include "host.h"

#include <string.h>

#include "crc.h"

void host_start(struct host *host, uint32_t boot)
{
    uint8_t word[4];
    memset(host, 0, sizeof *host);
    put_u32(word, boot);
    host->next_challenge = crc32_after(0, word, sizeof word);
}

void host_open_session(struct host *host, uint32_t session, bool same_interface)
{
    host->session = session;
    host->same_interface = same_interface;
    host->alive_until_us = 0;
    host->issued = 0;
    host->strikes = 0;
}

uint32_t host_challenge(struct host *host, int64_t now_us)
{
    uint32_t kept = (uint32_t)CHALLENGES_KEPT;
    host->next_challenge++;
    if (host->next_challenge == 0) {
        host->next_challenge = 1; /* 0 stands for none */
    }
    if (host->issued == kept) {
        host->oldest = (host->oldest + 1) % kept;
        host->issued--;
    }
    struct challenge *fresh = &host->challenges[(host->oldest + host->issued) % kept];
    fresh->number = host->next_challenge;
    fresh->issued_us = now_us;
    host->issued++;
    return host->next_challenge;
}

bool host_alive(const struct host *host, int64_t now_us)
{
    return now_us < host->alive_until_us;
}

void host_armed_changed(struct host *host, int64_t now_us)
{
    host->armed_changed_us = now_us;
    host->strikes = 0;
}

void host_permit_changed(struct host *host, int64_t now_us)
{
    host->permit_changed_us = now_us;
    host->strikes = 0;
}

/* When this challenge was issued, or -1: it is none of those that are kept. */
static int64_t issued_us_of(const struct host *host, uint32_t number)
{
    for (uint32_t i = 0; i < host->issued; i++) {
        const struct challenge *kept = &host->challenges[(host->oldest + i) % (uint32_t)CHALLENGES_KEPT];
        if (kept->number == number) {
            return kept->issued_us;
        }
    }
    return -1;
}

bool host_heard(struct host *host, const struct msg_heartbeat *heartbeat, bool armed, bool permit)
{
    int64_t issued_us = issued_us_of(host, heartbeat->challenge);
    if (issued_us < 0) {
        return false;
    }
    host->alive_until_us = most(host->alive_until_us, issued_us + PERMIT_LIFE_US);
    if (!armed) {
        return false;
    }
    bool idle = heartbeat->intent == INTENT_IDLE;
    bool told = issued_us >= (idle ? host->armed_changed_us : host->permit_changed_us);
    if (!told || !(idle || (heartbeat->intent == INTENT_PERMIT) != permit)) {
        host->strikes = 0;
        return false;
    }
    if (host->strikes == 0) {
        host->first_strike_us = issued_us;
    }
    host->strikes++;
    bool settled = idle || issued_us - host->first_strike_us >= INTENT_SETTLE_US;
    return settled && host->strikes >= INTENT_STRIKES;
}
