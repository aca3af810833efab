/* Inference over a split, gathering outputs and labels. */
#include "train/evaluation.h"
#include "train/metrics.h"

#include <stdlib.h>
#include <string.h>

struct clade_evaluation {
    size_t count, done;
    int32_t outputs, classes, top_k;
    float *y;       /* [count, outputs] */
    int32_t *label; /* [count] */
    uint64_t *confusion;
    clade_tally tally;
};

clade_status clade_evaluation_create(const clade_model *model, size_t count, int32_t classes,
                                     int32_t top_k, clade_evaluation **out)
{
    *out = NULL;
    clade_evaluation *e = calloc(1, sizeof *e);
    if (!e) return clade_fail(CLADE_ENOMEM, "out of memory for an evaluation");
    e->count = count;
    e->classes = classes;
    e->top_k = top_k;
    e->outputs = clade_model_output(model)->dim[1];
    e->y = calloc(count, (size_t)e->outputs * sizeof *e->y);
    e->label = calloc(count, sizeof *e->label);
    e->confusion = calloc((size_t)classes * (size_t)classes, sizeof *e->confusion);
    if (e->y && e->label && e->confusion) {
        *out = e;
        return CLADE_OK;
    }
    clade_evaluation_destroy(&e);
    return clade_fail(CLADE_ENOMEM, "out of memory for the outputs of %zu images", count);
}

void clade_evaluation_destroy(clade_evaluation **handle)
{
    clade_evaluation *e = *handle;
    if (!e) return;
    free(e->y);
    free(e->label);
    free(e->confusion);
    free(e);
    *handle = NULL;
}

static clade_status take(void *user, const clade_result *r)
{
    clade_evaluation *e = user;
    size_t n = (size_t)r->count, outputs = (size_t)e->outputs;
    memcpy(e->y + e->done * outputs, r->y, n * outputs * sizeof *r->y);
    memcpy(e->label + e->done, r->label, n * sizeof *r->label);
    e->done += n;
    clade_tally_add(&e->tally, r->y, e->outputs, r->loss, r->label, NULL, r->count, e->top_k);
    return CLADE_OK;
}

clade_status clade_evaluation_run(clade_evaluation *e, clade_model *model, clade_feed *feed,
                                  clade_results *results, bool (*stop)(void *user), void *user,
                                  clade_metrics *out)
{
    e->done = 0;
    e->tally = (clade_tally){0};
    clade_status status = clade_feed_start(feed, 0, 0);
    for (uint64_t batch = 0; !status; batch++) {
        clade_batch b;
        if (stop && stop(user)) {
            clade_results_drop(results);
            return clade_fail(CLADE_ECANCELLED, "stopped while evaluating");
        }
        status = clade_feed_next(feed, &b);
        if (!status && b.count == 0) break;
        if (!status) status = clade_feed_load(feed, &b, 0, b.count);
        if (!status) status = clade_model_infer(model, b.count, true);
        if (!status) status = clade_results_push(results, batch, b.count, b.label);
        if (!status && clade_results_full(results)) status = clade_results_flush(results, take, e);
    }
    if (!status) status = clade_results_flush(results, take, e);
    if (status) {
        clade_results_drop(results);
        return status;
    }
    return clade_metrics_measure(&e->tally, e->y, e->outputs, e->label, e->done, e->classes,
                                 e->confusion, out);
}
