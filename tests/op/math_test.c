/* kernels/math.clh against libm in double precision over a sweep of all floats, its special values,
 * Philox's published answers, and the same functions run by an OpenCL device, bit for bit. */
#include "config.h"
#include "../test.h"

#include "../../kernels/math.clh"
#include "../../kernels/philox.clh"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const float infinity = INFINITY;
#define SMALLEST 0x1p-126 /* normal number */

static float rcp(float x) { return math_rcp(x); }
static float rsqrt(float x) { return math_rsqrt(x); }
static float root(float x) { return math_sqrt(x); }
static float exponential(float x) { return math_exp(x); }
static float exponential_less_one(float x) { return math_expm1(x); }
static float logarithm(float x) { return math_log(x); }
static float sigmoid(float x) { return math_sigmoid(x); }
static float softplus(float x) { return math_softplus(x); }
static float hyperbolic(float x) { return math_tanh(x); }
static float error_function(float x) { return math_erf(x); }
/* The same divisor as in math_test.cl. */
static float divisor(float x) { return FLOAT_OF(BITS_OF(x) * 2654435761u + 12345u); }
static float division(float x) { return math_div(x, divisor(x)); }

static double exact_rcp(double x) { return 1 / x; }
static double exact_rsqrt(double x) { return 1 / sqrt(x); }
static double exact_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* In the order of math_test.cl. `ulps` is what math.clh promises. */
static const struct function {
    const char *name;
    float (*ours)(float);
    double (*exact)(double);
    double ulps;
    bool positive; /* defined for positive numbers only */
} functions[] = {
    {"rcp", rcp, exact_rcp, 0.51, false},
    {"rsqrt", rsqrt, exact_rsqrt, 1.01, true},
    {"sqrt", root, sqrt, 0.5, true},
    {"exp", exponential, exp, 0.95, false},
    {"log", logarithm, log, 0.95, true},
    {"sigmoid", sigmoid, exact_sigmoid, 2.8, false},
    {"tanh", hyperbolic, tanh, 1.6, false},
    {"erf", error_function, erf, 2.9, false},
    {"expm1", exponential_less_one, expm1, 1.7, false},
    {"softplus", softplus, exact_softplus, 1.8, false},
    {"div", division, NULL, 0.51, false},
};
enum { unary = 10, all = 11 };

/* The error of `y` in units of the last place of a float near `exact`. Where that is no normal
 * float, 0 if y is as near as it can be told: zero, subnormal or infinite as `exact` is. */
static double ulps_off(float y, double exact)
{
    if (fabs(exact) < SMALLEST) return fabs(y) < 2 * SMALLEST ? 0 : infinity;
    if (fabs(exact) > 0x1.fffffep127) return isinf(y) || fabsf(y) == 0x1.fffffep127f ? 0 : infinity;
    int exponent;
    frexp(exact, &exponent);
    return fabs(y - exact) / ldexp(1, exponent - 24);
}

/* Normal floats first, first + step, … to last, as bits. */
static void sweep(const struct function *f, u32 first, u32 last, u32 step)
{
    double worst = 0;
    float at = 0;
    unsigned count = 0;
    for (uint64_t bits = first; bits <= last; bits += step) {
        float x = FLOAT_OF((u32)bits);
        if (!isfinite(x) || fabsf(x) < SMALLEST || (f->positive && x < 0)) continue;
        double off = ulps_off(f->ours(x), f->exact(x));
        count++;
        if (!(off <= worst)) worst = off, at = x;
    }
    printf("%-8s %9u floats: %.3f ulp at %a\n", f->name, count, worst, (double)at);
    CHECK(count > 1000);
    CHECK(worst <= f->ulps);
}

static void test_errors(void)
{
    for (int i = 0; i < unary; i++) sweep(&functions[i], 0, UINT32_MAX, 4093);
    /* denser where a function changes its formula or is steep */
    for (int i = 0; i < unary; i++) {
        sweep(&functions[i], BITS_OF(0.3f), BITS_OF(3.0f), 61);
        if (!functions[i].positive) sweep(&functions[i], BITS_OF(-0.3f), BITS_OF(-3.0f), 61);
    }
    sweep(&functions[3], BITS_OF(1.0f), BITS_OF(89.0f), 211);
    sweep(&functions[3], BITS_OF(-1.0f), BITS_OF(-104.0f), 211);
    sweep(&functions[8], BITS_OF(1.0f), BITS_OF(89.0f), 211);
    sweep(&functions[8], BITS_OF(-1.0f), BITS_OF(-104.0f), 211);
    sweep(&functions[9], BITS_OF(-1.0f), BITS_OF(-104.0f), 211);
}

