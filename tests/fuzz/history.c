/* Fuzz target: a run's history, and a recipe's settings. */
#include "report/run.h"
#include "report/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    clade_settings settings;
    if (!clade_settings_read(text, &settings))
        for (size_t i = 0; i < settings.count; i++)
            if (!clade_settings_find(&settings, settings.key[i])) abort();
    clade_settings_clear(&settings);
    report_run run = {0};
    if (!clade_report_read_history(&run, text, "fuzz")) {
        for (size_t i = 0; i < run.epochs; i++)
            if (run.column[REPORT_EPOCH][i] != (double)(i + 1)) abort();
        if (clade_report_run_best(&run) > run.epochs) abort();
    }
    clade_report_run_close(&run);
    free(text);
    return 0;
}
