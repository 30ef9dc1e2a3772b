/* The footswitch: two contacts, a press that must be stable, a release that never waits. */
#include "footswitch.h"

#include <string.h>

void foot_start(struct footswitch *foot)
{
    memset(foot, 0, sizeof *foot);
    foot->began_us = -1;
    foot->down_since_us = -1;
    foot->differ_since_us = -1;
    foot->consumed_us = -1;
}

void foot_update(struct footswitch *foot, int64_t now_us, bool a_closed, bool b_closed)
{
    foot->now_us = now_us;
    foot->down = a_closed && b_closed;
    if (!foot->down) {
        foot->down_since_us = -1;
        foot->stable = false;
    } else if (foot->down_since_us < 0) {
        foot->down_since_us = now_us;
    }
    if (foot->down && !foot->stable && now_us - foot->down_since_us >= FOOT_STABLE_US) {
        foot->stable = true;
        foot->press++;
        foot->began_us = foot->down_since_us;
    }
    if (a_closed == b_closed) {
        foot->differ_since_us = -1;
    } else if (foot->differ_since_us < 0) {
        foot->differ_since_us = now_us;
    }
}

bool foot_disagrees(const struct footswitch *foot)
{
    return foot->differ_since_us >= 0 && foot->now_us - foot->differ_since_us > FOOT_DISAGREE_US;
}

bool foot_fresh(const struct footswitch *foot)
{
    return foot->stable && foot->began_us > foot->consumed_us;
}

enum foot foot_level(const struct footswitch *foot)
{
    if (foot_disagrees(foot)) {
        return FOOT_DISAGREES;
    }
    return foot->down ? FOOT_PRESSED : FOOT_RELEASED;
}

int64_t foot_deadline_us(const struct footswitch *foot)
{
    int64_t stable_us = foot->down && !foot->stable ? foot->down_since_us + FOOT_STABLE_US : NEVER_US;
    if (foot->differ_since_us < 0 || foot_disagrees(foot)) {
        return stable_us;
    }
    return least(stable_us, foot->differ_since_us + FOOT_DISAGREE_US + 1);
}

void foot_consume(struct footswitch *foot, int64_t now_us)
{
    foot->consumed_us = now_us;
}
