/* Frames of the binary dialect: header, payload and CRC-32, COBS-encoded and ended by a zero byte. */
#include "frame.h"

#include <string.h>

#include "crc.h"

_Static_assert(RAW_MIN + SENT_PAYLOAD_MAX < 254U, "a frame of the device needs a second byte of COBS");

#define PAYLOAD_AT HEADER_SIZE

const struct message_row *message_of(uint8_t opcode)
{
    for (uint32_t i = 0; i < MESSAGES_COUNT; i++) {
        if (MESSAGES[i].opcode == opcode) {
            return &MESSAGES[i];
        }
    }
    return 0;
}

/* Printable ASCII without blanks at its ends, padded with zeros. */
static bool text_valid(const uint8_t *text, uint32_t size)
{
    uint32_t length = 0;
    while (length < size && text[length] != 0) {
        length++;
    }
    for (uint32_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    for (uint32_t i = length; i < size; i++) {
        if (text[i] != 0) {
            return false;
        }
    }
    return length == 0 || (text[0] != ' ' && text[length - 1] != ' ');
}

bool payload_valid(const struct message_row *message, const uint8_t *payload)
{
    for (uint32_t i = 0; i < message->fields; i++) {
        const struct field_row *field = &FIELDS[message->first_field + i];
        const uint8_t *at = payload + field->offset;
        if (field->kind == FIELD_TEXT) {
            if (!text_valid(at, field->width)) {
                return false;
            }
            continue;
        }
        uint64_t value = get_wide(at, field->width);
        bool valid;
        if (field->kind == FIELD_SET) {
            valid = (value & ~field->high) == 0;
        } else if (field->kind == FIELD_SIGNED) {
            int64_t number = (int32_t)(uint32_t)value; /* all signed fields have 32 bits */
            valid = number >= (int64_t)field->low && number <= (int64_t)field->high;
        } else {
            valid = value >= field->low && value <= field->high;
        }
        if (!valid) {
            return false;
        }
    }
    return true;
}

/* Undo COBS in place; false: the bytes are none. The decoded bytes are never more than the encoded ones. */
static bool cobs_decode(uint8_t *bytes, uint32_t *length)
{
    uint32_t from = 0;
    uint32_t to = 0;
    while (from < *length) {
        uint32_t block = bytes[from]; /* not zero: zeros end frames */
        if (from + block > *length) {
            return false;
        }
        for (uint32_t i = 1; i < block; i++) {
            bytes[to++] = bytes[from + i];
        }
        from += block;
        if (from < *length && block < 0xFFU) {
            bytes[to++] = 0;
        }
    }
    *length = to;
    return true;
}

/* Why `raw` is no frame, if it is none, in the order in which the host is told. */
static bool raw_valid(const uint8_t *raw, uint32_t length, const struct message_row **message,
                      struct rejection *rejection)
{
    rejection->detail = 0;
    if (length < RAW_MIN || length > RAW_MAX) {
        rejection->reason = NAK_REASON_LENGTH;
        return false;
    }
    if (crc32_after(0, raw, length - CRC_SIZE) != get_u32(raw + length - CRC_SIZE)) {
        rejection->reason = NAK_REASON_CRC;
        return false;
    }
    if (raw[0] != PROTOCOL_VERSION) {
        rejection->reason = NAK_REASON_VERSION;
        rejection->detail = raw[0];
        return false;
    }
    if (raw[2] != length - RAW_MIN) {
        rejection->reason = NAK_REASON_LENGTH;
        return false;
    }
    rejection->detail = raw[1];
    *message = message_of(raw[1]);
    if (*message == 0) {
        rejection->reason = NAK_REASON_OPCODE;
        return false;
    }
    rejection->reason = NAK_REASON_FIELD;
    return (*message)->size == raw[2] && payload_valid(*message, raw + PAYLOAD_AT);
}

static enum found decode(struct decoder *decoder, struct frame *frame, struct rejection *rejection)
{
    uint8_t *raw = decoder->bytes;
    uint32_t length = decoder->used;
    if (!cobs_decode(raw, &length)) {
        rejection->reason = NAK_REASON_ENCODING;
        rejection->detail = 0;
        return FOUND_ERROR;
    }
    if (!raw_valid(raw, length, &frame->message, rejection)) {
        return FOUND_ERROR;
    }
    frame->session = get_u32(raw + 3);
    frame->seq = get_u32(raw + 7);
    frame->payload = raw + PAYLOAD_AT;
    return FOUND_FRAME;
}

enum found decoder_take(struct decoder *decoder, uint8_t byte, struct frame *frame,
                        struct rejection *rejection)
{
    if (byte == 0) {
        enum found found = decoder->used > 0 ? decode(decoder, frame, rejection) : FOUND_NOTHING;
        decoder->used = 0;
        decoder->dropping = false;
        return found;
    }
    if (decoder->dropping) {
        return FOUND_NOTHING;
    }
    if (decoder->used == ENCODED_MAX) {
        decoder->used = 0;
        decoder->dropping = true;
        rejection->reason = NAK_REASON_LENGTH;
        rejection->detail = 0;
        return FOUND_ERROR;
    }
    decoder->bytes[decoder->used++] = byte;
    return FOUND_NOTHING;
}

uint32_t frame_encode(uint32_t session, uint32_t seq, enum opcode opcode, const uint8_t *payload,
                      uint32_t size, uint8_t *encoded)
{
    uint8_t raw[RAW_MIN + SENT_PAYLOAD_MAX];
    uint32_t length = HEADER_SIZE + size;
    put_u8(raw, PROTOCOL_VERSION);
    put_u8(raw + 1, (uint8_t)opcode);
    put_u8(raw + 2, (uint8_t)size);
    put_u32(raw + 3, session);
    put_u32(raw + 7, seq);
    memcpy(raw + PAYLOAD_AT, payload, size);
    put_u32(raw + length, crc32_after(0, raw, length));
    length += CRC_SIZE;

    uint32_t block_at = 0; /* where the length of the present block goes */
    uint32_t to = 1;
    for (uint32_t i = 0; i < length; i++) {
        if (raw[i] == 0) {
            encoded[block_at] = (uint8_t)(to - block_at);
            block_at = to;
        } else {
            encoded[to] = raw[i];
        }
        to++;
    }
    encoded[block_at] = (uint8_t)(to - block_at);
    encoded[to++] = 0;
    return to;
}
