/* Fuzz target: a run folder that a report is made of. The first byte says which file the rest is,
 * the others are sound; pages show what is in them as text, never as markup. */
#define _XOPEN_SOURCE 700
#include "base/file.h"

#include <clade/report.h>

#include "temporary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"recipe.yaml", "history.csv", "metrics.json"};
static const char *const sound[] = {
    "name: r\ninput: {size: 4}\nmodel: [flatten, dense: {units: classes, activation: softmax}]\n"
    "train: {loss: sparse_categorical_crossentropy, epochs: 3}\n",
    "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_second\n"
    "1,0.7,0.5,0.6,0.6,0.001,1.5,100\n2,0.6,0.6,0.5,0.7,0.001,1.5,100\n",
    "{\"classes\": [\"a\", \"b\"], \"data\": {\"path\": \"d\", \"validation\": 3}, \"epochs\": 2,"
    " \"validation\": {\"confusion\": [[1, 0], [1, 1]]}, \"parameters\": {\"trained\": 9}}"};
static const char marker[] = "<clade-fuzz"; /* seeds have it wherever there is text */

static void put(const char *folder, size_t file, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, names[file]);
    if (clade_file_write(path, bytes, size)) abort();
}

static void check_page(const char *folder, const char *name)
{
    enum { most = 1 << 26 };
    char path[128], *page;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (clade_file_read(path, most, (void **)&page, &size)) abort();
    if (strlen(page) != size || strstr(page, marker)) abort();
    free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { files = sizeof names / sizeof *names };
    char folder[64], other[80], page[96];
    if (size < 1) return 0;
    fuzz_temporary("report", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    snprintf(page, sizeof page, "%s/compare.html", folder);
    if (clade_folder_create(other)) abort();
    for (size_t i = 0; i < files; i++) {
        put(folder, i, sound[i], strlen(sound[i]));
        put(other, i, sound[i], strlen(sound[i]));
    }
    put(folder, data[0] % files, data + 1, size - 1);
    if (!clade_report_write(folder, NULL)) check_page(folder, "report.html");
    const char *const runs[] = {folder, other};
    if (!clade_report_compare(runs, 2, NULL, page)) check_page(folder, "compare.html");
    if (clade_folder_remove(folder)) abort();
    return 0;
}
