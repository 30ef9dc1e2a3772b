/* Message handlers: what each message of the host does, and what it is answered. */
#ifndef PICOLASE_COMMS_H
#define PICOLASE_COMMS_H

#include "picolase.h"

struct firmware;

/* Act on bytes from the host, in their order. */
void comms_receive(struct firmware *firmware, const uint8_t *data, uint32_t length, struct room *events);

/* End every permission now, whoever asks; a repetition raises no further epoch. */
void comms_stop(struct firmware *firmware, bool again);

/* Carry out one request; its answer's payload, of the size that its declaration says, is in `answer`. */
enum opcode comms_request(struct firmware *firmware, const struct message_row *request,
                          const uint8_t *payload, uint8_t answer[SENT_PAYLOAD_MAX]);

#endif
