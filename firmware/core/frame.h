/* Frames of the binary dialect: header, payload and CRC-32, COBS-encoded and ended by a zero byte. */
#ifndef PICOLASE_FRAME_H
#define PICOLASE_FRAME_H

#include "picolase.h"

/* An encoded frame of the device: one byte of COBS is enough, because none of them reaches 254 bytes. */
#define FRAME_SENT_MAX (RAW_MIN + SENT_PAYLOAD_MAX + 2U)

struct frame {
    uint32_t session;
    uint32_t seq;
    const struct message_row *message;
    const uint8_t *payload; /* in the decoder: gone with the next byte */
};

struct rejection {
    enum nak_reason reason;
    uint8_t detail; /* the offending version or opcode, or 0 */
};

enum found { FOUND_NOTHING, FOUND_FRAME, FOUND_ERROR };

/* Holds at most one frame's worth of bytes: a longer run without a delimiter is reported once and dropped. */
struct decoder {
    uint8_t bytes[ENCODED_MAX];
    uint32_t used;
    bool dropping;
};

/* Take one byte; what it completed, if anything, is in `frame` or `rejection`. */
enum found decoder_take(struct decoder *decoder, uint8_t byte, struct frame *frame,
                        struct rejection *rejection);

/* Write the frame with its delimiter to `encoded`, which has room for FRAME_SENT_MAX; returns its length. */
uint32_t frame_encode(uint32_t session, uint32_t seq, enum opcode opcode, const uint8_t *payload,
                      uint32_t size, uint8_t *encoded);

/* Whether every field of the payload is allowed. */
bool payload_valid(const struct message_row *message, const uint8_t *payload);

/* The declaration of an opcode, or 0. */
const struct message_row *message_of(uint8_t opcode);

#endif
