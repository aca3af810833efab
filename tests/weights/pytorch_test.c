/* PyTorch's files: tensors of every form, what is refused and how, and damage at every byte.
 *   pytorch-test FOLDER with the files that make_pytorch.py writes */
#define _XOPEN_SOURCE 700
#include "weights/pytorch.h"
#include "../test.h"
#include "base/file.h"

#include <stdlib.h>

static clade_status open_file(const char *folder, const char *name, clade_pytorch **out)
{
    char *path = clade_path_join(folder, name);
    clade_blob blob;
    clade_status status = clade_blob_open(path, &blob);
    *out = NULL;
    if (!status) status = clade_pytorch_open(&blob, out);
    free(path);
    return status;
}

/* What the tensors of make_pytorch.py are. */
static const struct {
    const char *name;
    int rank;
    int64_t shape[4];
    float value[8];
} tensors[] = {
    {"plain", 2, {2, 3}, {1, 1.25F, 1.5F, 1.75F, 2, 2.25F}},
    {"turned", 2, {3, 2}, {2, 2.25F, 2.5F, 2.75F, 3, 3.25F}},
    {"part", 2, {2, 2}, {-2, -1.75F, -1.5F, -1.25F}},
    {"steps", 1, {3}, {-2.75F, -1.5F, -0.25F}},
    {"image", 4, {1, 2, 2, 2}, {5, 5.25F, 5.5F, 5.75F, 6, 6.25F, 6.5F, 6.75F}},
    {"half", 1, {2}, {3, 3.25F}},
    {"brain", 1, {2}, {4, 4.25F}},
    {"wide", 1, {2}, {6, 6.25F}},
    {"one", 0, {0}, {7}},
    {"none", 2, {0, 2}, {0}},
    {"parameter", 1, {2}, {8, 8.25F}},
};
enum { tensor_count = sizeof tensors / sizeof *tensors };

static void check_tensors(const char *folder, const char *name)
{
    clade_pytorch *file;
    CHECK_OK(open_file(folder, name, &file));
    if (!file) return;
    CHECK(clade_pytorch_count(file) == tensor_count + 1);
    for (size_t i = 0; i < tensor_count && i < clade_pytorch_count(file); i++) {
        const clade_pytorch_tensor *t = clade_pytorch_at(file, i);
        float value[8] = {0};
        CHECK(!strcmp(t->name, tensors[i].name) && t->rank == tensors[i].rank);
        CHECK(!memcmp(t->shape, tensors[i].shape, (size_t)t->rank * sizeof *t->shape));
        if (t->count > 8) continue;
        CHECK_OK(clade_pytorch_floats(file, t, value));
        CHECK(!memcmp(value, tensors[i].value, sizeof value));
    }
    float value[2];
    CHECK_FAILS(clade_pytorch_floats(file, clade_pytorch_at(file, tensor_count), value),
                CLADE_EFORMAT, "'whole': expected floating-point numbers, found I64");
    clade_pytorch_destroy(&file);
}

/* What Python 2 and PyTorch 0.1 wrote. */
static void check_oldest(const char *folder)
{
    clade_pytorch *file;
    float weight[3], bias[2];
    CHECK_OK(open_file(folder, "python2.pth", &file));
    if (!file) return;
    CHECK(clade_pytorch_count(file) == 2);
    CHECK(!strcmp(clade_pytorch_at(file, 0)->name, "a.weight"));
    CHECK(!strcmp(clade_pytorch_at(file, 1)->name, "a.bias"));
    CHECK_OK(clade_pytorch_floats(file, clade_pytorch_at(file, 0), weight));
    CHECK_OK(clade_pytorch_floats(file, clade_pytorch_at(file, 1), bias));
    CHECK(weight[0] == 1 && weight[2] == 1.5F && bias[0] == 2 && bias[1] == 2.25F);
    clade_pytorch_destroy(&file);
}

