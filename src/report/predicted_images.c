/* Images with what was predicted of them, and where the classifier looked. */
#include "base/random.h"
#include "report/predictions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { shown = 12 }; /* images of a kind */

/* What the figures share. */
typedef struct gallery {
    clade_page *page;
    report_predictions *r;
    clade_gradcam *gradcam; /* NULL: the model has none */
    int32_t hwc[3], rows, columns;
    float *map;
    uint8_t *overlay;
} gallery;

/* Between map places, as resizing does: at pixel i of n, of `count` places. */
static void place(int32_t i, int32_t n, int32_t count, int32_t *at, float *share)
{
    float position = ((float)i + 0.5f) * (float)count / (float)n - 0.5f;
    if (position < 0) position = 0;
    *at = (int32_t)position;
    if (*at > count - 2) *at = count > 1 ? count - 2 : 0;
    *share = count > 1 ? position - (float)*at : 0;
    if (*share > 1) *share = 1;
}

static float map_at(const gallery *g, int32_t i, int32_t j)
{
    int32_t row, column;
    float down, across;
    place(i, g->hwc[0], g->rows, &row, &down);
    place(j, g->hwc[1], g->columns, &column, &across);
    const float *m = g->map + row * g->columns + column;
    int32_t below = g->rows > 1 ? g->columns : 0, beside = g->columns > 1 ? 1 : 0;
    float top = m[0] + across * (m[beside] - m[0]);
    float bottom = m[below] + across * (m[below + beside] - m[below]);
    return top + down * (bottom - top);
}

/* Lays the map over the image: grey where nothing counts, then violet, orange and yellow. */
static void lay_over(const gallery *g, const uint8_t *pixels)
{
    static const float ramp[4][3] = {{68, 1, 84}, {177, 42, 144}, {252, 125, 40}, {252, 240, 60}};
    float most = 0;
    for (int32_t i = 0; i < g->rows * g->columns; i++)
        if (g->map[i] > most) most = g->map[i];
    for (int32_t i = 0; i < g->hwc[0]; i++)
        for (int32_t j = 0; j < g->hwc[1]; j++) {
            size_t at = (size_t)i * (size_t)g->hwc[1] + (size_t)j;
            const uint8_t *from = pixels + at * (size_t)g->hwc[2];
            float grey = 0, heat = most > 0 ? map_at(g, i, j) / most : 0;
            for (int32_t c = 0; c < g->hwc[2]; c++) grey += (float)from[c] / (float)g->hwc[2];
            float step = heat * 3;
            int k = step >= 2 ? 2 : (int)step;
            for (int c = 0; c < 3; c++) {
                float color = ramp[k][c] + (step - (float)k) * (ramp[k + 1][c] - ramp[k][c]);
                g->overlay[at * 3 + (size_t)c] =
                    (uint8_t)(grey + 0.65f * heat * (color - grey) + 0.5f);
            }
        }
}

static void add_told(const gallery *g, size_t i)
{
    const report_predictions *r = g->r;
    bool right = r->label[i] == r->predicted[i];
    clade_page_markup(g->page, "<b class=\"%s\">", right ? "good" : "bad");
    clade_page_text(g->page, "%s", clade_classifier_class_name(r->classifier, r->predicted[i]));
    clade_page_markup(g->page, "</b> ");
    clade_page_text(g->page, "%.1f\u00a0%%",
                    100 * (double)r->p[i * r->classes + (size_t)r->predicted[i]]);
    if (!right)
        clade_page_text(g->page, ", is %s",
                        clade_classifier_class_name(r->classifier, r->label[i]));
}

/* Every class that is told or there: right, wrong, or missed. */
static void add_labels(const gallery *g, size_t i, const float *thresholds)
{
    const report_predictions *r = g->r;
    bool any = false;
    for (size_t c = 0; c < r->classes; c++) {
        const float p = r->p[i * r->classes + c];
        const bool told = p > thresholds[c], there = r->target[i * r->classes + c];
        if (!told && !there) continue;
        clade_page_markup(g->page, "%s<b class=\"%s\">", any ? ", " : "",
                          told == there ? "good" : "bad");
        clade_page_text(g->page, "%s%s", told ? "" : "not ",
                        clade_classifier_class_name(r->classifier, (int32_t)c));
        clade_page_markup(g->page, "</b> ");
        clade_page_text(g->page, "%.1f\u00a0%%", 100 * (double)p);
        any = true;
    }
    if (!any) clade_page_text(g->page, "none");
}

static void add_numbers(const gallery *g, size_t i)
{
    const report_predictions *r = g->r;
    for (size_t k = 0; k < r->classes; k++)
        clade_page_text(g->page, "%s%s %.4g, is %.4g", k ? "; " : "",
                        clade_classifier_class_name(r->classifier, (int32_t)k),
                        (double)r->p[i * r->classes + k], (double)r->number[i * r->classes + k]);
}

