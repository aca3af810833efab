/* A comparison as text, JSON and CSV. */
#include "compare.h"
#include "json_print.h"
#include "output_file.h"
#include "session.h"
#include "shown.h"

#include <clade/report.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- text --- */

void compare_print_row(const compare_row *row)
{
    if (row->error[0])
        printf("%s: failed: %s\n", shown(row->name), shown(row->error));
    else
        printf("%s: accuracy %.4f in epoch %d of %d, %.1f s\n", shown(row->name), row->accuracy,
               row->best_epoch, row->epochs, row->seconds);
    fflush(stdout);
}

void compare_print_best(const compare *c)
{
    char parameters[32], trained[32];
    int width = 8;
    for (size_t i = 0; i < c->count; i++)
        if ((int)strlen(c->row[i].name) > width) width = (int)strlen(c->row[i].name);
    printf("\n%-*s  accuracy    loss  epoch  seconds   parameters      trained      MB\n", width,
           "backbone");
    for (size_t i = 0; i < c->count; i++) {
        const compare_row *row = &c->row[i];
        if (row->error[0]) {
            printf("%-*s  failed\n", width, shown(row->name));
            continue;
        }
        printf("%-*s  %8.4f  %6.4f  %5d  %7.1f  %11s  %11s  %6.1f%s\n", width, shown(row->name),
               row->accuracy, row->loss, row->best_epoch, row->seconds,
               session_thousands(row->parameters, parameters),
               session_thousands(row->trained, trained), (double)row->bytes / 1e6,
               row == c->best ? "  best" : "");
    }
    if (!c->best) return;
    printf("\nBest by %s accuracy: %s (%s)\n", c->best->has_validation ? "validation" : "training",
           shown(c->best->name), shown(c->best->folder));
    if (c->tested)
        printf("On %zu test images: accuracy %.4f, loss %.4f\n", c->tested, c->test_accuracy,
               c->test_loss);
    else
        printf("No test images to measure it on.\n");
}

/* --- JSON --- */

static cJSON *row_to_json(const compare_row *row)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", row->name);
    cJSON_AddStringToObject(object, "backbone", row->backbone);
    cJSON_AddStringToObject(object, "folder", row->folder);
    if (row->error[0]) {
        cJSON_AddStringToObject(object, "error", row->error);
        return object;
    }
    cJSON_AddStringToObject(object, "split", row->has_validation ? "validation" : "train");
    cJSON_AddNumberToObject(object, "accuracy", row->accuracy);
    cJSON_AddNumberToObject(object, "loss", row->loss);
    cJSON_AddNumberToObject(object, "best_epoch", row->best_epoch);
    cJSON_AddNumberToObject(object, "epochs", row->epochs);
    cJSON_AddNumberToObject(object, "seconds", row->seconds);
    cJSON_AddNumberToObject(object, "parameters", (double)row->parameters);
    cJSON_AddNumberToObject(object, "trained", (double)row->trained);
    cJSON_AddNumberToObject(object, "bytes", (double)row->bytes);
    return object;
}

static cJSON *to_tree(const compare *c)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "recipe", c->recipe);
    cJSON *rows = cJSON_AddArrayToObject(root, "backbones");
    for (size_t i = 0; i < c->count && c->row[i].folder; i++)
        clade_json_append(rows, row_to_json(&c->row[i]));
    if (c->best) cJSON_AddStringToObject(root, "best", c->best->name);
    if (c->tested) {
        cJSON *test = cJSON_AddObjectToObject(root, "test");
        cJSON_AddNumberToObject(test, "images", (double)c->tested);
        cJSON_AddNumberToObject(test, "accuracy", c->test_accuracy);
        cJSON_AddNumberToObject(test, "loss", c->test_loss);
    }
    return root;
}

void compare_print_json(const compare *c) { json_print(to_tree(c), false); }

/* --- files --- */

/* A field in quotes, those within it doubled. */
static void write_field(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void write_csv(FILE *to, const compare *c)
{
    fprintf(to, "name,backbone,accuracy,loss,best_epoch,epochs,seconds,parameters,trained,bytes,"
                "error\n");
    for (size_t i = 0; i < c->count && c->row[i].folder; i++) {
        const compare_row *row = &c->row[i];
        write_field(to, row->name);
        fputc(',', to);
        write_field(to, row->backbone);
        if (row->error[0])
            fprintf(to, ",,,,,,,,,");
        else
            fprintf(to, ",%.9g,%.9g,%d,%d,%.3f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", row->accuracy,
                    row->loss, row->best_epoch, row->epochs, row->seconds, row->parameters,
                    row->trained, row->bytes);
        write_field(to, row->error);
        fputc('\n', to);
    }
}

/* `text` NULL: the CSV. */
static clade_status write_file(const compare *c, const char *folder, const char *name,
                               const char *text)
{
    output_file file;
    char *path = clade_path_join(folder, name);
    clade_status status =
        path ? output_open(&file, path) : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) {
        if (text)
            fprintf(file.to, "%s\n", text);
        else
            write_csv(file.to, c);
        status = output_close(&file);
    }
    free(path);
    return status;
}

/* The page of those that have been trained, if they are several. */
static clade_status write_page(const compare *c, const char *folder)
{
    enum { most_notes = 2 };
    const char **runs = calloc(c->count, sizeof *runs);
    double *seconds = calloc(c->count, sizeof *seconds);
    size_t count = 0, failed = 0, size = strlen(folder) + sizeof "/compare.html";
    char *path = malloc(size), title[256], best[512], failures[1024] = "Failed: ";
    const char *notes[most_notes];
    if (!runs || !seconds || !path) {
        free(runs);
        free(seconds);
        free(path);
        return clade_fail(CLADE_ENOMEM, "out of memory");
    }
    clade_compare_options options = {.title = title, .notes = notes, .seconds = seconds};
    snprintf(path, size, "%s/compare.html", folder);
    snprintf(title, sizeof title, "Backbones for %.200s", c->recipe);
    for (size_t i = 0; i < c->count && c->row[i].folder; i++) {
        const compare_row *row = &c->row[i];
        size_t used = strlen(failures);
        if (!row->error[0]) {
            seconds[count] = row->seconds;
            runs[count++] = row->folder;
            continue;
        }
        snprintf(failures + used, sizeof failures - used, "%s%s: %s", failed++ ? "; " : "",
                 row->name, row->error);
    }
    if (c->best) {
        int n = snprintf(best, sizeof best, "Best by %s accuracy: %s.",
                         c->best->has_validation ? "validation" : "training", c->best->name);
        if (c->tested)
            snprintf(best + n, sizeof best - (size_t)n,
                     " On %zu test images, which influenced no choice: accuracy %.4f, loss %.4f.",
                     c->tested, c->test_accuracy, c->test_loss);
        notes[options.note_count++] = best;
    }
    if (failed) notes[options.note_count++] = failures;
    clade_status status = count > 1 ? clade_report_compare(runs, count, &options, path) : CLADE_OK;
    free(runs);
    free(seconds);
    free(path);
    return status;
}

clade_status compare_write(const compare *c, const char *folder)
{
    cJSON *root = to_tree(c);
    char *text = json_text(root, false);
    cJSON_Delete(root);
    if (!text) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = write_file(c, folder, "compare.json", text);
    cJSON_free(text);
    if (!status) status = write_file(c, folder, "compare.csv", NULL);
    return status ? status : write_page(c, folder);
}
