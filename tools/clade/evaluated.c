/* What was found of images' predictions: memory for it, its mistakes, and its CSV. */
#include "evaluated.h"

#include "csv.h"
#include "predictions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

clade_status evaluated_create(const clade_classifier *classifier, size_t count, evaluated *out)
{
    const size_t classes = (size_t)clade_classifier_classes(classifier);
    *out = (evaluated){.classifier = classifier, .count = count};
    out->name = calloc(count + 1, sizeof *out->name);
    out->label = calloc(count + 1, sizeof *out->label);
    out->p = calloc(count * classes + 1, sizeof *out->p);
    out->confusion = calloc(classes * classes, sizeof *out->confusion);
    if (out->name && out->label && out->p && out->confusion) return CLADE_OK;
    evaluated_clear(out);
    return clade_fail(CLADE_ENOMEM, "out of memory for %zu predictions", count);
}

void evaluated_clear(evaluated *e)
{
    free(e->name);
    free(e->label);
    free(e->p);
    free(e->confusion);
    *e = (evaluated){0};
}

clade_status evaluated_measure(evaluated *e)
{
    return clade_metrics_of(e->p, e->label, e->count, clade_classifier_classes(e->classifier),
                            e->top_k, e->confusion, &e->metrics);
}

clade_status evaluated_write(const evaluated *e, const int32_t *fold, const char *path)
{
    FILE *file = fopen(path, "wx");
    if (!file) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    const float *p = e->p;
    const int32_t classes = clade_classifier_classes(e->classifier);
    fprintf(file, fold ? "file,fold,class,predicted" : "file,class,predicted");
    for (int32_t c = 0; c < classes; c++) {
        fputc(',', file);
        csv_field(file, clade_classifier_class_name(e->classifier, c));
    }
    fputc('\n', file);
    for (size_t i = 0; i < e->count; i++, p += classes) {
        csv_field(file, e->name[i]);
        if (fold) fprintf(file, ",%d", fold[i]);
        fputc(',', file);
        csv_field(file, clade_classifier_class_name(e->classifier, e->label[i]));
        fputc(',', file);
        csv_field(file,
                  clade_classifier_class_name(e->classifier, prediction_class(p, classes, 0)));
        for (int32_t c = 0; c < classes; c++) fprintf(file, ",%.6g", (double)p[c]);
        fputc('\n', file);
    }
    bool good = !ferror(file);
    good = !fclose(file) && good;
    if (!good) remove(path);
    return good ? CLADE_OK : clade_fail(CLADE_EIO, "%s: cannot write", path);
}
