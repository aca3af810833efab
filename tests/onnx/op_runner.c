/* Runs single ops for a test in another language, one request after the other, so that programs of
 * a device are built once. Any op works: names, slots and parameters come from the op table.
 *
 *   op_runner [--math exact|fast] [--strict] [--threads N] DEVICE  < requests  > replies
 *
 * A request is lines of text, a tensor's line followed by its raw bytes (host order, dense):
 *   op conv2d
 *   param stride 2 2                  parameters that are not named stay 0
 *   tensor x f32 4 1 5 5 3            dtype (f32, u8, i32), rank, dimensions
 *   output db f32 1 8                 an optional output, or one whose shape is the caller's to
 * give run The reply is "error TEXT", or "ok", one "tensor" line with bytes for each slot that the
 * op writes, and "end". Outputs begin as NaN (bytes 255), so that what an op leaves out is seen.
 * Exit status: 0 at the end of input, 77 without the device, 2 on a malformed request. */
#include <clade/device.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 28 };

typedef struct request {
    const clade_op_info *info;
    clade_args args;
    bool given[8]; /* by slot: has contents from the request */
} request;

/* Ends the program: the two sides no longer agree on where the stream is. */
static _Noreturn void malformed(const char *what, const char *line)
{
    fprintf(stderr, "op_runner: %s: %s\n", what, line);
    exit(2);
}

static const char *const dtype_names[] = {
    [CLADE_NONE] = "none", [CLADE_F32] = "f32", [CLADE_U8] = "u8", [CLADE_I32] = "i32"};

static void free_buffers(request *r)
{
    for (size_t i = 0; r->info && i < r->info->slot_count; i++)
        clade_buffer_destroy(&r->args.slot[i].buffer);
}

static size_t find_slot(const request *r, const char *name)
{
    if (!r->info) malformed("a tensor before the op", name);
    for (size_t i = 0; i < r->info->slot_count; i++)
        if (!strcmp(r->info->slots[i].name, name)) return i;
    malformed("no such slot", name);
}

/* Reads "NAME DTYPE RANK DIMENSIONS…" into the named slot's tensor and returns the slot. */
static size_t read_shape(request *r, char *text)
{
    const char *name = strtok(text, " "), *dtype = strtok(NULL, " "), *rank = strtok(NULL, " ");
    if (!name || !dtype || !rank) malformed("slot, dtype and rank expected", text);
    size_t slot = find_slot(r, name);
    clade_tensor *t = &r->args.slot[slot];
    if (clade_tensor_present(t)) malformed("slot given twice", name);
    for (int i = CLADE_F32; i <= CLADE_I32; i++)
        if (!strcmp(dtype, dtype_names[i])) t->dtype = (clade_dtype)i;
    t->rank = atoi(rank);
    if (!clade_tensor_present(t) || t->rank < 0 || t->rank > CLADE_MAX_RANK)
        malformed("bad dtype or rank", dtype);
    for (int i = 0; i < t->rank; i++) {
        const char *dim = strtok(NULL, " ");
        if (!dim || (t->dim[i] = atoi(dim)) < 1 || t->dim[i] > MAX_BYTES)
            malformed("bad dimension", name);
    }
    double bytes = 4;
    for (int i = 0; i < t->rank; i++) bytes *= t->dim[i];
    if (bytes > MAX_BYTES) malformed("tensor too large", name);
    return slot;
}

static void read_param(request *r, char *text)
{
    const char *name = strtok(text, " ");
    if (!r->info || !name) malformed("a parameter without op or name", text);
    const clade_param_info *p = NULL;
    for (size_t i = 0; i < r->info->param_count; i++)
        if (!strcmp(r->info->params[i].name, name)) p = &r->info->params[i];
    if (!p) malformed("no such parameter", name);
    char *at = (char *)&r->args + p->offset;
    for (size_t i = 0; i < p->count; i++) {
        const char *value = strtok(NULL, " ");
        if (!value) malformed("too few values", name);
        switch (p->type) {
        case CLADE_PARAM_clade_act:
        case CLADE_PARAM_clade_fill:
        case CLADE_PARAM_clade_products:
        case CLADE_PARAM_int32_t: ((int32_t *)at)[i] = (int32_t)strtol(value, NULL, 10); break;
        case CLADE_PARAM_uint32_t: ((uint32_t *)at)[i] = (uint32_t)strtoul(value, NULL, 10); break;
        case CLADE_PARAM_uint64_t: ((uint64_t *)at)[i] = strtoull(value, NULL, 10); break;
        case CLADE_PARAM_float: ((float *)at)[i] = strtof(value, NULL); break;
        }
    }
    if (strtok(NULL, " ")) malformed("too many values", name);
}

/* Makes the tensor's buffer, filled with the next bytes of the input or, without `input`, with 255.
 * The bytes are taken from the input whatever happens. */
