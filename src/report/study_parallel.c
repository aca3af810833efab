/* Parallel coordinates of a study's trials. */
#include "report/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { top = 62, foot = 24, side = 54, height = 340 };

typedef struct axis {
    const char *title;
    const clade_tunable *parameter; /* NULL: the objective */
    clade_scale scale;
    double x;
} axis;

static double value_at(const axis *a, size_t i, const clade_study_trial *t)
{
    return a->parameter ? t->values[i] : t->objective;
}

/* The range of what was tried, all levels of a choice. */
static void set_scale(axis *a, size_t i, const clade_study_view *v)
{
    const clade_tunable *p = a->parameter;
    a->scale = (clade_scale){.low = INFINITY,
                             .high = -INFINITY,
                             .first = height - foot,
                             .last = top,
                             .logarithmic = p && p->log};
    for (size_t t = 0; t < v->count; t++) {
        double value = value_at(a, i, &v->trial[t]);
        if (v->trial[t].state != CLADE_TRIAL_DONE || isnan(value)) continue;
        a->scale.low = fmin(a->scale.low, value);
        a->scale.high = fmax(a->scale.high, value);
    }
    if (p && p->kind == CLADE_TUNABLE_CHOICE) {
        a->scale.low = 0;
        a->scale.high = (double)p->choice_count - 1;
    }
    if (a->scale.high > a->scale.low) return;
    double middle = isfinite(a->scale.low) ? a->scale.low : 1, room = fabs(middle) / 2;
    a->scale.low = middle - (room > 0 ? room : 1);
    a->scale.high = middle + (room > 0 ? room : 1);
}

static void label_axis(clade_page *page, const axis *a, size_t i, size_t axes)
{
    enum { most_choices = 8 };
    char text[64];
    const clade_tunable *p = a->parameter;
    /* titles of neighbours stand on two levels */
    double y = i % 2 && axes > 4 ? 36 : 52;
    const char *anchor = i == 0 ? "start" : i + 1 == axes ? "end" : "middle";
    double x = i == 0 ? a->x - side + 6 : i + 1 == axes ? a->x + side - 6 : a->x;
    clade_chart_text(page, x, y, anchor, a->title, axes > 4 ? 22 : 16);
    if (p && p->kind == CLADE_TUNABLE_CHOICE && p->choice_count <= most_choices) {
        for (size_t k = 0; k < p->choice_count; k++)
            clade_chart_text(page, a->x - 5, clade_scale_at(&a->scale, (double)k) + 4, "end",
                             p->choices[k], 9);
        return;
    }
    for (int end = 0; end < 2; end++) {
        double value = end ? a->scale.high : a->scale.low;
        snprintf(text, sizeof text, fabs(value) < 0.01 ? "%.2g" : "%.3g", value);
        clade_chart_text(page, a->x - 5, clade_scale_at(&a->scale, value) + 4, "end", text, 0);
    }
}

/* Broken where a parameter has no meaning. */
static void draw_trial(clade_page *page, const axis *axes, size_t count, const clade_study_trial *t,
                       int color, bool thick)
{
    bool open = false;
    clade_page_markup(page, "<g class=\"c%d\"><path class=\"line\" style=\"stroke-width:%s\" d=\"",
                      color, thick ? "3" : "1.2");
    for (size_t i = 0; i < count; i++) {
        double value = value_at(&axes[i], i, t);
        if (!isnan(value))
            clade_page_markup(page, "%c%.1f %.1f", open ? 'L' : 'M', axes[i].x,
                              clade_scale_at(&axes[i].scale, value));
        open = !isnan(value);
    }
    clade_page_markup(page, "\"><title>");
    clade_page_text(page, "trial %zu: %.6g", t->number, t->objective);
    clade_page_markup(page, "</title></path></g>\n");
}

/* Is the trial among the better quarter of those done? */
static bool is_good(const clade_study_view *v, const clade_study_trial *t)
{
    size_t better = 0, done = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (v->trial[i].state != CLADE_TRIAL_DONE) continue;
        done++;
        better += v->low_is_good ? v->trial[i].objective < t->objective
                                 : v->trial[i].objective > t->objective;
    }
    return 4 * better < done;
}

void clade_chart_parallel(clade_page *page, const clade_study_view *v)
{
    size_t count = v->parameters + 1;
    axis axes[CLADE_MAX_TUNABLES + 1];
    for (size_t i = 0; i < count; i++) {
        bool last = i == v->parameters;
        axes[i] =
            (axis){.title = last ? v->objective : v->parameter[i].name,
                   .parameter = last ? NULL : &v->parameter[i],
                   .x = side + (CLADE_CHART_WIDTH - 2.0 * side) * (double)i / (double)(count - 1)};
        set_scale(&axes[i], i, v);
    }
    const clade_chart chart = {.title = "Parallel coordinates",
                               .description = "One line per trial through the values of its "
                                              "parameters to its objective."};
    clade_chart_begin(page, &chart, height);
    for (size_t i = 0; i < count; i++)
        clade_page_markup(page, "<path class=\"axis\" d=\"M%.1f %dV%d\"/>\n", axes[i].x, top,
                          height - foot);
    for (int layer = 0; layer < 3; layer++) /* the best on top */
        for (size_t t = 0; t < v->count; t++) {
            const clade_study_trial *trial = &v->trial[t];
            if (trial->state != CLADE_TRIAL_DONE) continue;
            int own = trial == v->best ? 2 : is_good(v, trial) ? 1 : 0;
            if (own == layer) draw_trial(page, axes, count, trial, own, own == 2);
        }
    /* what is written has a rim in the colour of the page: lines run below it */
    clade_page_markup(page, "<g class=\"rim\">\n");
    for (size_t i = 0; i < count; i++) label_axis(page, &axes[i], i, count);
    clade_page_markup(page, "</g>\n");
    clade_chart_end(page);
}
