/* Fuzz target: the folder of a study. The first byte says which file the rest is (255: prior.json;
 * 254: a run's metrics.json, in a study that weighs parameters), the others are sound; the study is
 * opened, shown and gone on with. */
#define _XOPEN_SOURCE 700
#include "base/file.h"

#include <clade/tune.h>

#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char recipe[] = "input: {size: 8}\n"
                             "vars: {dense: 1, rate: 0.5, opt: adam}\n"
                             "model:\n"
                             "  - flatten\n"
                             "  - dropout: $rate\n"
                             "  - repeat: {times: $dense, layers: [dense: {units: 16}]}\n"
                             "  - dense: {units: classes, activation: softmax}\n"
                             "train: {loss: sparse_categorical_crossentropy,\n"
                             "        optimizer: {$opt: {lr: 0.001}}, epochs: 3}\n"
                             "tune:\n"
                             "  lr: {log: [1e-4, 1e-2]}\n"
                             "  rate: {range: [0, 0.6], step: 0.1}\n"
                             "  dense: {int: [0, 2]}\n"
                             "  opt: {choice: [adam, rmsprop]}\n";

static const char *const sound[] = {
    "{\"method\": \"gp\", \"objective\": \"val_loss\", \"seed\": 1, \"epochs\": 2,"
    " \"seeds_per_trial\": 1, \"from\": \"other\"}",
    "{\"state\": \"running\", \"values\": {\"lr\": 0.001, \"rate\": 0.5, \"dense\": 1, \"opt\": "
    "\"adam\"},"
    " \"objective\": 0.5, \"until\": 2}",
    "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_second\n"
    "1,0.7,0.5,0.6,0.6,0.001,1.5,100\n2,0.6,0.6,0.5,0.7,0.001,1.5,100\n",
    "{\"note\": \"learns from 1 trials of other\", \"trials\": [{\"objective\": 0.4,"
    " \"values\": {\"lr\": 0.001, \"opt\": \"adam\"}}]}",
    "{\"parameters\": {\"trained\": 9}}"};
static const char weighed[] = "{\"method\": \"random\", \"objective\": \"val_loss\", \"seed\": 1,"
                              " \"epochs\": 2, \"seeds_per_trial\": 1, \"cost\": \"parameters\"}";

static void put(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
}

static void go_on(clade_study *study)
{
    size_t count;
    clade_study_job job;
    const clade_study_trial *best, *trials = clade_study_trials(study, &count, &best);
    for (size_t i = 0; i < count; i++)
        if (trials[i].state == CLADE_TRIAL_DONE && !best && trials[i].objective == 0) abort();
    (void)clade_study_write_page(study);
    if (clade_study_next(study, 3, &job) || job.todo != CLADE_STUDY_RUN) return;
    if (clade_study_end(study, &job, false, NULL)) return;
    (void)clade_study_next(study, 3, &job);
    if (job.lock >= 0) close(job.lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"study.json", "trials/0001/trial.json",
                                        "trials/0001/history.csv", "prior.json",
                                        "trials/0001/metrics.json"};
    char folder[64], trial[128];
    clade_study *study;
    if (size < 1) return 0;
    fuzz_temporary("study", folder);
    snprintf(trial, sizeof trial, "%s/trials/0001", folder);
    if (clade_folder_remove(folder) || clade_folder_create(trial)) abort();
    put(folder, "recipe.yaml", recipe, strlen(recipe));
    for (int i = 0; i < 5; i++) put(folder, names[i], sound[i], strlen(sound[i]));
    if (data[0] == 254) put(folder, names[0], weighed, strlen(weighed));
    put(folder, names[data[0] >= 254 ? 258 - data[0] : data[0] % 3], data + 1, size - 1);
    if (!clade_study_open(folder, NULL, NULL, &study)) {
        if (!clade_study_update(study)) go_on(study);
        clade_study_destroy(&study);
    }
    if (clade_folder_remove(folder)) abort();
    return 0;
}
