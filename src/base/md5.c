/* MD5. Source: RFC 1321, 3. */
#include "base/md5.h"

#include <stdio.h>
#include <string.h>

/* T[i] = floor(2^32 · |sin(i + 1)|). */
static const uint32_t table[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void mix(uint32_t state[4], const uint8_t *block)
{
    static const int shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t word[16], a = state[0], b = state[1], c = state[2], d = state[3];
    for (int i = 0; i < 16; i++)
        word[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
                  (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
    for (int i = 0; i < 64; i++) {
        const int round = i / 16;
        uint32_t f;
        int k;
        switch (round) {
        case 0: f = (b & c) | (~b & d), k = i; break;
        case 1: f = (b & d) | (c & ~d), k = (5 * i + 1) % 16; break;
        case 2: f = b ^ c ^ d, k = (3 * i + 5) % 16; break;
        default: f = c ^ (b | ~d), k = 7 * i % 16; break;
        }
        f += a + table[i] + word[k];
        a = d;
        d = c;
        c = b;
        b += rotate(f, shifts[round][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void clade_md5_start(clade_md5 *hash)
{
    *hash = (clade_md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void clade_md5_add(clade_md5 *hash, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    while (size > 0) {
        size_t at = (size_t)(hash->bytes % 64), n = 64 - at < size ? 64 - at : size;
        memcpy(hash->block + at, p, n);
        hash->bytes += n;
        p += n;
        size -= n;
        if (hash->bytes % 64 == 0) mix(hash->state, hash->block);
    }
}

void clade_md5_end(clade_md5 *hash, char hex[33])
{
    static const uint8_t padding[64] = {0x80};
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(8 * hash->bytes >> (8 * i));
    clade_md5_add(hash, padding, 1 + (size_t)((119 - hash->bytes % 64) % 64));
    clade_md5_add(hash, length, sizeof length);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)(hash->state[i / 4] >> (8 * (i % 4)) & 255));
}
