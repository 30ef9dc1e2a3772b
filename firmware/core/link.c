/* The device's end of the reliable link.
 *
 * Theory of operation. A run of bytes is first read whole: what it is on the link (repetitions, rejections,
 * connections) is dealt with at once, what the firmware must act on is put down as events and carried out after
 * that, in its order. A request that was answered already is answered again from memory and not acted on
 * twice. A rejected frame gets one NAK, and no further one until a good frame came through.
 */
#include "link.h"

#include <string.h>

#include "crc.h"

void link_start(struct link *link, uint32_t boot)
{
    memset(link, 0, sizeof *link);
    link->boot = boot;
    link->expected_seq = 1;
    link->free_seq = 1;
}

static void put_out(struct link *link, const uint8_t *encoded, uint32_t length)
{
    struct room *out = link->out;
    if (out != 0 && length <= out->size - out->used) { /* SENT_ROOM is enough for every step */
        memcpy(out->bytes + out->used, encoded, length);
        out->used += length;
    }
}

static void send(struct link *link, uint32_t seq, enum opcode opcode, const uint8_t *payload, uint32_t size)
{
    uint8_t encoded[FRAME_SENT_MAX];
    put_out(link, encoded, frame_encode(link->session, seq, opcode, payload, size, encoded));
}

void link_answer(struct link *link, enum opcode opcode, const uint8_t *payload, uint32_t size)
{
    if (!link->asking) {
        return;
    }
    link->asking = false;
    link->answer_length =
        frame_encode(link->session, link->expected_seq, opcode, payload, size, link->answer);
    link->expected_seq++;
    put_out(link, link->answer, link->answer_length);
}

void link_send(struct link *link, enum opcode opcode, const uint8_t *payload, uint32_t size)
{
    if (link->session != 0 || opcode == OPCODE_STOPPED) {
        send(link, link->free_seq, opcode, payload, size);
        link->free_seq++;
    }
}

static void reject(struct link *link, enum nak_reason reason, uint8_t detail)
{
    link->frames_rejected++;
    if (!link->nak_sent) {
        struct msg_nak nak = {(uint8_t)reason, link->expected_seq, detail};
        uint8_t payload[NAK_SIZE];
        link->nak_sent = true;
        nak_pack(&nak, payload);
        send(link, 0, OPCODE_NAK, payload, NAK_SIZE);
    }
}

/* An event takes three bytes and its payload: less than the frame that brought it. */
static void put_event(struct room *events, enum link_event_kind kind, uint8_t opcode, const uint8_t *payload,
                      uint32_t size)
{
    if (size + 3U <= events->size - events->used) { /* EVENTS_ROOM is enough for every run of bytes */
        uint8_t *at = events->bytes + events->used;
        at[0] = (uint8_t)kind;
        at[1] = opcode;
        at[2] = (uint8_t)size;
        memcpy(at + 3, payload, size);
        events->used += size + 3U;
    }
}

bool link_next_event(const struct room *events, uint32_t *at, struct link_event *event)
{
    if (*at >= events->used) {
        return false;
    }
    const uint8_t *found = events->bytes + *at;
    event->kind = (enum link_event_kind)found[0];
    event->opcode = found[1];
    event->payload = found + 3;
    if (event->kind == LINK_OPENED) {
        event->session = get_u32(found + 3);
        event->same_interface = found[7] != 0;
    }
    *at += 3U + found[2];
    return true;
}

/* Never the one before and never 0; needs no source of chance: the host's nonce is fresh. */
static uint32_t fresh_session(const struct link *link, uint32_t host_nonce)
{
    uint32_t nonce = host_nonce;
    /* CRC-32 is one to one in its last word: a second try is once in 2^31, a third all but never. */
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t words[12];
        put_u32(words, link->boot);
        put_u32(words + 4, link->connects);
        put_u32(words + 8, nonce);
        nonce = crc32_after(0, words, sizeof words);
        if (nonce != 0 && nonce != link->session) {
            break;
        }
    }
    return nonce;
}

static void take_connect(struct link *link, const uint8_t *payload, struct room *events)
{
    struct msg_connect connect;
    connect_unpack(&connect, payload);
    if (connect.host_nonce != link->host_nonce) {
        uint8_t opened[5];
        link->connects++;
        link->host_nonce = connect.host_nonce;
        link->session = fresh_session(link, connect.host_nonce);
        link->expected_seq = 1;
        link->asking = false;
        link->answer_length = 0;
        link->heard_seq = 0;
        link->free_seq = 1;
        if (link->out != 0) {
            link->out->used = 0; /* nothing of the old session may follow */
        }
        put_u32(opened, link->session);
        opened[4] = connect.interface_hash == INTERFACE_HASH;
        put_event(events, LINK_OPENED, OPCODE_CONNECT, opened, sizeof opened);
    }
    link->nak_sent = false;
    struct msg_connected answer = {connect.host_nonce, link->boot, INTERFACE_HASH};
    uint8_t packed[CONNECTED_SIZE];
    connected_pack(&answer, packed);
    send(link, 0, OPCODE_CONNECTED, packed, CONNECTED_SIZE);
}

static void take_request(struct link *link, const struct frame *frame, struct room *events)
{
    if (frame->seq == link->expected_seq) {
        if (!link->asking) { /* else doubled on the way, in the same run of bytes as the first */
            link->nak_sent = false;
            link->asking = true;
            put_event(events, LINK_ASKED, frame->message->opcode, frame->payload, frame->message->size);
        }
    } else if (frame->seq == link->expected_seq - 1 && link->answer_length > 0) {
        put_out(link, link->answer, link->answer_length);
    } else if (frame->seq > link->expected_seq) {
        reject(link, NAK_REASON_SEQUENCE, 0);
    } /* older ones were answered long ago: the host no longer waits for them */
}

static void take(struct link *link, const struct frame *frame, struct room *events)
{
    const struct message_row *message = frame->message;
    if (message->opcode == OPCODE_STOP) { /* in any session, of any sequence */
        link->nak_sent = false;
        put_event(events, LINK_HEARD, message->opcode, frame->payload, message->size);
    } else if (message->opcode == OPCODE_CONNECT) {
        take_connect(link, frame->payload, events);
    } else if (link->session == 0 || frame->session != link->session) {
        reject(link, NAK_REASON_SESSION, 0);
    } else if (message->channel == CHANNEL_REQUEST) {
        take_request(link, frame, events);
    } else if (frame->seq > link->heard_seq) { /* else repeated or overtaken: stale words keep nothing alive */
        link->nak_sent = false;
        link->heard_seq = frame->seq;
        put_event(events, LINK_HEARD, message->opcode, frame->payload, message->size);
    }
}

void link_receive(struct link *link, const uint8_t *data, uint32_t length, struct room *events)
{
    events->used = 0;
    for (uint32_t i = 0; i < length; i++) {
        struct frame frame;
        struct rejection rejection;
        switch (decoder_take(&link->decoder, data[i], &frame, &rejection)) {
        case FOUND_FRAME:
            if (frame.message->from_host) { /* a device's message is an echo of our own */
                take(link, &frame, events);
            }
            break;
        case FOUND_ERROR:
            reject(link, rejection.reason, rejection.detail);
            break;
        case FOUND_NOTHING:
        default:
            break;
        }
    }
}
