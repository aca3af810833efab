/* The images of an inspection's page: samples, as training sees them, duplicates. */
#include "report/inspect_images.h"

#include "base/random.h"
#include "report/inspect_augment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    thumbnail = 128,        /* the longer side of an image */
    shown_classes = 200,    /* with samples */
    augmented_classes = 12, /* with augmented images, of each */
    augmented_images = 2,   /* so many, as in */
    augmented_epochs = 5    /* so many epochs */
};

const char *const clade_inspect_splits[CLADE_SPLITS] = {"train", "validation", "test"};

/* What the sections share. */
typedef struct images_writer {
    clade_page *page;
    const clade_inspection *in;
    const clade_inspect_page *options;
    size_t *of_class; /* the readable images of a class in the split that is shown */
    uint8_t *pixels;  /* of a thumbnail */
} images_writer;

static void fail(images_writer *w, clade_status status)
{
    if (!w->page->status) w->page->status = status;
}

static const char *class_of(const images_writer *w, size_t c)
{
    return clade_dataset_class_name(w->in->dataset, c);
}

/* The last part of a name. */
static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static void heading(images_writer *w, const char *text)
{
    clade_page_markup(w->page, "<h3>");
    clade_page_text(w->page, "%s", text);
    clade_page_markup(w->page, "</h3>\n");
}

static void add_thumbnail(images_writer *w, size_t i)
{
    clade_pixels pixels = {.data = w->pixels, .channels = 3};
    clade_status status =
        clade_inspection_thumbnail(w->in, i, thumbnail, w->pixels, &pixels.height, &pixels.width);
    if (status)
        fail(w, status);
    else
        clade_page_image(w->page, &pixels, w->in->images[i].name);
}

/* Puts the first `most` of a shuffled order of a class' readable images to the front of
 * w->of_class; gives how many there are. */
static size_t choose(images_writer *w, size_t c, size_t most)
{
    const clade_inspection *in = w->in;
    size_t n = 0;
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->images[i];
        if (!p->fault && p->split == in->measured && (size_t)p->label == c) w->of_class[n++] = i;
    }
    clade_random r = clade_random_start(w->options->seed, CLADE_STREAM_INSPECT, c);
    for (size_t i = 0; i < n && i < most; i++) {
        size_t k = i + clade_random_below(&r, (uint32_t)(n - i)), kept = w->of_class[i];
        w->of_class[i] = w->of_class[k];
        w->of_class[k] = kept;
    }
    return n < most ? n : most;
}

static void add_samples(images_writer *w)
{
    int32_t most = w->options->samples > 0 ? w->options->samples : 10;
    clade_page_section(w->page, "Samples");
    clade_page_paragraph(w->page, "Chosen at random from the %s split.",
                         clade_inspect_splits[w->in->measured]);
    for (size_t c = 0; c < w->in->classes && c < shown_classes; c++) {
        size_t n = choose(w, c, (size_t)most);
        heading(w, class_of(w, c));
        clade_page_grid_begin(w->page, CLADE_GRID_IMAGES);
        for (size_t i = 0; i < n; i++) {
            const clade_inspected *p = &w->in->images[w->of_class[i]];
            clade_page_figure_begin(w->page);
            add_thumbnail(w, w->of_class[i]);
            clade_page_caption_begin(w->page);
            clade_page_text(w->page, "%s, %d×%d", base_of(p->name), p->width, p->height);
            clade_page_figure_end(w->page);
        }
        clade_page_grid_end(w->page);
    }
    if (w->in->classes > shown_classes)
        clade_page_paragraph(w->page, "and %zu classes more", w->in->classes - shown_classes);
}

/* An image as the recipe reads it, and as it is in each of some epochs. */
static void add_augmented_image(images_writer *w, size_t i)
{
    int32_t hwc[3];
    clade_dataset_shape(w->in->dataset, hwc);
    size_t size = (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2];
    uint8_t *pixels = malloc(size * (augmented_epochs + 1));
    clade_status status = pixels
                              ? clade_inspect_augment(w->in, w->options->recipe, w->options->device,
                                                      i, augmented_epochs, pixels)
                              : clade_fail(CLADE_ENOMEM, "out of memory for augmented images");
    clade_page_grid_begin(w->page, CLADE_GRID_IMAGES);
    for (int e = 0; e <= augmented_epochs && !status; e++) {
        char alt[96];
        const clade_pixels shown = {pixels + (size_t)e * size, hwc[0], hwc[1], hwc[2]};
        snprintf(alt, sizeof alt, "%.60s, %s %d", base_of(w->in->images[i].name),
                 e ? "epoch" : "as read", e);
        clade_page_figure_begin(w->page);
        clade_page_image(w->page, &shown, alt);
        clade_page_caption_begin(w->page);
        if (e)
            clade_page_text(w->page, "epoch %d", e);
        else
            clade_page_text(w->page, "%s", base_of(w->in->images[i].name));
        clade_page_figure_end(w->page);
    }
    clade_page_grid_end(w->page);
    free(pixels);
    if (status) fail(w, status);
}

