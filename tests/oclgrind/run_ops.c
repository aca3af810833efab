/* Runs every OpenCL kernel on as little data as possible, so that an interpreter of kernels can
 * watch it: the smallest case of every op by the kernels for GPUs, by those for CPUs, by each
 * algorithm that can be asked for, and in fast mode by those around matrix products and by a matrix
 * unit's emulation, and with tensors of 16 bits; then further ones until no kernel is left that was
 * not launched, and no algorithm of an op that was not run. Each result is compared with the
 * reference. Exit status 1: a wrong result, or a kernel or algorithm that no case reaches. With the
 * name of an op only its smallest case runs, by the kernels for GPUs, also in 16 bits, and those
 * that are its own. */
#define _GNU_SOURCE
#include "conform/conform.h"
#include "dev/device.h"
#include "opencl/program.h"
#include "opencl/source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_cases = 2048, most_names = 512, most_elements = 5000 };

/* A case of an op and how many elements its tensors have. */
typedef struct trial_case {
    const clade_op_info *info;
    const clade_case *test;
    size_t elements;
    bool transformed; /* computed by other kernels (clade_op_impl's transforms) */
    bool rounded;     /* its products have factors that a matrix unit takes */
    bool smallest;    /* of those of its op that are transformed, or are not */
} trial_case;

/* Convolution and dense, which fast mode may do by matrix products. */
static bool is_product(const clade_op_info *info)
{
    return !strcmp(info->family, "conv") || !strcmp(info->family, "dense");
}

/* "family/kernel" and "op/algorithm, kind of kernels", of those that exist and of those that ran.
 */
typedef struct name_list {
    char name[most_names][128];
    size_t count;
} name_list;

static bool has_name(const name_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->name[i], name)) return true;
    return false;
}

static void add_name(name_list *list, const char *name)
{
    if (has_name(list, name) || list->count == most_names) return;
    snprintf(list->name[list->count++], sizeof list->name[0], "%s", name);
}

/* ---- kernels ---- */

/* All kernels of the programs that were compiled. */
static void list_kernels(const opencl_context *cl, name_list *all)
{
    for (size_t i = 0; i < cl->program_count; i++) {
        char names[4096] = "", full[128];
        clade_icd.clGetProgramInfo(cl->programs[i]->program, CL_PROGRAM_KERNEL_NAMES,
                                   sizeof names - 1, names, NULL);
        for (char *name = strtok(names, ";"); name; name = strtok(NULL, ";")) {
            snprintf(full, sizeof full, "%.48s/%.64s", cl->programs[i]->family, name);
            add_name(all, full);
        }
    }
}

/* The names of those that were made, which is for a launch; names are unique. */
static name_list made;

static opencl_functions driver;

static cl_kernel CL_API_CALL note_kernel(cl_program program, const char *name, cl_int *error)
{
    add_name(&made, name);
    return driver.clCreateKernel(program, name, error);
}

/* Oclgrind builds one program at a time: it hangs when several threads do. */
static cl_int CL_API_CALL build_alone(cl_program program, cl_uint count,
                                      const cl_device_id *devices, const char *options,
                                      void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    cl_int error = driver.clBuildProgram(program, count, devices, options, notify, user);
    pthread_mutex_unlock(&mutex);
    return error;
}

static void watch_driver(void)
{
    const char *why;
    if (!clade_opencl_load(&why)) return;
    driver = clade_icd;
    clade_icd.clCreateKernel = note_kernel;
    clade_icd.clBuildProgram = build_alone;
}

static void list_launched(const name_list *all, name_list *launched)
{
    for (size_t i = 0; i < all->count; i++)
        if (has_name(&made, strchr(all->name[i], '/') + 1)) add_name(launched, all->name[i]);
}

/* ---- cases ---- */

