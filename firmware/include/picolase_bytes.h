/* Little-endian bytes, and the few integer operations that the whole core shares. */
#ifndef PICOLASE_BYTES_H
#define PICOLASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#define BIT(number) (UINT64_C(1) << (number))

static inline void put_u8(uint8_t *at, uint8_t value)
{
    at[0] = value;
}

static inline void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value & 0xFFU);
    at[1] = (uint8_t)(value >> 8);
}

static inline void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, (uint16_t)(value & 0xFFFFU));
    put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void put_u64(uint8_t *at, uint64_t value)
{
    put_u32(at, (uint32_t)(value & UINT32_MAX));
    put_u32(at + 4, (uint32_t)(value >> 32));
}

/* A text of at most `size` characters, the rest filled with zeros. */
static inline void put_text(uint8_t *at, const char *text, uint32_t size)
{
    bool ended = false;
    for (uint32_t i = 0; i < size; i++) {
        ended = ended || text[i] == '\0';
        at[i] = ended ? 0 : (uint8_t)text[i];
    }
}

static inline uint8_t get_u8(const uint8_t *at)
{
    return at[0];
}

static inline uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_u32(const uint8_t *at)
{
    return get_u16(at) | (uint32_t)get_u16(at + 2) << 16;
}

static inline uint64_t get_u64(const uint8_t *at)
{
    return get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

/* An unsigned field of `width` bytes. */
static inline uint64_t get_wide(const uint8_t *at, uint32_t width)
{
    uint64_t value = 0;
    for (uint32_t i = width; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A reading saturated at what can be carried. */
static inline int64_t within(int64_t value, int64_t low, int64_t high)
{
    return most(low, least(high, value));
}

static inline int64_t magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

/* Division that rounds down, as the reference's: C rounds towards zero. `by` is positive. */
static inline int64_t floor_div(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

#endif
