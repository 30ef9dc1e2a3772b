/* What the device tells unasked: Status and challenge, Telemetry, pulse reports, answers to a stop. */
#ifndef PICOLASE_REPORT_H
#define PICOLASE_REPORT_H

#include "device.h"
#include "link.h"

/* No field of Status tells of these. */
#define ON_STATUS                                                                                             \
    (CHANGED_ALL & ~(CHANGED_VOLTAGE | CHANGED_CHARGE | CHANGED_SIMMER | CHANGED_LIGHT | CHANGED_DARK |       \
                     CHANGED_DRIVEN))
#define ON_REPORTS (CHANGED_PULSE | CHANGED_RECORDS)
#define ON_TELLING (ON_STATUS | ON_REPORTS)

/* What stands in a Status before all that can be seen: time, boot and challenge. */
#define VISIBLE_AT 16U
#define VISIBLE_SIZE (STATUS_SIZE - VISIBLE_AT)
/* `reports_waiting`, the last of it, alone is no news: reports tell of more, and less is the host's own doing. */
#define COMPARED_SIZE (VISIBLE_SIZE - 2U)

struct sent_report {
    uint64_t number;
    int64_t sent_us; /* -1: not yet in this session */
};

/* Sends to the live session; with none, nothing is due. */
struct reporter {
    int64_t deadline_us; /* when something is due without anything changing */
    bool live;
    bool told_any;   /* there was a Status in this session */
    bool stop_told;  /* the latest stop was answered as confirmed, or there was none */
    uint32_t stop_id;
    uint32_t held_back; /* what has changed since the lamp was triggered */
    uint32_t sample;
    int64_t repeat_us; /* when the next report is due again */
    int64_t status_us;
    int64_t period_us;
    int64_t telemetry_us;
    uint8_t visible[VISIBLE_SIZE]; /* as it is */
    uint8_t told[VISIBLE_SIZE];    /* as the latest Status has it */
    struct sent_report sent[REPORTS_OUTSTANDING];
};

void reporter_start(struct reporter *reporter);

/* A new session hears everything anew. */
void reporter_open_session(struct reporter *reporter, int64_t now_us);

/* Answer a stop now; once more when its conditions are all met. */
void reporter_stopped(struct reporter *reporter, struct device *device, struct link *link, uint32_t stop_id);

/* Send whatever is due, when this has changed in the step. */
void reporter_tell(struct reporter *reporter, struct device *device, struct link *link, uint32_t changed);

/* The slow values as they are now; `sample` is that of the latest told. */
void telemetry_of(const struct reporter *reporter, const struct device *device, const struct link *link,
                  uint8_t payload[TELEMETRY_SIZE]);

/* A Status as it would be now, without a fresh challenge: that would push out one yet to be answered. */
void status_of(const struct device *device, uint32_t challenge, uint8_t payload[STATUS_SIZE]);

/* Highest pulse whose report exists: a pulse on its way has none yet. */
uint64_t reported(const struct device *device);

#endif
