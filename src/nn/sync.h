/* Models whose batch normalisation takes the statistics of a batch that several of them compute, a
 * shard each: their training pass stops wherever a layer needs what all have summed. */
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
    size_t call;          /* how many calls come before */
    clade_tensor sums;    /* what they give, of this model's images; [c], of gradients [2, c] */
    clade_tensor means;   /* what the others take: Σ of all models' sums ÷ all their rows */
    clade_tensor running; /* statistics that this moves; absent with gradients */
    float momentum;
    int64_t rows; /* of [rows, c] that an image has */
} clade_sync;

/* A model like that of clade_model_create but for its training pass, which is run in parts. */
clade_status clade_model_create_synced(const clade_graph *graph, clade_device *device,
                                       const clade_model_options *options, clade_model **out);
/* One more for a further shard: with the parameters of `model`, which must outlive it, and all else
 * of its own. */
clade_status clade_model_create_sibling(const clade_model *model, clade_model **out);

/* Where its training pass stops, in order; NULL and 0 for a model that was not made so, or whose
 * layers take no batch statistics. */
const clade_sync *clade_model_syncs(const clade_model *model, size_t *count);
/* clade_model_gradient up to the first of these (part 0), from there to the second, …, from the
 * last to the end. */
clade_status clade_model_gradient_part(clade_model *model, int32_t n, uint32_t step, int32_t first,
                                       size_t part);
/* The part after which the gradients from element `first` on do not change any more, and their
 * parameters are not read any more. */
size_t clade_model_ready_part(const clade_model *model, uint64_t first);

#endif
