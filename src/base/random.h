/* Random numbers that depend only on (seed, stream, position), never on order or thread. */
#ifndef CLADE_BASE_RANDOM_H
#define CLADE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a number is used for; keeps the sequences of one seed independent. */
typedef enum clade_stream {
    CLADE_STREAM_INIT = 1, /* initial weights */
    CLADE_STREAM_SHUFFLE,
    CLADE_STREAM_SPLIT,
    CLADE_STREAM_AUGMENT,
    CLADE_STREAM_DROPOUT,
    CLADE_STREAM_SHAPES, /* rendered images */
    CLADE_STREAM_CONFORM,
    CLADE_STREAM_TUNE,
    CLADE_STREAM_INSPECT, /* images to show */
    CLADE_STREAM_VERIFY,  /* calls to repeat on the reference */
    CLADE_STREAM_CROP,
    CLADE_STREAM_ERASE,
    CLADE_STREAM_COLOUR,
    CLADE_STREAM_MIX, /* mixing of batches */
    CLADE_STREAM_POLICY,
    CLADE_STREAM_CHAINS
} clade_stream;

/* Gives four random words for (seed, stream, a, b): a 64-bit and a 32-bit position. */
void clade_random_words(uint64_t seed, clade_stream stream, uint64_t a, uint32_t b,
                        uint32_t out[4]);

/* A generator that steps through b = 0, 1, 2, … for one (seed, stream, a). */
typedef struct clade_random {
    uint64_t seed, a;
    clade_stream stream;
    uint32_t b, left;
    uint32_t words[4];
} clade_random;

clade_random clade_random_start(uint64_t seed, clade_stream stream, uint64_t a);
uint32_t clade_random_u32(clade_random *r);
float clade_random_unit(clade_random *r);                           /* [0, 1) */
float clade_random_uniform(clade_random *r, float low, float high); /* [low, high) */
/* Draw n of these in sequence. */
void clade_random_fill_uniform(clade_random *r, float low, float high, float *out, size_t n);
float clade_random_normal(clade_random *r);               /* mean 0, deviation 1 */
uint32_t clade_random_below(clade_random *r, uint32_t n); /* [0, n), unbiased; n > 0 */

#endif
