/* CRC-32, the one of zip and Ethernet. */
#ifndef PICOLASE_CRC_H
#define PICOLASE_CRC_H

#include <stdint.h>

/* The CRC of `length` bytes that follow those whose CRC is `before`; 0 before the first. */
uint32_t crc32_after(uint32_t before, const uint8_t *bytes, uint32_t length);

#endif
