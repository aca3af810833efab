/* The front of a study with two objectives. */
#include "report/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct dots {
    const clade_study_trial **order;
    double *x, *y;
    char (*text)[96];
    const char **label;
    size_t count, mark;
} dots;

static void dots_clear(dots *d)
{
    free(d->order);
    free(d->x);
    free(d->text);
    free(d->label);
}

static clade_status dots_make(size_t room, dots *d)
{
    *d = (dots){.order = malloc((room + 1) * sizeof *d->order),
                .x = malloc(2 * (room + 1) * sizeof *d->x),
                .text = malloc((room + 1) * sizeof *d->text),
                .label = malloc((room + 1) * sizeof *d->label)};
    if (d->order && d->x && d->text && d->label) {
        d->y = d->x + room + 1;
        return CLADE_OK;
    }
    dots_clear(d);
    return clade_fail(CLADE_ENOMEM, "out of memory for a study's page");
}

/* Trials on the front or off it, in order of their costs. */
static void dots_add(dots *d, const clade_study_view *v, bool front)
{
    const clade_study_trial **order = d->order;
    for (size_t t = 0; t < v->count; t++) {
        const clade_study_trial *trial = &v->trial[t];
        if (trial->rank == 0 || (trial->rank == 1) != front) continue;
        size_t at = d->count++;
        for (; at > 0 && order[at - 1]->cost > trial->cost; at--) order[at] = order[at - 1];
        order[at] = trial;
    }
    for (size_t i = 0; i < d->count; i++) {
        const clade_study_trial *trial = order[i];
        if (trial == v->best) d->mark = i + 1;
        d->x[i] = trial->cost;
        d->y[i] = trial->objective;
        snprintf(d->text[i], sizeof d->text[i], "trial %zu: %.6g at %.6g", trial->number,
                 trial->objective, trial->cost);
        d->label[i] = d->text[i];
    }
}

clade_status clade_chart_front(clade_page *page, const clade_study_view *v)
{
    dots front, others;
    clade_status status = dots_make(v->count, &front);
    if (status) return status;
    status = dots_make(v->count, &others);
    if (!status) {
        dots_add(&front, v, true);
        dots_add(&others, v, false);
        const clade_chart chart = {.title = "Front",
                                   .description = "The objective of each trial against its cost, "
                                                  "and the trials that no other beats in both.",
                                   .x = {.title = v->cost, .logarithmic = true},
                                   .y = {.title = v->objective}};
        const clade_series series[] = {{.name = "trial",
                                        .x = others.x,
                                        .y = others.y,
                                        .count = others.count,
                                        .style = CLADE_SERIES_POINTS,
                                        .color = -1,
                                        .label = others.label},
                                       {.x = front.x,
                                        .y = front.y,
                                        .count = front.count,
                                        .style = CLADE_SERIES_STEPS,
                                        .color = 1},
                                       {.name = "front",
                                        .x = front.x,
                                        .y = front.y,
                                        .count = front.count,
                                        .style = CLADE_SERIES_POINTS,
                                        .color = 1,
                                        .mark = front.mark,
                                        .label = front.label}};
        clade_chart_lines(page, &chart, series, 3);
        dots_clear(&others);
    }
    dots_clear(&front);
    return status;
}