static clade_status add_figure(gallery *g, size_t i)
{
    report_predictions *r = g->r;
    const char *name = clade_dataset_name(r->dataset, r->split, i);
    const float *thresholds = clade_classifier_thresholds(r->classifier);
    clade_status status = clade_dataset_pixels(r->dataset, r->split, i, r->pixels);
    if (!status && g->gradcam)
        status = clade_gradcam_map(g->gradcam, r->pixels, r->predicted[i], g->map);
    if (status) return status;
    clade_page_figure_begin(g->page);
    clade_page_image(g->page, &(clade_pixels){r->pixels, g->hwc[0], g->hwc[1], g->hwc[2]}, name);
    if (g->gradcam) {
        lay_over(g, r->pixels);
        clade_page_image(g->page, &(clade_pixels){g->overlay, g->hwc[0], g->hwc[1], 3}, "Grad-CAM");
    }
    clade_page_caption_begin(g->page);
    if (r->number)
        add_numbers(g, i);
    else if (thresholds)
        add_labels(g, i, thresholds);
    else
        add_told(g, i);
    clade_page_markup(g->page, "<br>");
    clade_page_text(g->page, "%s", name);
    clade_page_figure_end(g->page);
    return CLADE_OK;
}

static clade_status add_list(gallery *g, const size_t *list, size_t count)
{
    clade_status status = CLADE_OK;
    clade_page_grid_begin(g->page, CLADE_GRID_IMAGES);
    for (size_t k = 0; k < count && !status; k++) status = add_figure(g, list[k]);
    clade_page_grid_end(g->page);
    return status;
}

static float confidence(const report_predictions *r, size_t i)
{
    return r->p[i * r->classes + (size_t)r->predicted[i]];
}

/* The wrong predictions of which the classifier is surest, the surest first, of equals the one that
 * comes first in the split. */
static size_t find_mistakes(const report_predictions *r, size_t list[shown])
{
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->predicted[i] == r->label[i]) continue;
        size_t at = count;
        while (at > 0 && confidence(r, list[at - 1]) < confidence(r, i)) at--;
        if (at == shown) continue;
        if (count < shown) count++;
        memmove(list + at + 1, list + at, (count - at - 1) * sizeof *list);
        list[at] = i;
    }
    return count;
}

/* Some images at random, none twice, in the order of the split. */
static size_t draw(const report_predictions *r, size_t list[shown])
{
    uint64_t seed = clade_recipe_training(clade_classifier_recipe(r->classifier))->seed;
    clade_random random = clade_random_start(seed, CLADE_STREAM_INSPECT, 1);
    size_t count = 0, wanted = r->count < shown ? r->count : shown;
    /* each image with the chance that fills the list (Knuth's algorithm S) */
    for (size_t i = 0; i < r->count && count < wanted; i++)
        if (clade_random_below(&random, (uint32_t)(r->count - i)) < wanted - count)
            list[count++] = i;
    return count;
}

/* Is there a score of a class, that a place may speak for? */
static bool is_shown(const report_predictions *r)
{
    const clade_task task = clade_dataset_task(r->dataset);
    return task == CLADE_TASK_CLASS || task == CLADE_TASK_MULTI_LABEL;
}

static clade_status make_gradcam(gallery *g)
{
    clade_status status = clade_gradcam_create(g->r->classifier, &g->gradcam);
    if (status == CLADE_EUNSUPPORTED) return CLADE_OK;
    if (status) return status;
    clade_gradcam_size(g->gradcam, &g->rows, &g->columns);
    g->map = malloc((size_t)g->rows * (size_t)g->columns * sizeof *g->map);
    g->overlay = malloc(3 * (size_t)g->hwc[0] * (size_t)g->hwc[1]);
    return g->map && g->overlay ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for Grad-CAM");
}

clade_status clade_report_add_images(clade_page *page, report_predictions *r)
{
    gallery g = {.page = page, .r = r};
    size_t list[shown + 1], count;
    clade_dataset_shape(r->dataset, g.hwc);
    clade_status status = is_shown(r) ? make_gradcam(&g) : CLADE_OK;
    if (!status && !clade_classifier_thresholds(r->classifier) && !r->number) {
        count = find_mistakes(r, list);
        clade_page_section(page, "Most confident mistakes");
        if (g.gradcam && count)
            clade_page_paragraph(
                page,
                "Below each image: Grad-CAM, the areas that support the predicted class (%s).",
                clade_gradcam_layer(g.gradcam));
        if (!count) clade_page_paragraph(page, "There are none.");
        status = add_list(&g, list, count);
    }
    if (!status) {
        clade_page_section(page, "Random images");
        count = draw(r, list);
        status = add_list(&g, list, count);
    }
    clade_gradcam_destroy(&g.gradcam);
    free(g.map);
    free(g.overlay);
    return status;
}