/* Which of the device's kernels are to be used. */
typedef struct kind {
    const char *kernels, *algorithm, *limits; /* as in clade_device_options */
    const char *op;                           /* the only one, all of it; NULL: all ops */
    const char *unit;                         /* for it, all cases that are rounded */
    clade_dtype stored;                       /* 16 bits: no further cases */
    bool fast;
} kind;

static trial_case measure(const clade_op_info *info, const clade_case *test)
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    trial_case c = {.info = info, .test = test, .elements = SIZE_MAX};
    clade_args args, forward;
    if (clade_case_args(info, test, &args, &forward)) return c;
    c.elements = 0;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_tensor_present(&args.slot[i])) c.elements += clade_tensor_count(&args.slot[i]);
    c.transformed = impl->transforms && impl->transforms(&args);
    const int p = clade_param_find(info, "products");
    c.rounded = p >= 0 && *(const clade_products *)(const void *)((const char *)&args +
                                                                  info->params[p].offset);
    return c;
}

static int by_size(const void *a, const void *b)
{
    const trial_case *x = a, *y = b;
    if (x->elements != y->elements) return x->elements < y->elements ? -1 : 1;
    if (x->info != y->info) return x->info < y->info ? -1 : 1;
    return strcmp(x->test->name, y->test->name);
}

/* All cases of all ops, or of one, the smallest first. */
static size_t list_cases(trial_case *cases, size_t room, const char *only)
{
    size_t count = 0;
    for (int op = 0; op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        const clade_op_impl *source = clade_op_reference(clade_case_op(info));
        trial_case *smallest[2] = {NULL, NULL};
        if (only && strcmp(only, info->name) != 0) continue;
        for (size_t i = 0; i < source->case_count && count < room; i++) {
            if (source->cases[i].kind == CASE_TIMED) continue;
            trial_case *c = &cases[count++];
            *c = measure(info, &source->cases[i]);
            trial_case **least = &smallest[c->transformed];
            if (!*least || c->elements < (*least)->elements) *least = c;
        }
        for (int i = 0; i < 2; i++)
            if (smallest[i]) smallest[i]->smallest = true;
    }
    qsort(cases, count, sizeof *cases, by_size);
    return count;
}

/* The algorithms that there are for a product, and the one that it gets. */
static void list_algorithms(clade_device *device, const kind *k, const trial_case *c,
                            name_list *all, name_list *launched)
{
    const clade_op_slot *slot = &device->slot[c->info->op];
    clade_algorithm_choice choice = {.count = 0};
    clade_call call = {.op = c->info->op};
    clade_args forward;
    clade_plan plan = {0};
    char name[128];
    if (!is_product(c->info) || clade_case_args(c->info, c->test, &call.args, &forward) ||
        !slot->plan || slot->plan(device->context, &call.args, &plan))
        return;
    clade_device_choice(device, &call, &choice);
    if (plan.algorithm && !choice.count) choice.algorithms[choice.count++] = plan.algorithm;
    for (size_t i = 0; i < choice.count; i++) {
        snprintf(name, sizeof name, "%s/%s, %s", c->info->name, choice.algorithms[i], k->kernels);
        add_name(all, name);
        if (plan.algorithm && !strcmp(choice.algorithms[i], plan.algorithm))
            add_name(launched, name);
    }
    if (plan.state) device->table.discard(device->context, plan.state);
}

/* Runs one case and compares; false after telling what is wrong. */
static bool run_case(clade_device *device, bool bits, const trial_case *c)
{
    static const conform_layout layout = {.absent = -1, .in_place = -1};
    conform_problem *trial = NULL;
    conform_failure failure = {0};
    conform_tally tally = {0};
    void *got[conform_slots] = {0};
    clade_status status = clade_problem_create(c->info, c->test, CONFORM_RANDOM, 0, &trial);
    if (!status) status = clade_problem_stage(trial, device, &layout, got, &failure);
    if (!status) clade_problem_compare(trial, got, bits, &tally, &failure);
    for (int i = 0; i < conform_slots; i++) free(got[i]);
    clade_problem_destroy(&trial);
    if (status) printf("%s %s: %s\n", c->info->name, c->test->name, clade_error());
    if (failure.check)
        printf("%s %s: %s: %s\n", c->info->name, c->test->name, failure.check, failure.text);
    return !status && !failure.check;
}

