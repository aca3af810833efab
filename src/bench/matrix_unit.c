/* Tries matrix units. A child process tries each unit for each kind of factors, so that a driver
 * whose compiler crashes or hangs costs only that unit. */
#define _POSIX_C_SOURCE 200809L
#include "bench/matrix_unit.h"

#include "bench/candidate.h"
#include "dev/device.h"
#include "op/call_text.h"

#include <clade/bench.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the child ---- */

/* For a program that does not build, keeps the compiler's line with the error, if there is one;
 * program and device are known. */
static clade_status shorten(clade_status status)
{
    const char *build = strstr(clade_error(), "does not build");
    const char *error = build ? strstr(build, "error") : NULL;
    char text[CLADE_CHILD_ANSWER];
    if (!build) return status;
    if (error)
        snprintf(text, sizeof text, "does not build: %.*s", (int)strcspn(error, "\n"), error);
    else
        snprintf(text, sizeof text, "%s", build);
    return clade_fail(status, "%s", text);
}

clade_status clade_matrix_unit_try(const char *device, const char *unit, const char *products)
{
    /* small and large tiles, aligned and unaligned rows, each kernel; and factors that are
     * subnormal in float16, which MI200's units treat as 0 (MIOpen, "MI200 MFMA behavior
     * specifics") */
    static const struct {
        const char *call;
        float scale;
    } tries[] = {
        {"dense x=70x52 w=52x40 b=40", 1},
        {"dense x=256x64 w=64x256 b=256", 1},
        {"conv2d x=2x9x11x3 w=3x3x3x18 b=18 pad=1,1,1,1", 1},
        {"conv2d_dx dy=2x9x11x12 w=3x3x5x12 dx=2x9x11x5 pad=1,1,1,1", 1},
        {"conv2d_dw x=2x10x11x8 dy=2x10x11x20 dw=3x3x8x20 db=20 pad=1,1,1,1", 1},
        {"dense x=70x52 w=52x40", 0x1p-15f},
    };
    if (setenv("CLADE_MATRIX_UNIT", unit, 1)) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < sizeof tries / sizeof *tries && !status; i++) {
        char text[CLADE_CALL_TEXT_SIZE];
        clade_call call;
        double seconds;
        snprintf(text, sizeof text, "%s products=%s", tries[i].call, products);
        status = clade_call_parse(text, &call);
        if (!status)
            status = clade_candidate_try(device, "matrix", &call, tries[i].scale, &seconds);
        if (status == CLADE_EMISMATCH) clade_context(status, "%s", text);
    }
    return shorten(status);
}

/* ---- its parent ---- */

const char *clade_child_failure(const clade_process_end *end, double limit, char *answer)
{
    char line[CLADE_CHILD_ANSWER];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(answer, "\n"), answer);
    if (end->hung)
        snprintf(answer, CLADE_CHILD_ANSWER, "took more than %.0f s", limit);
    else if (end->signal)
        snprintf(answer, CLADE_CHILD_ANSWER, "crashed (signal %d)", end->signal);
    else
        snprintf(answer, CLADE_CHILD_ANSWER, "%.400s", line[0] ? line : "failed without a word");
    return answer;
}

static clade_status try_unit(clade_device *device, size_t i, const clade_matrix_unit *unit,
                             const char *const *command, double seconds)
{
    const char *argv[32], *id = clade_device_describe(device)->id;
    size_t n = 0;
    for (; command[n] && n < 24; n++) argv[n] = command[n];
    argv[n++] = "unit";
    argv[n++] = id;
    argv[n++] = unit->name;
    argv[n++] = clade_factors_name((clade_factors)unit->products);
    argv[n] = NULL;
    char answer[CLADE_CHILD_ANSWER];
    clade_process_end end;
    clade_status status = clade_process_run(argv, seconds, answer, sizeof answer, &end);
    if (status) return status;
    const bool good = !end.hung && !end.signal && !end.exit;
    return device->table.judge_matrix_unit(
        device->context, i, good ? NULL : clade_child_failure(&end, seconds, answer));
}

clade_status clade_try_matrix_units(clade_device *device, clade_products products,
                                    const char *const *command, double seconds)
{
    clade_matrix_unit unit;
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && clade_device_matrix_unit(device, i, &unit); i++)
        if (!unit.judged && (!products || unit.products == products))
            status = try_unit(device, i, &unit, command, seconds);
    return status;
}