static clade_status fill_tensor(clade_device *device, clade_tensor *t, FILE *input)
{
    size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    void *data = malloc(bytes);
    if (!data) malformed("no memory for a tensor", "");
    if (!input)
        memset(data, 255, bytes);
    else if (fread(data, 1, bytes, input) != bytes)
        malformed("input ends within a tensor", "");
    clade_status status = clade_buffer_create(device, bytes, &t->buffer);
    if (status == CLADE_OK) status = clade_tensor_write(t, data);
    free(data);
    return status;
}

static clade_status run(clade_device *device, request *r)
{
    clade_status status = clade_op_shape(r->info->op, &r->args);
    for (size_t i = 0; status == CLADE_OK && i < r->info->slot_count; i++)
        if (clade_tensor_present(&r->args.slot[i]) && !r->given[i])
            status = fill_tensor(device, &r->args.slot[i], NULL);
    if (status == CLADE_OK) status = clade_op_run(device, r->info->op, &r->args);
    if (status == CLADE_OK) status = clade_device_finish(device);
    return status;
}

/* One tensor's part of the reply. */
static clade_status reply(const char *name, const clade_tensor *t)
{
    size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    void *data = malloc(bytes);
    if (!data) return clade_fail(CLADE_ENOMEM, "%zu bytes for a reply", bytes);
    clade_status status = clade_tensor_read(t, data);
    if (status == CLADE_OK) {
        printf("tensor %s %s %d", name, dtype_names[t->dtype], t->rank);
        for (int i = 0; i < t->rank; i++) printf(" %d", t->dim[i]);
        printf("\n");
        fwrite(data, 1, bytes, stdout);
    }
    free(data);
    return status;
}

/* Reads one request and answers it; false at the end of input. */
static bool serve(clade_device *device)
{
    request r = {0};
    clade_status status = CLADE_OK;
    char line[512];
    for (;;) {
        if (!fgets(line, sizeof line, stdin)) {
            if (r.info) malformed("input ends within a request", r.info->name);
            return false;
        }
        char *end = strchr(line, '\n');
        if (!end) malformed("line too long", line);
        *end = 0;
        if (!strcmp(line, "run")) break;
        char *rest = strchr(line, ' ');
        if (!rest) malformed("unknown line", line);
        *rest++ = 0;
        if (!strcmp(line, "op") && !r.info) {
            clade_op op = clade_op_find(rest);
            if (op == CLADE_OP_none) malformed("no such op", rest);
            r.info = clade_op_describe(op);
        } else if (!strcmp(line, "param")) {
            read_param(&r, rest);
        } else if (!strcmp(line, "tensor")) {
            size_t slot = read_shape(&r, rest);
            r.given[slot] = true;
            clade_status filled = fill_tensor(device, &r.args.slot[slot], stdin);
            if (status == CLADE_OK) status = filled;
        } else if (!strcmp(line, "output")) {
            read_shape(&r, rest);
        } else {
            malformed("unknown line", line);
        }
    }
    if (!r.info) malformed("run without an op", "");
    if (status == CLADE_OK) status = run(device, &r);
    if (status == CLADE_OK) printf("ok\n");
    for (size_t i = 0; status == CLADE_OK && i < r.info->slot_count; i++)
        if (clade_slot_writes(r.info->slots[i].kind) && clade_tensor_present(&r.args.slot[i]))
            status = reply(r.info->slots[i].name, &r.args.slot[i]);
    if (status == CLADE_OK)
        printf("end\n");
    else
        printf("error %s: %s\n", clade_status_name(status), clade_error());
    fflush(stdout);
    free_buffers(&r);
    return true;
}

int main(int argc, char **argv)
{
    clade_device_options options = {.math = CLADE_EXACT};
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--strict")) {
            options.strict = true;
        } else if (!strcmp(argv[i], "--math")) {
            if (strcmp(value, "exact") && strcmp(value, "fast"))
                malformed("--math exact|fast", value);
            options.math = strcmp(value, "fast") ? CLADE_EXACT : CLADE_FAST;
            i++;
        } else if (!strcmp(argv[i], "--threads")) {
            options.threads = atoi(value);
            i++;
        } else {
            name = argv[i];
        }
    }
    if (!name) malformed("a device's name expected", "");
    clade_device *device = NULL;
    clade_status status = clade_device_open(name, &options, &device);
    if (status != CLADE_OK) {
        fprintf(stderr, "op_runner: %s: %s\n", clade_status_name(status), clade_error());
        return status == CLADE_ENODEVICE ? 77 : 2;
    }
    const clade_device_info *info = clade_device_describe(device);
    printf("ready %s: %s\n", info->id, info->name);
    fflush(stdout);
    while (serve(device)) continue;
    clade_device_close(&device);
    return 0;
}