/* The case in 16 bits; false: there is no such, or the device does not take it. */
static bool store(const clade_device *device, const kind *k, trial_case *c)
{
    static char text[CLADE_CALL_TEXT_SIZE];
    static clade_case stored;
    const clade_op_info *source = clade_op_describe(clade_case_op(c->info));
    clade_call call = {.op = c->info->op};
    clade_args forward;
    if (!clade_case_store(source, c->test, k->stored, text)) return false;
    stored = *c->test;
    stored.text = text + strlen(source->name);
    c->test = &stored;
    return !clade_case_args(c->info, c->test, &call.args, &forward) &&
           clade_device_takes_halves(device, &call);
}

/* A child process: one case on a device of its own. Kernels go to `to`, a line each. */
static int run_alone(const kind *k, trial_case c, FILE *to)
{
    static name_list all, launched;
    const clade_device_options options = {.group_size = k->unit ? 0 : 16, /* a unit's are large */
                                          .strict = true,
                                          .math = k->fast ? CLADE_FAST : CLADE_EXACT,
                                          .algorithm = k->algorithm,
                                          .kernels = k->kernels,
                                          .limits = k->limits};
    clade_device *device;
    if (setenv("CLADE_MATRIX_UNIT", k->unit ? k->unit : "none", 1) ||
        clade_device_open("opencl", &options, &device)) {
        printf("%s\n", clade_error());
        return 1;
    }
    if (k->stored && !store(device, k, &c)) {
        clade_device_close(&device);
        fclose(to);
        return 0;
    }
    bool right = run_case(device, !k->fast, &c);
    list_kernels(device->context, &all);
    list_launched(&all, &launched);
    list_algorithms(device, k, &c, &all, &launched);
    clade_device_close(&device);
    for (size_t i = 0; i < all.count; i++)
        fprintf(to, "%c%s\n", has_name(&launched, all.name[i]) ? '+' : '-', all.name[i]);
    fclose(to);
    return !right;
}

/* Oclgrind takes a buffer where a freed one was for the old one and reports values of it as not
 * initialised, so each case has its own process. */
static bool run_process(const kind *k, const trial_case *c, name_list *all, name_list *launched)
{
    int ends[2], status = 0;
    if (pipe(ends)) return false;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        int failed = run_alone(k, *c, fdopen(ends[1], "w"));
        fflush(stdout);
        _exit(failed);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    char line[160];
    while (from && fgets(line, sizeof line, from)) {
        line[strcspn(line, "\n")] = 0;
        add_name(all, line + 1);
        if (line[0] == '+') add_name(launched, line + 1);
    }
    if (from) fclose(from);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status))
        return WEXITSTATUS(status) == 0;
    printf("%s %s: its process did not end by itself\n", c->info->name, c->test->name);
    return false;
}

/* Could this op launch one of the kernels that are missing? They or their file are named after the
 * op or its family. */
static bool may_launch(const clade_op_info *info, bool fast, const name_list *all,
                       const name_list *launched)
{
    for (size_t i = 0; i < all->count; i++) {
        size_t n = strlen(info->family);
        if (has_name(launched, all->name[i])) continue;
        if (!strncmp(all->name[i], info->family, n) ||
            !strncmp(strchr(all->name[i], '/') + 1, info->family, n) ||
            strstr(all->name[i], info->name) || (fast && !strncmp(all->name[i], "gemm/", 5)))
            return true;
    }
    return false;
}

/* Has a kernel of the file been compiled? */
static bool is_compiled(const opencl_source *source, const name_list *all)
{
    const size_t n = strlen(source->family);
    for (size_t i = 0; i < all->count; i++)
        if (!strncmp(all->name[i], source->family, n) && all->name[i][n] == '/') return true;
    return false;
}

