/* Recognises files by their first bytes. */
#define _GNU_SOURCE
#include "base/content.h"

#include <string.h>

#define ONNX_ELSE "export the net as ONNX"

static const struct {
    size_t at, size;
    const char *bytes, *inside, *hint; /* `inside`: what else its beginning must contain */
} kinds[] = {
    {0, 8, "\x89HDF\r\n\x1a\n", NULL,
     "; this is HDF5: Keras weights go to backbone.weights; for a whole net, " ONNX_ELSE},
    {0, 4, "PK\3\4", "data.pkl",
     "; this is a PyTorch file: weights of a backbone go to backbone.weights; for a whole "
     "net, " ONNX_ELSE " (torch.onnx.export)"},
    {0, 4, "PK\3\4", "metadata.json",
     "; this is a Keras file: weights of a backbone go to backbone.weights; for a whole "
     "net, " ONNX_ELSE},
    {0, 4, "PK\3\4", NULL, "; this is a zip archive: images go to --data"},
    {0, 2, "\x80\2", NULL,
     "; this is a Python pickle: PyTorch weights of a backbone go to backbone.weights; for a whole "
     "net, " ONNX_ELSE},
    {4, 4, "TFL3", NULL, "; this is TensorFlow Lite: " ONNX_ELSE},
    {0, 4, "GGUF", NULL, "; this is GGUF, which Clade cannot read"},
    {8, 2, "{\"", NULL, "; this is safetensors: a Clade model, or weights for backbone.weights"},
    {0, 3, "\xff\xd8\xff", NULL, "; this is a JPEG image"},
    {0, 4, "\x89PNG", NULL, "; this is a PNG image"},
    {0, 2, "\x1f\x8b", NULL, "; this is a gzip archive: images go to --data"},
    {0, 6,
     "\xfd"
     "7zXZ",
     NULL, "; this is an xz archive: images go to --data"},
    {0, 6, "7z\xbc\xaf\x27\x1c", NULL, "; this is a 7z archive: repack it as zip or tar"},
    {0, 4, "Rar!", NULL, "; this is a RAR archive: repack it as zip or tar"},
};

const char *clade_content_hint(const void *bytes, size_t size)
{
    if (size > clade_content_bytes) size = clade_content_bytes;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (size < kinds[i].at + kinds[i].size ||
            memcmp((const char *)bytes + kinds[i].at, kinds[i].bytes, kinds[i].size))
            continue;
        if (kinds[i].inside && !memmem(bytes, size, kinds[i].inside, strlen(kinds[i].inside)))
            continue;
        return kinds[i].hint;
    }
    return "";
}
