/* Fuzz target: frozen vectors, and a call that lies in a folder. The first two bytes say of which
 * case the rest takes the place of which file, and whether with a digest that fits; the others are
 * as they were frozen. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "base/sha256.h"

#include <clade/conform.h>
#include <clade/verify.h>

#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { most_files = 16, hex_size = 65, few = 1 << 12, npy_head = 192 };

typedef struct frozen_file {
    char name[64];
    void *bytes;
    size_t size;
} frozen_file;

typedef struct frozen_case {
    const char *op, *name;
    frozen_file file[most_files]; /* SHA256SUMS, and those that it lists */
    size_t count;
} frozen_case;

/* Floats, small whole numbers, labels, 16 bits. */
static frozen_case frozen[] = {{.op = "dense_dw", .name = "one"},
                               {.op = "maxpool2d_dx", .name = "no-index"},
                               {.op = "softmax_xent", .name = "classes"},
                               {.op = "cast", .name = "of-f16"}};
static char home[64], recorded[128];
static clade_device *device;

static void must(clade_status status)
{
    if (!status) return;
    fprintf(stderr, "%s\n", clade_error());
    abort();
}

static clade_conform_summary run(const frozen_case *c, unsigned mode)
{
    clade_conform_summary summary;
    const clade_conform_options options = {
        .op = c->op, .case_name = c->name, .vectors = home, .modes = mode};
    must(clade_conform_run(&options, NULL, NULL, &summary));
    return summary;
}

static const char *path_of(const frozen_case *c, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/vectors.%s.%s/%s", home, c->op, c->name, name);
    return path;
}

static void put(const frozen_case *c, const frozen_file *f, const void *bytes, size_t size)
{
    must(clade_file_write(path_of(c, f->name), bytes, size));
}

/* Where a file lies for --repeat; NULL: one that is not read. */
static const char *recorded_path(const frozen_file *f)
{
    static char path[256];
    const bool input = !strncmp(f->name, "random/", 7) && strstr(f->name, ".in.npy");
    snprintf(path, sizeof path, "%s/%s", recorded, f->name + (input ? 7 : 0));
    return input || !strcmp(f->name, "call") ? path : NULL;
}

static void read_case(frozen_case *c)
{
    run(c, CLADE_CONFORM_FREEZE);
    snprintf(c->file[0].name, sizeof c->file[0].name, "SHA256SUMS");
    for (size_t i = 0; i <= c->count; i++) {
        frozen_file *f = &c->file[i];
        must(clade_file_read(path_of(c, f->name), few, &f->bytes, &f->size));
        const char *line = i ? NULL : f->bytes;
        for (; line && *line; line = strchr(line, '\n') + 1)
            if (++c->count == most_files || sscanf(line, "%*s  %63s", c->file[c->count].name) != 1)
                abort();
    }
    c->count++;
}

static void remove_all(void) { must(clade_folder_remove(home)); }

static void make_ready(void)
{
    if (device) return;
    atexit(remove_all);
    fuzz_temporary("vectors", home);
    snprintf(recorded, sizeof recorded, "%s/recorded", home);
    must(clade_folder_create(recorded));
    must(clade_device_open("cpu", &(clade_device_options){.threads = 1}, &device));
    for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++) read_case(&frozen[i]);
}

/* Puts the digest of other bytes where the file's was. */
static void put_digest(const frozen_case *c, const frozen_file *f, const void *bytes, size_t size)
{
    char hex[hex_size], *sums = clade_string_join(c->file[0].bytes, "");
    char *line = sums ? strstr(sums, f->name) : NULL;
    if (!line) abort();
    clade_sha256 hash;
    clade_sha256_start(&hash);
    clade_sha256_add(&hash, bytes, size);
    clade_sha256_end(&hash, hex);
    memcpy(line - hex_size - 1, hex, hex_size - 1);
    put(c, &c->file[0], sums, c->file[0].size);
    free(sums);
}

/* One that is small enough to be run many times a second. */
static bool is_small(void)
{
    void *text;
    size_t size;
    clade_call call;
    char path[256];
    snprintf(path, sizeof path, "%s/call", recorded);
    if (clade_file_read(path, CLADE_CALL_TEXT_SIZE, &text, &size)) return false;
    ((char *)text)[strcspn(text, "\n")] = 0;
    bool small = !clade_call_parse(text, &call);
    for (int i = 0; small && i < CLADE_MOST_SLOTS; i++)
        small = clade_tensor_count(&call.args.slot[i]) < few;
    free(text);
    return small;
}

/* What reads as a call gives what the reference gives. */
static void repeat(const frozen_case *c, const frozen_file *changed, const void *bytes, size_t size)
{
    if (!recorded_path(changed)) return;
    must(clade_folder_remove(recorded));
    must(clade_folder_create(recorded));
    for (size_t i = 0; i < c->count; i++) {
        const frozen_file *f = &c->file[i];
        const char *path = recorded_path(f);
        if (path)
            must(clade_file_write(path, f == changed ? bytes : f->bytes,
                                  f == changed ? size : f->size));
    }
    if (is_small() && clade_verify_repeat(device, recorded) == CLADE_EWRONG) must(CLADE_EWRONG);
}

/* May a case pass with these bytes in place of the file's? Only other numbers, with their digest.
 */
static bool may_pass(const frozen_file *f, const void *bytes, size_t size, bool fits)
{
    if (size != f->size) return false;
    if (!memcmp(bytes, f->bytes, size)) return true;
    return fits && strstr(f->name, ".npy") && !memcmp(bytes, f->bytes, npy_head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    make_ready();
    frozen_case *c = &frozen[data[0] % (sizeof frozen / sizeof *frozen)];
    frozen_file *f = &c->file[(data[1] & 127) % c->count];
    const bool fits = data[1] & 128 && f != &c->file[0];
    const void *bytes = data + 2;
    size -= 2;
    put(c, f, bytes, size);
    if (fits) put_digest(c, f, bytes, size);
    const clade_conform_summary s = run(c, CLADE_CONFORM_FROZEN);
    const bool same = size == f->size && !memcmp(bytes, f->bytes, size);
    if (s.passed + s.failed != 1 || (same && !s.passed)) abort();
    if (s.passed && !may_pass(f, bytes, size, fits)) abort();
    repeat(c, f, bytes, size);
    put(c, f, f->bytes, f->size);
    put(c, &c->file[0], c->file[0].bytes, c->file[0].size);
    return 0;
}
