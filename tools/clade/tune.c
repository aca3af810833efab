/* clade tune: searches for the settings of a recipe that train best. */
#define _XOPEN_SOURCE 700
#include "interrupt.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"
#include "together.h"
#include "tune_child.h"
#include "tune_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct tune_request {
    session_place place;
    session_source source;
    session_training step; /* batch and lr alone */
    const char *recipe, *out, *from, *list, *cache, *time_limit;
    int64_t trials, epochs, seed, seeds;
    int method, objective, against; /* against: one less than a cost; -1: none */
    command_list set;
    bool json, quiet, strict_data;
    double deadline;    /* of the monotonic clock; 0: none */
    clade_ranks *ranks; /* that work on the study too; NULL: none */
    char *folder;
    char *edits[COMMAND_LIST_SIZE + session_source_most + session_training_most];
    size_t edit_count;
} tune_request;

static clade_status no_memory(void) { return clade_fail(CLADE_ENOMEM, "out of memory"); }

/* --- recipe, data and study --- */

static bool add_edit(tune_request *r, char *edit)
{
    if (edit) r->edits[r->edit_count++] = edit;
    return edit != NULL;
}

/* Data and edits become part of the study's recipe; epochs do not, for best.yaml shall have all. */
static clade_status read_recipe(tune_request *r, clade_recipe **out)
{
    bool good = true;
    for (size_t i = 0; i < r->set.count && good; i++) {
        char *copy = malloc(strlen(r->set.item[i]) + 1);
        if (copy) strcpy(copy, r->set.item[i]);
        good = add_edit(r, copy);
    }
    good = good && session_source_edits(&r->source, r->edits, &r->edit_count) &&
           session_training_edits(&r->step, r->edits, &r->edit_count);
    if (!good) return no_memory();
    return clade_recipe_read(r->recipe, (const char *const *)r->edits, r->edit_count, out);
}

/* Bad data shall not cost trials. */
static clade_status check_data(const clade_recipe *recipe)
{
    clade_dataset *data;
    const clade_data_options *options = clade_recipe_data(recipe);
    if (!options->path && !strcmp(clade_recipe_name(recipe), "shapes")) return CLADE_OK;
    clade_status status = session_list_data(options, &data);
    if (status) return status;
    if (clade_dataset_count(data, CLADE_VALIDATION) == 0)
        status = clade_fail(CLADE_EINVAL,
                            "%s: no validation split to judge trials; expected one, or --set "
                            "data.validation_split=0.2",
                            options->path);
    clade_dataset_destroy(&data);
    return status;
}

/* By default 20; of Hyperband's brackets one round. */
static void choose_trials(tune_request *r, const clade_recipe *recipe)
{
    const clade_search_options options = {
        .epochs = r->epochs ? (int32_t)r->epochs : clade_recipe_training(recipe)->epochs};
    if (r->trials > 0) return;
    r->trials = r->method == CLADE_SEARCH_HYPERBAND ? (int64_t)clade_search_round(&options) : 20;
}

static clade_status choose_folder(tune_request *r, const char *name)
{
    size_t size = strlen(r->out ? r->out : name) + sizeof "studies/";
    r->folder = malloc(size);
    if (!r->folder) return no_memory();
    snprintf(r->folder, size, "%s%s", r->out ? "" : "studies/", r->out ? r->out : name);
    return CLADE_OK;
}

/* --- a trial --- */

typedef struct tune_worker {
    tune_request *request;
    const clade_recipe *recipe;
    tune_show show;
    size_t shown;    /* trials up to this number have been told of */
    bool data_sound; /* as check_images found */
} tune_worker;

static bool poll_stop(void *user)
{
    const tune_worker *w = user;
    return interrupt_asked() ||
           (w->request->deadline > 0 && command_clock() > w->request->deadline);
}

static void take_line(void *user, const char *line)
{
    tune_worker *w = user;
    tune_show_epoch(&w->show, line);
}

