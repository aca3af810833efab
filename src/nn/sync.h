/* Synchronised batch normalisation: several models compute one batch, a shard each, and normalise
 * with the statistics of the whole batch. Their training pass stops wherever a layer needs the sums
 * of all of them. */
#ifndef CLADE_NN_SYNC_H
#define CLADE_NN_SYNC_H

#include <clade/model.h>

typedef enum clade_sync_kind {
    CLADE_SYNC_MEAN,     /* Σ x: the mean */
    CLADE_SYNC_VARIANCE, /* Σ (x − mean)²: the variance */
    CLADE_SYNC_GRADIENT  /* dgamma, dbeta: the means of dy x̂ and dy */
} clade_sync_kind;

/* Where a pass stops. */
typedef struct clade_sync {
    clade_sync_kind kind;
    size_t call;          /* number of calls before it */
    clade_tensor sums;    /* what those calls compute from this model's images; [c], for gradients
                           * [2, c] */
    clade_tensor means;   /* what the later calls need: Σ of all models' sums ÷ all their rows */
    clade_tensor running; /* statistics to update; absent for gradients */
    float momentum;
    int64_t rows; /* rows of [rows, c] per image */
} clade_sync;

/* Creates a model like clade_model_create does, except that its training pass runs in parts. */
clade_status clade_model_create_synced(const clade_graph *graph, clade_device *device,
                                       const clade_model_options *options, clade_model **out);
/* Creates another model for a further shard. It uses the parameters of `model`, which must outlive
 * it; everything else is its own. */
clade_status clade_model_create_sibling(const clade_model *model, clade_model **out);

/* Returns where its training pass stops, in order; NULL and 0 for a model that was not created so,
 * or whose layers use no batch statistics. */
const clade_sync *clade_model_syncs(const clade_model *model, size_t *count);
/* Runs one part of clade_model_gradient: up to the first stop (part 0), from there to the second,
 * …, from the last to the end. */
clade_status clade_model_gradient_part(clade_model *model, int32_t n, uint32_t step, int32_t first,
                                       size_t part);
/* Returns the part after which the gradients from element `first` on no longer change, and their
 * parameters are no longer read. */
size_t clade_model_ready_part(const clade_model *model, uint64_t first);

#endif
