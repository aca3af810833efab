/* Saved models whose list of classes is odd. */
#define _XOPEN_SOURCE 700
#include "recipe/modelfile.h"
#include "weights/safetensors.h"

#include "../test.h"

#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/clade-modelfile-XXXXXX";

/* Opens a model that says these classes. */
static clade_status open_with(const char *classes)
{
    const clade_safetensors_pair pairs[] = {
        {"clade_format", "1"},
        {"recipe",
         "input: {size: 8}\nmodel: [flatten, {dense: {units: 3, activation: softmax}}]\n"},
        {"classes", classes}};
    clade_modelfile file;
    CHECK_OK(clade_safetensors_write(path, NULL, 0, pairs, sizeof pairs / sizeof *pairs));
    clade_status status = clade_modelfile_open(path, &file);
    if (!status) clade_modelfile_close(&file);
    return status;
}

int main(void)
{
    int file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    CHECK_OK(open_with("[\"ant\", \"bee\", \"Bee\"]"));
    CHECK_FAILS(open_with("[\"bee\", \"ant\", \"bee\"]"), CLADE_EFORMAT,
                "'classes' has 'bee' twice");
    CHECK_FAILS(open_with("[\"ant\"]"), CLADE_EFORMAT, "not a list of two or more names");
    CHECK_FAILS(open_with("[\"ant\", 3]"), CLADE_EFORMAT, "not a list of two or more names");
    CHECK_FAILS(open_with("{\"ant\": \"bee\"}"), CLADE_EFORMAT, "not a list of two or more names");
    CHECK_FAILS(open_with("[\"ant\", "), CLADE_EFORMAT, "not a list of two or more names");
    unlink(path);
    return TEST_END();
}