/* One of the trial's runs, as `clade train --resume FOLDER`. */
static clade_status train(tune_worker *w, const char *folder, const clade_study_job *job,
                          tune_child_end *end, char error[tune_child_text])
{
    const tune_request *r = w->request;
    char threads[24], pause[24];
    const char *argv[20] = {"clade", "train", "--resume", folder, "--json", "--no-report"};
    size_t n = 6;
    snprintf(threads, sizeof threads, "%lld", (long long)r->place.threads);
    snprintf(pause, sizeof pause, "%d", job->until);
    if (r->place.device) argv[n++] = "--device", argv[n++] = r->place.device;
    if (r->place.threads) argv[n++] = "--threads", argv[n++] = threads;
    if (r->place.math != session_math_default)
        argv[n++] = "--math", argv[n++] = session_math_words[r->place.math];
    if (r->cache) argv[n++] = "--cache", argv[n++] = r->cache;
    if (r->strict_data) argv[n++] = "--strict-data";
    if (job->until < job->epochs) argv[n++] = "--pause", argv[n++] = pause;
    size_t size = strlen(folder) + sizeof "/trial.log";
    char *log = malloc(size);
    if (!log) return no_memory();
    snprintf(log, size, "%s/trial.log", folder);
    const tune_child_watch watch = {w, take_line, poll_stop};
    clade_status status = tune_child_run(argv, log, &watch, end, error);
    free(log);
    return status;
}

static bool go_on(void *user, size_t done, size_t total)
{
    status_line_wait("Reading images", done, total, NULL);
    return !poll_stop(user);
}

/* After a trial that failed: images that no setting would train on are no fault of its settings. */
static clade_status check_images(tune_worker *w)
{
    clade_data_options options = *clade_recipe_data(w->recipe);
    if (w->data_sound || !options.path) return CLADE_OK;
    options.threads = (int)w->request->place.threads;
    options.strict = options.strict || w->request->strict_data;
    clade_dataset *data = NULL;
    clade_status status = session_list_data(&options, &data);
    if (!status) status = clade_dataset_load(data, go_on, w);
    status_line_clear();
    clade_dataset_destroy(&data);
    w->data_sound = !status;
    return status == CLADE_ECANCELLED ? CLADE_OK : status;
}

/* A trial's page is without images: a net goes through them in more time than the rest of a trial
 * takes whose features are on disk. */
static void write_report(const char *folder)
{
    const clade_report_options options = {
        .no_images = "clade tune reads none; `clade report` of this folder adds them"};
    if (!clade_report_write(folder, &options)) return;
    status_line_clear();
    fprintf(stderr, "clade tune: no report: %s\n", shown(clade_error()));
}

static clade_status run_trial(tune_worker *w, clade_study *study, clade_study_job *job)
{
    char error[tune_child_text] = "";
    tune_child_end end = TUNE_CHILD_DONE;
    clade_status status = CLADE_OK;
    int32_t runs = clade_study_describe(study)->seeds;
    tune_show_trial(&w->show, job);
    for (int32_t run = 0; run < runs && !status && end == TUNE_CHILD_DONE; run++) {
        if (clade_study_run_epochs(study, job, run) >= job->until) continue;
        char *folder = clade_study_run_folder(study, job, run);
        if (!folder) return no_memory();
        w->show.run = run;
        status = train(w, folder, job, &end, error);
        if (!status && end == TUNE_CHILD_DONE) write_report(folder);
        free(folder);
    }
    if (status) return status;
    clade_status damage = end == TUNE_CHILD_FAILED ? check_images(w) : CLADE_OK;
    const bool failed = end == TUNE_CHILD_FAILED && !damage;
    if (damage) snprintf(error, sizeof error, "%s", clade_error());
    status = clade_study_end(study, job, end != TUNE_CHILD_DONE && !failed, failed ? error : NULL);
    if (!status && (damage || end == TUNE_CHILD_IO)) /* no fault of its settings */
        status =
            clade_fail(damage ? damage : CLADE_EIO, "trial %zu: %s", (size_t)job->number, error);
    if (!status) tune_show_result(&w->show);
    return status ? status : clade_study_write_page(study);
}

/* Settings that make no recipe fail before they are a job. */
static void show_failed(tune_worker *w, const clade_study *study)
{
    size_t count;
    const clade_study_trial *best, *trial = clade_study_trials(study, &count, &best);
    for (size_t i = 0; i < count; i++) {
        if (trial[i].number <= w->shown) continue;
        w->shown = trial[i].number;
        if (trial[i].state != CLADE_TRIAL_FAILED) continue;
        w->show.number = trial[i].number;
        tune_show_result(&w->show);
    }
}