static void check_refused(const char *folder)
{
    static const struct {
        const char *name, *part;
        clade_status status;
    } refused[] = {
        {"command.pth", "refers to os.system: not a file of tensors", CLADE_EUNSUPPORTED},
        {"command_old.pth", "refers to posix.system: not a file of tensors", CLADE_EUNSUPPORTED},
        {"command_4.pth", "refers to os.system: not a file of tensors", CLADE_EUNSUPPORTED},
        {"module.pth", "refers to __main__.Net: not a file of tensors", CLADE_EUNSUPPORTED},
        {"opcode.pth", "opcode 0x56 at byte", CLADE_EUNSUPPORTED},
        {"compressed.pth", "is compressed", CLADE_EUNSUPPORTED},
        {"big_endian.pth", "big-endian", CLADE_EUNSUPPORTED},
        {"missing.pth", "'x/data/0' in it is missing", CLADE_EFORMAT},
        {"short.pth", "'x/data/0' in it is cut short", CLADE_EFORMAT},
        {"old_size.pth", "a storage of another size", CLADE_EFORMAT},
        {"outside.pth", "'a': outside its storage", CLADE_EFORMAT},
        {"expanded.pth", "'a': larger than its storage", CLADE_EFORMAT},
        {"twice.pth", "'a': appears twice", CLADE_EFORMAT},
        {"no_pickle.pth", "no data.pkl", CLADE_EFORMAT},
        {"no_tensors.pth", "under its keys (epoch, loss)", CLADE_EFORMAT},
        {"itself.pth", "under its keys (model)", CLADE_EFORMAT},
        {"bare.pth", "no dict of tensors", CLADE_EFORMAT},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        clade_pytorch *file;
        CHECK_FAILS(open_file(folder, refused[i].name, &file), refused[i].status, refused[i].part);
        CHECK(!file && strstr(clade_error(), refused[i].name));
    }
}

static clade_status open_memory(const void *bytes, size_t size, clade_pytorch **out)
{
    clade_blob blob = clade_blob_of(bytes, size, "m.pth");
    return clade_pytorch_open(&blob, out);
}

/* Cut short anywhere, and with each byte of it changed: an error or tensors inside the file. */
static void check_damaged(const char *folder, const char *name)
{
    char *path = clade_path_join(folder, name);
    unsigned char *bytes = NULL;
    size_t size = 0;
    clade_pytorch *file;
    CHECK_OK(clade_file_read(path, 1 << 20, (void **)&bytes, &size));
    free(path);
    for (size_t n = 0; n < size; n++) {
        /* exactly as large, so that a sanitizer sees a read beyond it */
        unsigned char *piece = malloc(n ? n : 1);
        if (n) memcpy(piece, bytes, n);
        CHECK(open_memory(piece, n, &file) == CLADE_EFORMAT);
        free(piece);
    }
    for (size_t i = 0; i < size; i++)
        for (int change = 1; change < 256; change += 63) {
            bytes[i] ^= (unsigned char)change;
            clade_status status = open_memory(bytes, size, &file);
            for (size_t k = 0; !status && k < clade_pytorch_count(file); k++) {
                const clade_pytorch_tensor *t = clade_pytorch_at(file, k);
                CHECK(t->count <= size);
                float *values = malloc((t->count + 1) * sizeof *values);
                clade_pytorch_floats(file, t, values);
                free(values);
            }
            clade_pytorch_destroy(&file);
            bytes[i] ^= (unsigned char)change;
        }
    free(bytes);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    static const char *const forms[] = {"new.pth", "old.pth", "protocol4.pth", "checkpoint.pth"};
    for (size_t i = 0; i < 4; i++) check_tensors(argv[1], forms[i]);
    check_oldest(argv[1]);
    check_refused(argv[1]);
    check_damaged(argv[1], "hand.pth");
    check_damaged(argv[1], "old.pth");
    check_damaged(argv[1], "python2.pth");
    return TEST_END();
}
