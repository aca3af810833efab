/* What Clade comes with for families of devices: all of it is understood, what was measured on the
 * very device goes before it, and what is exported is of the same form. */
#define _XOPEN_SOURCE 700
#include "device.h"
#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "dev/device.h"
#include "op/call_text.h"
#include "opencl/tuning_cache.h"

#include <clade/bench.h>

#include <stdlib.h>

static const char *const first = "dense x=4x8 w=8x3 y=4x3", *const second =
                                                                "dense x=5x8 w=8x3 y=5x3";

static opencl_shipped shipped(const char *text)
{
    return (opencl_shipped){"test", (const unsigned char *)text, strlen(text)};
}

static const char *tuned(const opencl_tuning *t, const char *text, bool exact)
{
    clade_call call;
    CHECK_OK(clade_call_parse(text, &call));
    const char *name = clade_opencl_tuned(t, call.op, &call.args, exact);
    return name ? name : "none";
}

static void test_all(opencl_context *cl)
{
    size_t count = 0;
    for (const opencl_shipped *s = clade_opencl_shipped; s->family; s++, count++) {
        opencl_tuning *t = NULL;
        CHECK_OK(clade_opencl_tuning_open(cl, false, &t));
        const bool good = t && clade_opencl_tuning_take(cl, t, s);
        if (!good) printf("kernels/tuning/%s.json is not understood\n", s->family);
        CHECK(good);
        clade_opencl_tuning_close(t);
    }
    CHECK(count > 0);
}

static void test_damaged(opencl_context *cl)
{
    static const char *const texts[] = {
        "", "{\"family\": \"test\"}",
        "{\"calls\": {\"dense x=4x8 w=8x3 y=4x3\": {\"algorithm\": \"magic\"}}}",
        "{\"calls\": {\"dense x=4x8 w=9x3 y=4x3\": {\"algorithm\": \"direct\"}}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        opencl_tuning *t = NULL;
        const opencl_shipped wrong = shipped(texts[i]);
        CHECK_OK(clade_opencl_tuning_open(cl, false, &t));
        CHECK(t && !clade_opencl_tuning_take(cl, t, &wrong));
        clade_opencl_tuning_close(t);
    }
}

/* Keeps for the first call that one algorithm is faster. */
static void measure(clade_device *device, const char *faster, const char *slower)
{
    clade_call call;
    const clade_algorithm_timing timing[] = {{slower, 2e-3, NULL}, {faster, 1e-3, NULL}};
    CHECK_OK(clade_call_parse(first, &call));
    CHECK_OK(clade_device_choose(device, &call, timing, 2));
}

static void test_order(clade_device *device)
{
    opencl_context *cl = device->context;
    opencl_tuning *t = NULL;
    const opencl_shipped family =
        shipped("{\"calls\": {\"dense x=4x8 w=8x3 y=4x3\": {\"algorithm\": \"gemm\", \"tried\": "
                "{\"gemm\": 1}},"
                " \"dense x=5x8 w=8x3 y=5x3\": {\"algorithm\": \"gemm\","
                " \"tried\": {\"gemm\": 1, \"direct\": 3, \"implicit\": 2}}}}");
    measure(device, "direct", "gemm");
    CHECK_OK(clade_opencl_tuning_open(cl, true, &t));
    CHECK(!strcmp(tuned(t, first, false), "direct"));
    CHECK(!strcmp(tuned(t, second, false), "none"));
    CHECK(clade_opencl_tuning_take(cl, t, &family));
    CHECK(!strcmp(tuned(t, first, false), "direct"));
    CHECK(!strcmp(tuned(t, second, false), "gemm"));
    CHECK(!strcmp(tuned(t, second, true), "implicit"));
    clade_opencl_tuning_close(t);
}

static void test_export(clade_device *device, const char *folder)
{
    clade_device_info info;
    char *path = clade_path_join(folder, "exported.json");
    CHECK_FAILS(clade_tune_device_export("opencl", path, &info), CLADE_EUNSUPPORTED,
                "nothing was measured");
    CHECK_FAILS(clade_tune_device_export("cpu", path, &info), CLADE_EUNSUPPORTED,
                "nothing to choose");
    test_order(device);
    CHECK_OK(clade_tune_device_export("opencl", path, &info));
    CHECK(info.family[0] && info.measured == 1);
    CHECK(strspn(info.family, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(info.family));
    CHECK_FAILS(clade_tune_device_export("opencl", path, &info), CLADE_EINVAL, "already exists");
    void *text = NULL;
    size_t size = 0;
    cJSON *root = NULL;
    opencl_tuning *t = NULL;
    CHECK_OK(clade_file_read(path, 1 << 20, &text, &size));
    CHECK_OK(clade_json_parse(text, size, path, NULL, &root));
    const char *family = cJSON_GetStringValue(cJSON_GetObjectItem(root, "family"));
    CHECK(family && !strcmp(family, info.family));
    CHECK_OK(clade_opencl_tuning_open(device->context, false, &t));
    CHECK(clade_opencl_tuning_take(device->context, t, &(opencl_shipped){"test", text, size}));
    CHECK(!strcmp(tuned(t, first, false), "direct"));
    clade_opencl_tuning_close(t);
    cJSON_Delete(root);
    free(text);
    free(path);
}

int main(void)
{
    char folder[] = "/tmp/clade-tuning-XXXXXX";
    clade_device *device = NULL;
    if (!has_opencl()) return skipped;
    if (!mkdtemp(folder) || setenv("XDG_CACHE_HOME", folder, 1)) return 1;
    CHECK_OK(clade_device_open("opencl", &(clade_device_options){.math = CLADE_FAST}, &device));
    if (device) {
        test_all(device->context);
        test_damaged(device->context);
        test_export(device, folder);
    }
    clade_device_close(&device);
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