/* Quotients of numbers of all sizes, where 1 / b and a / b are normal. */
static void test_division(void)
{
    double worst = 0, worst_small = 0;
    unsigned count = 0, small = 0;
    u32 state = 1;
    for (int i = 0; i < 2000000; i++) {
        u32 a_bits = state = state * 1664525u + 1013904223u;
        u32 b_bits = state = state * 1664525u + 1013904223u;
        if (i % 4 == 0) a_bits = (a_bits & 0x83ffffffu) | 0x00800000u; /* small */
        float a = FLOAT_OF(a_bits), b = FLOAT_OF(b_bits);
        double exact = (double)a / b;
        if (!isfinite(a) || !isfinite(b) || fabsf(a) < SMALLEST || fabsf(b) < SMALLEST) continue;
        if (fabsf(b) > 0x1p126f || fabs(exact) < SMALLEST || fabs(exact) > 0x1.fffffep127) continue;
        double off = ulps_off(math_div(a, b), exact);
        if (fabsf(a) >= 0x1p-102f) {
            count++;
            if (!(off <= worst)) worst = off;
        } else {
            small++;
            if (!(off <= worst_small)) worst_small = off;
        }
    }
    printf("div      %9u pairs: %.3f ulp; %u with a small dividend: %.3f ulp\n", count, worst,
           small, worst_small);
    CHECK(count > 1000 && small > 1000);
    CHECK(worst <= 0.51);
    CHECK(worst_small <= 1.5);
    /* integers whose quotient is an integer, as counts are */
    for (int i = 1; i < 2000; i++)
        for (int j = 1; j < 50; j++) CHECK(math_div((float)(i * j), (float)j) == (float)i);
}

/* Hardware and iteration give the same bits. */
static void test_newton(void)
{
    for (u32 bits = BITS_OF(SMALLEST); bits < BITS_OF(infinity); bits += 1021) {
        const u32 ones = bits | 0x7fffffu;
        CHECK(BITS_OF(math_sqrt_newton(FLOAT_OF(bits))) == BITS_OF(math_sqrt(FLOAT_OF(bits))));
        if (ones > BITS_OF(0x1p126f)) continue;
        CHECK(BITS_OF(math_rcp_newton(FLOAT_OF(bits))) == BITS_OF(math_rcp(FLOAT_OF(bits))));
        CHECK(BITS_OF(math_rcp_newton(FLOAT_OF(ones))) == BITS_OF(math_rcp(FLOAT_OF(ones))));
    }
}

static bool minus(float x) { return BITS_OF(x) >> 31; }

