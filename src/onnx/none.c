/* Without protobuf-c there is no ONNX. */
#include "weights/network.h"

clade_status clade_onnx_read(const char *path, const void *bytes, size_t size,
                             const clade_network_options *options, clade_network **out)
{
    (void)bytes, (void)size, (void)options;
    *out = NULL;
    return clade_fail(CLADE_EUNSUPPORTED, "%s: this build cannot use ONNX (it needs protobuf-c)",
                      path);
}

clade_status clade_network_write_onnx(const clade_network *network,
                                      const clade_onnx_options *options, const char *path)
{
    (void)network, (void)options;
    return clade_fail(CLADE_EUNSUPPORTED, "%s: this build cannot use ONNX (it needs protobuf-c)",
                      path);
}
