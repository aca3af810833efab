/* Inference over a split, gathering outputs and labels. */
#include "train/evaluation.h"
#include "train/metrics.h"

#include <clade/scores.h>

#include <stdlib.h>
#include <string.h>

struct clade_evaluation {
    const clade_dataset *dataset;
    clade_split split;
    size_t count, done;
    int32_t outputs, classes, top_k;
    float *y, *loss; /* [count, outputs], [count] */
    int32_t *label;  /* [count] */
    clade_task task;
    uint8_t *target; /* [count, classes] where images have several labels; else NULL */
    float *number;   /* likewise where they have numbers, */
    float *p;        /* and what outputs mean, where they are neither these nor probabilities */
    const float *thresholds;
    const clade_target_scale *scale;
    uint64_t *confusion;
    clade_ranks *ranks;  /* of the run under way, or NULL */
    const float *matrix; /* likewise */
};

clade_status clade_evaluation_create(const clade_model *model, const clade_dataset *dataset,
                                     clade_split split, int32_t classes, int32_t top_k,
                                     clade_evaluation **out)
{
    const clade_task task = clade_dataset_task(dataset);
    const bool several = task == CLADE_TASK_MULTI_LABEL, numbers = task == CLADE_TASK_REGRESSION;
    const bool meant = numbers || task == CLADE_TASK_ORDINAL;
    const size_t count = clade_dataset_count(dataset, split);
    *out = NULL;
    clade_evaluation *e = calloc(1, sizeof *e);
    if (!e) return clade_fail(CLADE_ENOMEM, "out of memory for an evaluation");
    e->task = task;
    e->dataset = dataset;
    e->split = split;
    e->count = count;
    e->classes = classes;
    e->top_k = top_k;
    e->outputs = clade_model_output(model)->dim[1];
    e->y = calloc(count, (size_t)e->outputs * sizeof *e->y);
    e->loss = calloc(count, sizeof *e->loss);
    e->label = calloc(count, sizeof *e->label);
    e->confusion = calloc((size_t)classes * (size_t)(several ? 4 : classes), sizeof *e->confusion);
    if (several) e->target = calloc(count, (size_t)classes);
    if (numbers) e->number = calloc(count, (size_t)classes * sizeof *e->number);
    if (meant) e->p = calloc(count, (size_t)classes * sizeof *e->p);
    if (e->y && e->loss && e->label && e->confusion && (e->target || !several) &&
        (e->number || !numbers) && (e->p || !meant)) {
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
    free(e->loss);
    free(e->label);
    free(e->target);
    free(e->number);
    free(e->p);
    free(e->confusion);
    free(e);
    *handle = NULL;
}

/* What a batch gave goes to its place; a rank that is not the first sends it there. */
static clade_status take(void *user, const clade_result *r)
{
    clade_evaluation *e = user;
    size_t n = (size_t)r->count, outputs = (size_t)e->outputs, first = (size_t)r->batch;
    float *y = e->y + first * outputs, *loss = e->loss + first;
    memcpy(y, r->y, n * outputs * sizeof *y);
    memcpy(loss, r->loss, n * sizeof *loss);
    if (!e->ranks || clade_ranks_own(e->ranks) == 0) return CLADE_OK;
    clade_status status = clade_ranks_send(e->ranks, 0, y, n * outputs * sizeof *y);
    return status ? status : clade_ranks_send(e->ranks, 0, loss, n * sizeof *loss);
}

/* The first rank's part in a batch that another one computes. */
static clade_status receive(clade_evaluation *e, int32_t from, size_t n)
{
    size_t outputs = (size_t)e->outputs;
    if (clade_ranks_own(e->ranks)) return CLADE_OK;
    clade_status status =
        clade_ranks_receive(e->ranks, from, e->y + e->done * outputs, n * outputs * sizeof *e->y);
    return status ? status
                  : clade_ranks_receive(e->ranks, from, e->loss + e->done, n * sizeof *e->loss);
}

static clade_status run_batch(clade_evaluation *e, clade_model *model, clade_feed *feed,
                              clade_results *results, clade_batch *b)
{
    if (e->matrix) b->matrix = e->matrix;
    clade_status status = clade_feed_load(feed, b, 0, b->count);
    if (!status) status = clade_model_infer(model, b->count, true);
    if (!status) status = clade_results_push(results, e->done, b->count, b->label, b->weight);
    return status || !clade_results_full(results) ? status : clade_results_flush(results, take, e);
}

static clade_status run(clade_evaluation *e, clade_model *model, clade_feed *feed,
                        clade_results *results, bool (*stop)(void *user), void *user)
{
    const int32_t own = e->ranks ? clade_ranks_own(e->ranks) : 0;
    const int32_t ranks = e->ranks ? clade_ranks_count(e->ranks) : 1;
    clade_status status = clade_feed_start(feed, 0, 0);
    for (int32_t turn = 0; !status; turn = (turn + 1) % ranks) {
        clade_batch b;
        if (stop && stop(user)) return clade_fail(CLADE_ECANCELLED, "stopped while evaluating");
        status = clade_feed_next(feed, &b);
        if (status || b.count == 0) break;
        memcpy(e->label + e->done, b.label, (size_t)b.count * sizeof *b.label);
        status = turn == own ? run_batch(e, model, feed, results, &b)
                             : receive(e, turn, (size_t)b.count);
        e->done += (size_t)b.count;
    }
    if (!status) status = clade_results_flush(results, take, e);
    return status || !e->ranks ? status : clade_ranks_wait(e->ranks);
}

/* Of several labels of an image; the loss is the model's. */
static clade_status measure_labels(clade_evaluation *e, clade_metrics *out)
{
    for (size_t i = 0; i < e->done; i++)
        clade_dataset_label_row(e->dataset, e->split, (size_t)e->label[i],
                                e->target + i * (size_t)e->classes);
    clade_status status =
        clade_label_metrics(e->y, e->target, e->done, e->classes, e->thresholds, e->confusion, out);
    out->loss = 0;
    for (size_t i = 0; i < e->done; i++) out->loss += (double)e->loss[i] / (double)e->done;
    return status;
}

/* Of numbers; the loss is the model's, in its own units. */
static void measure_numbers(clade_evaluation *e, clade_metrics *out)
{
    memcpy(e->p, e->y, e->done * (size_t)e->outputs * sizeof *e->y);
    clade_target_scale_undo(e->scale, e->classes, e->done, e->p);
    for (size_t i = 0; i < e->done; i++)
        clade_dataset_target_row(e->dataset, e->split, (size_t)e->label[i],
                                 e->number + i * (size_t)e->classes);
    clade_number_metrics(e->p, e->number, e->done, e->classes, out);
    out->loss = 0;
    for (size_t i = 0; i < e->done; i++) out->loss += (double)e->loss[i] / (double)e->done;
}

/* What is measured besides where classes have an order. */
static clade_status add_ranks(const clade_evaluation *e, clade_status status, clade_metrics *out)
{
    out->task = e->task;
    if (!status && e->task == CLADE_TASK_ORDINAL) out->mae = clade_metrics_rank_error(out);
    return status;
}

clade_status clade_evaluation_run(clade_evaluation *e, clade_model *model, clade_feed *feed,
                                  clade_results *results, const float *matrix, clade_ranks *ranks,
                                  bool (*stop)(void *user), void *user, clade_metrics *out)
{
    clade_tally tally = {0};
    e->ranks = ranks;
    e->matrix = matrix;
    e->done = 0;
    clade_status status = run(e, model, feed, results, stop, user);
    if (status) clade_results_drop(results);
    if (status || (ranks && clade_ranks_own(ranks))) return status;
    if (e->target) return measure_labels(e, out);
    if (e->number) {
        measure_numbers(e, out);
        return CLADE_OK;
    }
    if (e->p) clade_steps_to_classes(e->y, e->done, e->classes, e->p);
    const float *y = e->p ? e->p : e->y;
    const int32_t outputs = e->p ? e->classes : e->outputs;
    clade_tally_add(&tally, y, outputs, e->loss, e->label, NULL, (int32_t)e->done, e->top_k);
    status =
        clade_metrics_measure(&tally, y, outputs, e->label, e->done, e->classes, e->confusion, out);
    return add_ranks(e, status, out);
}

void clade_evaluation_tell_by(clade_evaluation *e, const float *thresholds)
{
    e->thresholds = thresholds;
}

void clade_evaluation_scale_by(clade_evaluation *e, const clade_target_scale *scale)
{
    e->scale = scale;
}

const float *clade_evaluation_outputs(const clade_evaluation *e) { return e->y; }

clade_status clade_evaluation_measure(clade_evaluation *e, const float *p, clade_metrics *out)
{
    if (e->target)
        return clade_label_metrics(p, e->target, e->done, e->classes, e->thresholds, e->confusion,
                                   out);
    if (e->number) {
        clade_number_metrics(p, e->number, e->done, e->classes, out);
        return CLADE_OK;
    }
    clade_status status =
        clade_metrics_of(p, e->label, e->done, e->classes, e->top_k, e->confusion, out);
    return add_ranks(e, status, out);
}