static clade_status run_trials(tune_worker *w, clade_study *study)
{
    clade_status status = CLADE_OK;
    while (!status && !poll_stop(w)) {
        clade_study_job job;
        status = clade_study_next(study, (size_t)w->request->trials, &job);
        show_failed(w, study);
        if (!status) status = clade_study_write_page(study);
        if (status || job.todo == CLADE_STUDY_END) break;
        if (job.todo == CLADE_STUDY_WAIT)
            nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
        else
            status = run_trial(w, study, &job);
    }
    if (status != CLADE_ECANCELLED) return status;
    status_line_clear();
    fprintf(stderr, "clade tune: %s\n", shown(clade_error()));
    return CLADE_OK;
}

/* --- the command --- */

/* Rather now than in every trial. */
static clade_status check_device(const tune_request *r)
{
    clade_device *device = NULL;
    clade_status status = session_open_device(&r->place, &device);
    clade_device_close(&device);
    return status;
}

static int finish(tune_worker *w, clade_status status)
{
    const tune_request *r = w->request;
    if (status)
        return together_speak(r->ranks) ? command_fail_training("tune", status) : COMMAND_FAILED;
    const bool stopped = poll_stop(w);
    if (stopped) {
        fprintf(stderr, "clade tune: stopped; the same command continues %s\n", shown(r->folder));
        if (interrupt_asked()) return interrupt_status();
    }
    return tune_show_end(&w->show, r->folder) || stopped ? COMMAND_OK : COMMAND_FAILED;
}

/* Of ranks, the first one makes the folder. */
static clade_status open_study(const tune_request *r, const clade_recipe *recipe,
                               const clade_study_settings *settings, clade_study **out)
{
    clade_status status = CLADE_OK;
    char made = 0;
    if (!r->ranks) return clade_study_open(r->folder, recipe, settings, out);
    if (clade_ranks_own(r->ranks) == 0) status = clade_study_open(r->folder, recipe, settings, out);
    if (!status) status = clade_ranks_broadcast(r->ranks, &made, sizeof made);
    if (!status && !*out) status = clade_study_open(r->folder, recipe, settings, out);
    return status;
}

enum { OBJECTIVE_ACCURACY, OBJECTIVE_LOSS, OBJECTIVE_MAP };
static const char *const objectives[] = {"val_accuracy", "val_loss", "val_map", NULL};

/* The score of the recipe's task, which may be asked for by its name alone, or the loss. */
static clade_status choose_objective(tune_request *r, const clade_recipe *recipe)
{
    const clade_task task = clade_recipe_data(recipe)->task;
    const int score = task == CLADE_TASK_REGRESSION    ? OBJECTIVE_LOSS
                      : task == CLADE_TASK_MULTI_LABEL ? OBJECTIVE_MAP
                                                       : OBJECTIVE_ACCURACY;
    if (r->objective < 0) r->objective = score;
    if (r->objective == score || r->objective == OBJECTIVE_LOSS) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "--objective %s: data.task: %s has %s%s",
                      objectives[r->objective], clade_task_words()[task], objectives[score],
                      score == OBJECTIVE_LOSS ? " alone" : " and val_loss");
}

static int run(tune_request *r)
{
    clade_recipe *recipe = NULL;
    clade_study *study = NULL;
    tune_worker w = {.request = r};
    uint64_t bytes;
    interrupt_watch();
    clade_status status = together_join(0, &r->ranks);
    if (!status && r->ranks) clade_ranks_hide(); /* trials are none */
    if (!status) status = read_recipe(r, &recipe);
    if (!status) status = choose_objective(r, recipe);
    if (!status) status = choose_folder(r, clade_recipe_name(recipe));
    const clade_study_settings settings = {.method = (clade_search_method)r->method,
                                           .by_loss = r->objective == OBJECTIVE_LOSS,
                                           .cost = (clade_study_cost)(r->against + 1),
                                           .from = r->from,
                                           .seed = (uint64_t)r->seed,
                                           .epochs = (int32_t)r->epochs,
                                           .seeds = (int32_t)r->seeds};
    if (!status) status = session_feature_bytes(&bytes);
    if (!status) status = check_data(recipe);
    if (!status) status = check_device(r);
    if (!status) choose_trials(r, recipe);
    if (!status) status = open_study(r, recipe, &settings, &study);
    if (!status) {
        size_t count;
        const clade_study_trial *best, *trial = clade_study_trials(study, &count, &best);
        w.recipe = recipe;
        if (count > 0) w.shown = trial[count - 1].number;
        tune_show_start(&w.show, study, r->json, r->quiet, (size_t)r->trials);
        if (clade_study_prior(study) && together_speak(r->ranks))
            fprintf(stderr, "clade tune: %s\n", shown(clade_study_prior(study)));
        status = run_trials(&w, study);
    }
    int result = together_leave(&r->ranks, finish(&w, status));
    clade_study_destroy(&study);
    clade_recipe_destroy(&recipe);
    return result;
}

