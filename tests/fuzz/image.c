/* Fuzz target: the decoders of all formats, every channel count, interpolation and a scaled size.
 */
#include <clade/data.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t sizes[3] = {1, 7, 96};
    uint8_t out[96 * 96 * 3];
    int32_t hwc[3];
    if (clade_image_size(data, size, "fuzz", hwc)) return 0;
    if ((int64_t)hwc[0] * hwc[1] > 1 << 20) return 0; /* slow, and nothing new */
    for (int i = 0; i < 18; i++) {
        int32_t side = sizes[i % 3];
        clade_status status = clade_image_decode(data, size, "fuzz", side, side, i & 1 ? 3 : 1,
                                                 (clade_interpolation)(i / 6), out);
        if (status && status != CLADE_EFORMAT) abort(); /* whatever the bytes, it is their fault */
    }
    return 0;
}