static void add_augmented(images_writer *w)
{
    int32_t hwc[3];
    if (!w->options->recipe) return;
    clade_dataset_shape(w->in->dataset, hwc);
    clade_page_section(w->page, "As training sees them");
    clade_page_paragraph(w->page,
                         "At %d×%d pixels, as the recipe %s reads them, and in the first epochs as "
                         "it augments them%s.",
                         hwc[1], hwc[0], clade_recipe_name(w->options->recipe),
                         clade_augment_mixes(clade_recipe_augment(w->options->recipe))
                             ? ", before they are mixed with each other"
                             : "");
    for (size_t c = 0; c < w->in->classes && c < augmented_classes; c++) {
        size_t n = choose(w, c, augmented_images);
        heading(w, class_of(w, c));
        for (size_t i = 0; i < n; i++) add_augmented_image(w, w->of_class[i]);
    }
    if (w->in->classes > augmented_classes)
        clade_page_paragraph(w->page, "and %zu classes more", w->in->classes - augmented_classes);
}

/* One of a pair: what makes it a problem stands out. */
static void add_half(images_writer *w, size_t i, bool across, bool other)
{
    const clade_inspected *p = &w->in->images[i];
    clade_page_figure_begin(w->page);
    add_thumbnail(w, i);
    clade_page_caption_begin(w->page);
    clade_page_markup(w->page, "<b%s>", across ? " class=\"bad\"" : "");
    clade_page_text(w->page, "%s", clade_inspect_splits[p->split]);
    clade_page_markup(w->page, "</b>, <b%s>", other ? " class=\"bad\"" : "");
    clade_page_text(w->page, "%s", class_of(w, (size_t)p->label));
    clade_page_markup(w->page, "</b><br>");
    clade_page_text(w->page, "%s, %d×%d", base_of(p->name), p->width, p->height);
    clade_page_figure_end(w->page);
}

static void add_pair(images_writer *w, const clade_duplicate *d)
{
    const clade_inspected *a = &w->in->images[d->a], *b = &w->in->images[d->b];
    bool across = a->split != b->split, other = a->label != b->label;
    clade_page_markup(w->page, "<div class=\"pair\">\n");
    add_half(w, d->a, across, other);
    add_half(w, d->b, across, other);
    clade_page_markup(w->page, "<p class=\"note\">");
    if (d->exact)
        clade_page_text(w->page, "equal files");
    else
        clade_page_text(w->page, "similarity %.3f", d->similarity);
    clade_page_markup(w->page, "</p>\n</div>\n");
}

static void add_duplicates(images_writer *w)
{
    const clade_inspection *in = w->in;
    size_t most = w->options->pairs > 0 ? (size_t)w->options->pairs : 60;
    clade_page_section(w->page, "Duplicates");
    if (in->duplicate_count == 0) {
        clade_page_paragraph(w->page, "None were found.");
        return;
    }
    clade_page_paragraph(w->page, "Pairs across splits first, then the most similar.");
    clade_page_markup(w->page, "<div class=\"pairs\">\n");
    for (size_t i = 0; i < in->duplicate_count && i < most; i++) add_pair(w, &in->duplicates[i]);
    clade_page_markup(w->page, "</div>\n");
    if (in->duplicate_count > most)
        clade_page_paragraph(w->page, "and %zu pairs more", in->duplicate_count - most);
}

void clade_inspect_images(clade_page *page, const clade_inspection *in,
                          const clade_inspect_page *options)
{
    images_writer w = {.page = page, .in = in, .options = options};
    w.of_class = malloc((in->count ? in->count : 1) * sizeof *w.of_class);
    w.pixels = malloc((size_t)thumbnail * thumbnail * 3);
    if (w.of_class && w.pixels) {
        add_samples(&w);
        add_augmented(&w);
        add_duplicates(&w);
    } else {
        fail(&w, clade_fail(CLADE_ENOMEM, "out of memory for the images of a page"));
    }
    free(w.of_class);
    free(w.pixels);
}