static int list(const tune_request *r)
{
    clade_study *study;
    if (clade_study_open(r->list, NULL, NULL, &study)) return command_fail("tune");
    tune_show_list(study, r->json);
    clade_study_destroy(&study);
    return COMMAND_OK;
}

int command_tune(int argc, char **argv)
{
    static const char *const methods[] = {"gp", "random", "asha", "tpe", "hyperband", NULL};
    static const char *const costs[] = {"parameters", "flop", "seconds", NULL};
    tune_request r = {.place = {.math = session_math_default},
                      .step = session_training_none,
                      .seeds = 1,
                      .against = -1,
                      .objective = -1};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_TEXT("out", "STUDY", &r.out,
                    "the study's folder, new or existing; default: studies/NAME"),
        OPTION_INTEGER("trials", "N", &r.trials, 1, 100000,
                       "number of trials, including those that the study already has; default: 20; "
                       "hyperband: one round"),
        OPTION_INTEGER(
            "epochs", "N", &r.epochs, 1, INT32_MAX,
            "epochs of a trial (asha, hyperband: of the best one); default: the recipe's"),
        SESSION_STEP_OPTIONS(&r.step),
        OPTION_CHOICE("method", &r.method, methods,
                      "gp: a Gaussian process (default); tpe: Parzen estimators; asha, hyperband: "
                      "random settings, trained longer if they do better"),
        OPTION_INTEGER("seeds-per-trial", "N", &r.seeds, 1, 100,
                       "runs per trial, of which the mean counts; default: 1"),
        OPTION_CHOICE("objective", &r.objective, objectives,
                      "what to optimise; default: val_accuracy; for several labels per image "
                      "val_map; for numbers val_loss"),
        OPTION_CHOICE("against", &r.against, costs,
                      "a cost to minimise as well: find the best trials for each cost"),
        OPTION_TEXT(
            "from", "STUDY", &r.from,
            "also learn from another study's trials, for the settings that both search alike"),
        OPTION_INTEGER("seed", "N", &r.seed, 0, 9007199254740992.0, "seed of the search"),
        OPTION_TEXT("time-limit", "TIME", &r.time_limit, "stop after 90s, 30m or 2h"),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change a key of the recipe; repeatable"),
        OPTION_FLAG("strict-data", &r.strict_data,
                    "treat a damaged image as an error instead of skipping it"),
        OPTION_TEXT("cache", "SIZE", &r.cache,
                    "memory for decoded images, such as 4G; default: half the memory"),
        OPTION_TEXT("list", "STUDY", &r.list, "show the trials of this study and exit"),
        OPTION_FLAG("json", &r.json, "print one line of JSON per trial"),
        OPTION_FLAG("quiet", &r.quiet, "print only failed trials, errors and the last lines"),
    };
    static const command_usage usage = {
        .name = "tune",
        .arguments = "[RECIPE]",
        .least = 0,
        .most = 1,
        .about =
            "Searches for the best values of the settings in a recipe's section 'tune'. A study\n"
            "is a folder; the same command continues it, and several commands may work on it at\n"
            "once.",
        .example = "clade tune cats-dogs-dropout --data photos.zip --epochs 10 --out study\n"
                   "  clade tune --list study\n"
                   "  clade train study/best.yaml",
    };
    int count;
    uint64_t bytes;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.list) return count ? command_misuse("tune", "--list takes no recipe") : list(&r);
    if (!count) return command_misuse("tune", "expected a recipe, or --list STUDY");
    r.recipe = argv[1];
    if (r.quiet && r.json)
        return command_misuse("tune", "--json prints trials, --quiet does not; expected only one");
    if (r.quiet) status_line_hide();
    if (r.cache && !session_parse_bytes(r.cache, &bytes))
        return command_misuse("tune", "--cache %s: expected a size, such as 512M or 4G", r.cache);
    if (r.time_limit && !session_parse_time(r.time_limit, &r.deadline))
        return command_misuse("tune", "--time-limit %s: expected a time, such as 90s, 30m or 2h",
                              r.time_limit);
    if (r.time_limit) r.deadline += command_clock();
    int result = run(&r);
    for (size_t i = 0; i < r.edit_count; i++) free(r.edits[i]);
    free(r.folder);
    return result;
}