/* Is the case called as a file that no case has needed? */
static bool may_compile(const trial_case *c, const name_list *all)
{
    const opencl_source *s = clade_opencl_sources;
    while (s->family && strncmp(c->test->name, s->family, strlen(s->family)) != 0) s++;
    return s->family && !is_compiled(s, all);
}

/* The smallest cases of each op, of a kind's own op all that are not large; or, `further`, others
 * while kernels or files are missing. */
static int run_cases(const kind *k, bool further, const trial_case *cases, size_t count,
                     name_list *all, name_list *launched)
{
    int failures = 0;
    size_t runs = 0;
    for (size_t i = 0; i < count; i++) {
        const clade_op_info *info = cases[i].info;
        const bool own = k->op || k->unit; /* is it for some cases alone? */
        if (k->op && strcmp(k->op, info->name) != 0) continue;
        if (k->unit && !cases[i].rounded) continue;
        if (k->stored && further) continue;
        if (own ? further
                : cases[i].smallest == further ||
                      (k->algorithm && (cases[i].transformed || !is_product(info))))
            continue;
        if ((own || further) && cases[i].elements > most_elements) continue;
        if (further && !may_launch(info, k->fast, all, launched) && !may_compile(&cases[i], all))
            continue;
        failures += !run_process(k, &cases[i], all, launched);
        runs++;
    }
    const char *what = k->stored ? "16 bits" : k->algorithm ? k->algorithm : k->op;
    printf("%s kernels%s%s: %zu %scases, %d failed\n", k->kernels, what ? ", " : "",
           what ? what : "", runs, further ? "further " : "", failures);
    return failures;
}

/* Counts and tells the kernels and algorithms that were not reached, and the files that were not
 * compiled. */
static int count_missing(const name_list *all, const name_list *launched)
{
    int missing = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (has_name(launched, all->name[i])) continue;
        printf("no case reaches %s\n", all->name[i]);
        missing++;
    }
    for (const opencl_source *s = clade_opencl_sources; s->family; s++) {
        if (!strcmp(s->family, "peak") || is_compiled(s, all)) continue; /* peak: no op's */
        printf("no case needs kernels/%s.cl\n", s->family);
        missing++;
    }
    return missing;
}

int main(int argc, char **argv)
{
    static trial_case cases[most_cases];
    static name_list all, launched;
    const kind kinds[] = {
        {.kernels = "gpu"},
        {.kernels = "gpu", .stored = CLADE_F16},
        {.kernels = "cpu"},
        {.kernels = "cpu", .stored = CLADE_BF16},
        {.kernels = "gpu", .limits = "tiny", .op = "batchnorm_sum"}, /* folds */
        {.kernels = "gpu", .limits = "tiny", .op = "attention"},     /* groups with several rows */
        {.kernels = "gpu", .algorithm = "direct"},
        {.kernels = "gpu", .algorithm = "implicit"},
        {.kernels = "gpu", .algorithm = "gemm", .fast = true},
        {.kernels = "gpu", .algorithm = "matrix", .unit = "emulated-mma", .fast = true}};
    const size_t kind_count = sizeof kinds / sizeof *kinds,
                 count = list_cases(cases, most_cases, argc > 1 ? argv[1] : NULL);
    int failures = 0;
    watch_driver();
    for (size_t i = 0; argc > 1 && i < kind_count; i++)
        if (i < 2 || (kinds[i].op && !strcmp(kinds[i].op, argv[1])))
            failures += run_cases(&kinds[i], false, cases, count, &all, &launched);
    if (argc > 1) return failures != 0;
    for (int further = 0; further < 2; further++)
        for (size_t i = 0; i < kind_count; i++)
            failures += run_cases(&kinds[i], further, cases, count, &all, &launched);
    failures += count_missing(&all, &launched);
    printf("%zu kernels and algorithms, %zu reached\n", all.count, launched.count);
    return failures || !launched.count;
}
