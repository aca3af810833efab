/* clade report: pages on runs. */
#include "session.h"
#include "shown.h"
#include "status_line.h"

#include <clade/report.h>

#include <stdlib.h>
#include <string.h>

typedef struct report_request {
    session_place place;
    session_source source;
    const char *out;
    bool strict_data, force;
} report_request;

/* The data that is given, or else that which the run was trained on. Where that has gone since,
 * *out stays NULL, and `missing` says so. */
static clade_status open_data(const report_request *r, const clade_classifier *classifier,
                              clade_dataset **out, char missing[512])
{
    const clade_recipe *recipe = clade_classifier_recipe(classifier);
    const char **names;
    char *rendered;
    clade_data_options options = session_data(recipe, &r->source, &rendered);
    if (!options.path) {
        snprintf(missing, 512, "the recipe names no data; expected --data PATH");
        return CLADE_OK;
    }
    options.threads = (int)r->place.threads;
    options.strict |= r->strict_data;
    clade_status status = session_expect_classes(classifier, &options, &names)
                              ? session_open_data(&options, NULL, out)
                              : clade_fail(CLADE_ENOMEM, "out of memory");
    free(names);
    free(rendered);
    if (!status) session_print_skipped(stderr, *out, 0);
    if (!status || r->source.data || r->source.validation) return status;
    snprintf(missing, 512, "%s; expected --data PATH", clade_error());
    return CLADE_OK;
}

static int report_one(const report_request *r, const char *run)
{
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    clade_dataset *dataset = NULL;
    char missing[512] = "";
    clade_status status = session_open_device(&r->place, &device);
    if (!status) status = clade_classifier_open(run, device, &classifier);
    if (!status) status = open_data(r, classifier, &dataset, missing);
    if (*missing) fprintf(stderr, "clade report: no images: %s\n", shown(missing));
    clade_report_options options = {.classifier = dataset ? classifier : NULL,
                                    .dataset = dataset,
                                    .no_images = *missing ? missing : NULL};
    status_line_wait("Writing the report", 0, 0, NULL);
    if (!status) status = clade_report_write(run, &options);
    status_line_clear();
    clade_dataset_destroy(&dataset);
    clade_classifier_destroy(&classifier);
    clade_device_close(&device);
    if (status) return command_fail("report");
    printf("%s/report.html\n", shown(run));
    return COMMAND_OK;
}

int command_report(int argc, char **argv)
{
    report_request r = {.place = {.math = session_math_default}};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_TEXT("out", "FILE", &r.out, "write the page that compares several runs here"),
        SESSION_FORCE_OPTION(&r.force),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_FLAG("strict-data", &r.strict_data,
                    "treat a damaged image as an error instead of skipping it"),
    };
    static const command_usage usage = {
        .name = "report",
        .arguments = "RUN...",
        .least = 1,
        .most = COMMAND_ANY,
        .about =
            "Writes report.html and curves.svg to a run folder: curves, scores, mistakes, and\n"
            "where the classifier looks. For several runs, writes one page that compares them.",
        .example = "clade report runs/first --data photos.zip\n"
                   "  clade report runs/first runs/second --out compared.html",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (count == 1 && r.out)
        return command_misuse("report",
                              "a single run's page goes to its folder; expected no --out");
    if (count > 1 && !r.out)
        return command_misuse("report", "%d runs: expected --out FILE for the page", count);
    if (count > 1 && r.source.data)
        return command_misuse("report", "runs are compared without images; expected no --data");
    if (count == 1) return report_one(&r, argv[1]);
    if (session_check_new(r.out, r.force) ||
        clade_report_compare((const char *const *)argv + 1, (size_t)count, NULL, r.out))
        return command_fail("report");
    printf("%s\n", shown(r.out));
    return COMMAND_OK;
}