static void test_special(void)
{
    const float subnormal = FLOAT_OF(0x00012345u), quiet = NAN;
    for (int i = 0; i < unary; i++) CHECK(isnan(functions[i].ours(quiet)));
    CHECK(isnan(math_div(quiet, 1.0f)) && isnan(math_div(1.0f, quiet)));

    CHECK(math_rcp(0.0f) == infinity && math_rcp(-0.0f) == -infinity);
    CHECK(math_rcp(subnormal) == infinity && math_rcp(-subnormal) == -infinity);
    CHECK(math_rcp(infinity) == 0 && !minus(math_rcp(infinity)));
    CHECK(math_rcp(-infinity) == 0 && minus(math_rcp(-infinity)));
    CHECK(math_rcp(0x1p127f) == 0 && math_rcp(-0x1p126f) == -0x1p-126f);

    CHECK(math_div(1.0f, 0.0f) == infinity && math_div(-1.0f, 0.0f) == -infinity);
    CHECK(isnan(math_div(0.0f, 0.0f)) && isnan(math_div(infinity, infinity)));
    CHECK(math_div(infinity, 2.0f) == infinity && math_div(2.0f, infinity) == 0);
    CHECK(math_div(0.0f, 3.0f) == 0);

    const float zeros[] = {0.0f, -0.0f, subnormal, -subnormal};
    for (int i = 0; i < 4; i++) {
        CHECK(math_rsqrt(zeros[i]) == infinity);
        CHECK(math_sqrt(zeros[i]) == 0);
        CHECK(math_log(zeros[i]) == -infinity);
        CHECK(math_exp(zeros[i]) == 1);
        CHECK(fabsf(math_expm1(zeros[i])) <= SMALLEST);
        CHECK(math_sigmoid(zeros[i]) == 0.5f);
        CHECK(math_softplus(zeros[i]) == 0x1.62e430p-1f);
        CHECK(fabsf(math_tanh(zeros[i])) <= SMALLEST);
        CHECK(fabsf(math_erf(zeros[i])) <= SMALLEST);
    }
    const float negatives[] = {-1.0f, -0x1p-126f, -0x1p127f, -infinity};
    for (int i = 0; i < 4; i++) {
        CHECK(isnan(math_rsqrt(negatives[i])));
        CHECK(isnan(math_sqrt(negatives[i])));
        CHECK(isnan(math_log(negatives[i])));
    }
    CHECK(math_rsqrt(infinity) == 0 && math_sqrt(infinity) == infinity);
    CHECK(math_log(infinity) == infinity && math_log(1.0f) == 0);
    CHECK(math_exp(infinity) == infinity && math_exp(-infinity) == 0);
    CHECK(math_exp(88.73f) == infinity && math_exp(88.72f) < infinity && math_exp(-88.0f) == 0);
    CHECK(math_expm1(infinity) == infinity && math_expm1(-infinity) == -1);
    CHECK(math_expm1(88.73f) == infinity && math_expm1(88.72f) < infinity);
    CHECK(math_sigmoid(infinity) == 1 && math_sigmoid(-infinity) == 0);
    CHECK(math_softplus(infinity) == infinity && math_softplus(-infinity) == 0);
    CHECK(math_softplus(0x1p127f) == 0x1p127f);
    CHECK(math_tanh(infinity) == 1 && math_tanh(-infinity) == -1);
    CHECK(math_erf(infinity) == 1 && math_erf(-infinity) == -1);
}

