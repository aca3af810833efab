/* Copies beside what is queued: reading at a point waits for what was queued before it, and not for
 * the rest; writing does not wait either, and loses nothing. */
#define _POSIX_C_SOURCE 200809L
#include "device.h"
#include "test.h"

#include "base/clock.h"

enum { length = 1 << 16, long_length = 1 << 24, fills = 40 };

static clade_call fill(clade_device *device, clade_buffer *buffer, int32_t count, float value)
{
    clade_tensor y = clade_shape(1, count);
    y.buffer = buffer;
    clade_call call = {.op = CLADE_OP_fill, .args.fill = {.y = y, .value = value}};
    CHECK_OK(clade_call_prepare(device, &call));
    CHECK_OK(clade_call_run(&call)); /* which builds its program */
    return call;
}

static void test_point(clade_device *device)
{
    static float values[length];
    clade_buffer *read = NULL, *other = NULL;
    void *point[2] = {NULL};
    CHECK_OK(clade_buffer_create(device, length * sizeof *values, &read));
    CHECK_OK(clade_buffer_create(device, long_length * sizeof *values, &other));
    clade_call wanted = fill(device, read, length, 7), later = fill(device, other, long_length, 3);
    CHECK_OK(clade_device_finish(device));
    const double begun = clade_clock();
    CHECK_OK(clade_call_run(&wanted));
    for (size_t i = 0; i < 2; i++) CHECK_OK(clade_device_point(device, &point[i]));
    for (int i = 0; i < fills; i++) CHECK_OK(clade_call_run(&later));
    CHECK(point[0] && point[1]);
    CHECK_OK(clade_buffer_read_at(read, point[0], sizeof *values, values + 1,
                                  sizeof values - sizeof *values));
    const double at_point = clade_clock() - begun;
    CHECK_OK(clade_buffer_read_at(read, point[1], 0, NULL, 0)); /* given up */
    CHECK_OK(clade_device_finish(device));
    const double all = clade_clock() - begun;
    int wrong = values[0] != 0;
    for (int i = 1; i < length; i++) wrong += values[i] != 7;
    CHECK(wrong == 0);
    printf("%.1f ms, of %.1f\n", 1e3 * at_point, 1e3 * all);
    CHECK(at_point < 0.75 * all);
    wanted.args.fill.value = 8; /* planned anew, and queued behind the rest */
    CHECK_OK(clade_call_prepare(device, &wanted));
    for (int i = 0; i < fills; i++) CHECK_OK(clade_call_run(&later));
    CHECK_OK(clade_call_run(&wanted));
    CHECK_OK(clade_device_point(device, &point[0]));
    CHECK_OK(clade_buffer_read_at(read, point[0], 0, values, sizeof values));
    for (int i = 0; i < length; i++) wrong += values[i] != 8;
    CHECK(wrong == 0);
    CHECK_OK(clade_device_point(device, &point[0]));
    CHECK_FAILS(clade_buffer_read_at(read, point[0], sizeof values, values, 4), CLADE_EINVAL,
                "outside");
    clade_call_release(&wanted);
    clade_call_release(&later);
    clade_buffer_destroy(&read);
    clade_buffer_destroy(&other);
}

/* Writes return before the device has copied: what each was given arrives, however many wait behind
 * a launch, and whatever their source holds by then. */
static void test_writes(clade_device *device)
{
    enum { writes = 100, part = length / writes };
    static float values[length], source[part];
    clade_buffer *written = NULL, *other = NULL;
    CHECK_OK(clade_buffer_create(device, length * sizeof *values, &written));
    CHECK_OK(clade_buffer_create(device, long_length * sizeof *values, &other));
    clade_call later = fill(device, other, long_length, 3);
    for (int i = 0; i < writes; i++) {
        if (i % 4 == 0) CHECK_OK(clade_call_run(&later));
        for (int k = 0; k < part; k++) source[k] = (float)(i * part + k);
        CHECK_OK(clade_buffer_write(written, (size_t)i * sizeof source, source, sizeof source));
    }
    memset(source, 0, sizeof source);
    CHECK_OK(clade_buffer_read(written, 0, values, sizeof values));
    int wrong = 0;
    for (int i = 0; i < writes * part; i++) wrong += values[i] != (float)i;
    CHECK(wrong == 0);
    clade_call_release(&later);
    clade_buffer_destroy(&written);
    clade_buffer_destroy(&other);
}

/* The processor has computed what it was given: it reads now. */
static void test_without(void)
{
    clade_device *cpu = NULL;
    clade_buffer *read = NULL;
    void *point;
    float value = 0;
    CHECK_OK(clade_device_open("cpu", NULL, &cpu));
    CHECK_OK(clade_buffer_create(cpu, sizeof value, &read));
    clade_call wanted = fill(cpu, read, 1, 5);
    CHECK_OK(clade_device_point(cpu, &point));
    CHECK(!point);
    CHECK_OK(clade_buffer_read_at(read, point, 0, &value, sizeof value));
    CHECK(value == 5);
    clade_call_release(&wanted);
    clade_buffer_destroy(&read);
    clade_device_close(&cpu);
}

int main(void)
{
    clade_device *device = NULL;
    test_without();
    if (!has_opencl()) return skipped;
    CHECK_OK(clade_device_open("opencl", NULL, &device));
    if (device) {
        test_point(device);
        test_writes(device);
    }
    clade_device_close(&device);
    return TEST_END();
}
