/* CRC-32C (Castagnoli), as defined by iSCSI: the checksum of TFRecord files. */
#ifndef CLADE_BASE_CRC32C_H
#define CLADE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Source: RFC 3720, 12.1: polynomial 0x1EDC6F41, bits reflected, start and end inverted. */
uint32_t clade_crc32c(const void *bytes, size_t size);

#endif
