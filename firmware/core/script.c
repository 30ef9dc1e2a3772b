/* A timed sequence of acts, each a given time after the one before: the frame of self-test and arming. */
#include "script.h"

#include "device.h"

void script_start(struct script *script, int64_t now_us)
{
    script->next = 0;
    script->last_us = now_us;
}

void script_run(struct script *script, const struct act *acts, uint32_t count, struct device *device)
{
    enum state state = device->state;
    while (script->next < count && device->now_us >= script_deadline_us(script, acts, count) &&
           device->state == state) {
        const struct act *act = &acts[script->next];
        script->next++;
        script->last_us = device->now_us;
        device_note(device, CHANGED_ALL);
        act->act(device);
    }
}

int64_t script_deadline_us(const struct script *script, const struct act *acts, uint32_t count)
{
    return script->next >= count ? NEVER_US : script->last_us + acts[script->next].after_us;
}
