/* What the parts of an inspection share. */
#ifndef CLADE_DATA_INSPECT_H
#define CLADE_DATA_INSPECT_H

#include "data/dataset.h"
#include "data/perceptual_hash.h"

#include <clade/inspect.h>

/* Similarity of near duplicates, by default. */
#define CLADE_LEAST_SIMILARITY 0.75

/* Fills in counts, ranges, statistics and histograms from the images; `headers` has one for
 * each. */
clade_status clade_inspect_summarize(clade_inspection *in, const clade_header *headers);
/* Lists the duplicates and counts what splits share; `looks` has one for each image and is
 * consumed. */
clade_status clade_inspect_duplicates(clade_inspection *in, const clade_inspect_options *options,
                                      clade_pool *pool, clade_look *looks);
/* Returns whether two names differ only in case or Unicode form. */
bool clade_names_alike(const char *a, const char *b);
/* Writes a sentence about each thing worth checking. */
clade_status clade_inspect_judge(clade_inspection *in);

#endif
