/* CRC-32 by half bytes: sixteen words of table are worth their room, a kilobyte would not be. */
#include "crc.h"

static const uint32_t OF_NIBBLE[16] = {
    0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU, 0x76DC4190U, 0x6B6B51F4U, 0x4DB26158U, 0x5005713CU,
    0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U, 0xCB61B38CU, 0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU,
};

uint32_t crc32_after(uint32_t before, const uint8_t *bytes, uint32_t length)
{
    uint32_t crc = ~before;
    for (uint32_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ OF_NIBBLE[crc & 0xFU];
        crc = crc >> 4 ^ OF_NIBBLE[crc & 0xFU];
    }
    return ~crc;
}
