/* CRC32 and CRC32C steps, bit by bit: Arm ARM C3.4.9 "CRC32", polynomials reflected. */
#ifndef A64_CRC32_H
#define A64_CRC32_H

#include <stdbool.h>
#include <stdint.h>

uint32_t a64_crc32(uint32_t crc, uint64_t data, uint32_t bytes, bool castagnoli);

#endif