/* The vectors of Random123 (kat_vectors, philox4x32-10). */
static void test_philox(void)
{
    static const struct {
        u64 key;
        u32 counter[4], words[4];
    } known[] = {
        {0, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX,
         {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {UINT64_C(0x299f31d0a4093822),
         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const u32 *c = known[i].counter;
        philox4 four = philox(known[i].key, c[0], c[1], c[2], c[3]);
        for (int j = 0; j < 4; j++) CHECK(four.v[j] == known[i].words[j]);
    }
    CHECK(philox_unit(0) == 0 && philox_unit(0xff) == 0);
    CHECK(philox_unit(UINT32_MAX) == 1 - 0x1p-24f && philox_unit(0x80000000u) == 0.5f);
}

#ifdef CLADE_HAVE_OPENCL
#include "opencl/library.h"

enum { points = 1 << 18 };

static u32 *read_words(cl_command_queue queue, cl_mem memory, cl_kernel kernel, size_t words)
{
    size_t global = points;
    u32 *out = malloc(words * sizeof *out);
    if (!out ||
        clade_icd.clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL) ||
        clade_icd.clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, words * sizeof *out, out, 0, NULL,
                                      NULL)) {
        free(out);
        return NULL;
    }
    return out;
}

static void compare_functions(cl_command_queue queue, cl_mem memory, cl_kernel kernel)
{
    const cl_uint n = points;
    for (cl_uint which = 0; which < all; which++) {
        /* all of the floats sparsely, then those around 1 closely */
        static const cl_uint first[] = {77, 0x3f000000u}, step[] = {16381, 61};
        for (int pass = 0; pass < 2; pass++) {
            clade_icd.clSetKernelArg(kernel, 0, sizeof memory, &memory);
            clade_icd.clSetKernelArg(kernel, 1, sizeof n, &n);
            clade_icd.clSetKernelArg(kernel, 2, sizeof which, &which);
            clade_icd.clSetKernelArg(kernel, 3, sizeof *first, &first[pass]);
            clade_icd.clSetKernelArg(kernel, 4, sizeof *step, &step[pass]);
            u32 *bits = read_words(queue, memory, kernel, points);
            CHECK(bits);
            u32 differ = 0, example = 0;
            for (u32 i = 0; bits && i < n; i++) {
                u32 in = first[pass] + i * step[pass];
                float x = FLOAT_OF(in), ours = functions[which].ours(x);
                if (BITS_OF(ours) == bits[i] || (isnan(ours) && isnan(FLOAT_OF(bits[i])))) continue;
                if (!differ++) example = in;
            }
            if (differ)
                printf("%s: %u of %u differ on the device, first for bits %#x\n",
                       functions[which].name, differ, n, example);
            CHECK(differ == 0);
            free(bits);
        }
    }
}

static void compare_philox(cl_command_queue queue, cl_mem memory, cl_kernel kernel)
{
    const cl_uint n = points;
    const cl_ulong key = UINT64_C(0x0123456789abcdef);
    clade_icd.clSetKernelArg(kernel, 0, sizeof memory, &memory);
    clade_icd.clSetKernelArg(kernel, 1, sizeof n, &n);
    clade_icd.clSetKernelArg(kernel, 2, sizeof key, &key);
    u32 *words = read_words(queue, memory, kernel, 4 * (size_t)points);
    CHECK(words);
    u32 differ = 0;
    for (u32 i = 0; words && i < n; i++) {
        philox4 four = philox(key, i, 2 * i, 3 * i, 4 * i);
        differ += memcmp(four.v, &words[4 * (size_t)i], sizeof four.v) != 0;
    }
    CHECK(differ == 0);
    free(words);
}

static void compare_program(cl_context context, cl_device_id device, cl_command_queue queue,
                            cl_mem memory, const char *more)
{
    static const char *const source = "#include \"math_test.cl\"\n";
    char options[1024];
    cl_int error;
    cl_program program =
        clade_icd.clCreateProgramWithSource(context, 1, (const char **)&source, NULL, &error);
    CHECK(!error);
    snprintf(options, sizeof options, "-cl-std=CL1.2 -I " KERNELS " -I " TESTS "%s", more);
    error = clade_icd.clBuildProgram(program, 1, &device, options, NULL, NULL);
    CHECK(!error);
    cl_kernel bits = clade_icd.clCreateKernel(program, "math_bits", &error);
    CHECK(!error);
    cl_kernel words = clade_icd.clCreateKernel(program, "philox_words", &error);
    CHECK(!error);
    if (!error) {
        compare_functions(queue, memory, bits);
        compare_philox(queue, memory, words);
        clade_icd.clReleaseKernel(bits);
        clade_icd.clReleaseKernel(words);
    }
    clade_icd.clReleaseProgram(program);
}

static void test_device(void)
{
    cl_platform_id platforms[16];
    cl_device_id device = NULL;
    cl_uint count = 0;
    const char *why;
    if (!clade_opencl_load(&why) || clade_icd.clGetPlatformIDs(16, platforms, &count)) count = 0;
    for (cl_uint i = 0; i < count && i < 16 && !device; i++)
        if (clade_icd.clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &device, NULL))
            device = NULL;
    if (!device) {
        printf("no OpenCL device: its part is skipped\n");
        return;
    }
    cl_int error;
    cl_context context = clade_icd.clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    CHECK(!error);
    cl_command_queue queue = clade_icd.clCreateCommandQueue(context, device, 0, &error);
    CHECK(!error);
    cl_mem memory = clade_icd.clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof(u32) * 4 * points,
                                             NULL, &error);
    CHECK(!error);
    compare_program(context, device, queue, memory, "");
    cl_device_fp_config config = 0;
    clade_icd.clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL);
    if (config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT)
        compare_program(context, device, queue, memory,
                        " -DCLADE_DIVIDES -cl-fp32-correctly-rounded-divide-sqrt");
    clade_icd.clReleaseMemObject(memory);
    clade_icd.clReleaseCommandQueue(queue);
    clade_icd.clReleaseContext(context);
}
#else
static void test_device(void) { printf("built without OpenCL: its part is skipped\n"); }
#endif

int main(void)
{
    test_errors();
    test_division();
    test_newton();
    test_special();
    test_philox();
    test_device();
    return TEST_END();
}
