/* One running firmware: the device, its two ports, and what of a step it can leave out. */
#ifndef PICOLASE_FIRMWARE_H
#define PICOLASE_FIRMWARE_H

#include "console.h"
#include "device.h"
#include "link.h"
#include "report.h"

/* Plain data: a copy of its bytes is a copy of the firmware. */
struct firmware {
    int64_t boot_us;
    struct device device;
    struct link link;
    struct reporter reporter;
    struct console console;
    struct inputs before; /* as they were at the beginning of the latest step */
    bool seen;            /* there was one */
    bool host_alive;
    bool indicator_driven;
    uint32_t stop_id;
    int64_t due_us; /* the earliest deadline of those that make everything count as changed */
    int64_t kick_us;
    int64_t indicator_since_us;
};

#endif
