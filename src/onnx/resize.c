/* ONNX's Resize and Upsample, both ways: upsample2d. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <stdio.h>
#include <string.h>

/* --- factors --- */

/* A dimension's factor by its scale, or where there is a size, by that. */
static clade_status factor_of(int64_t dim, const float *scale, const int64_t *size, int64_t *factor)
{
    if (scale && !(*scale >= 1 && *scale < 1 << 24 && *scale == (float)(int64_t)*scale))
        return clade_fail(CLADE_EUNSUPPORTED, "by %g: expected whole factors from 1",
                          (double)*scale);
    if (!scale && (*size < dim || *size % dim))
        return clade_fail(CLADE_EUNSUPPORTED, "from %lld to %lld: expected a multiple",
                          (long long)dim, (long long)*size);
    *factor = scale ? (int64_t)*scale : *size / dim;
    if (*factor > 1 && *factor > INT32_MAX / dim)
        return clade_fail(CLADE_EUNSUPPORTED, "%lld times %lld is too large", (long long)dim,
                          (long long)*factor);
    return CLADE_OK;
}

/* Scales or sizes of the dimensions `axes`, of all by default: Upsample had an attribute first,
 * then an input; Resize takes the scales as the second input, from opset 11 on as the third, and
 * sizes as the fourth. */
static clade_status read_factors(clade_onnx_reader *r, const Onnx__Node *node,
                                 const clade_onnx_value *x, int64_t factor[clade_onnx_max_rank])
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, "scales");
    const clade_onnx_constant *scales = NULL, *sizes = NULL;
    bool later = r->file.opset >= 11;
    int64_t axis[clade_onnx_max_rank];
    int32_t axes;
    clade_status status = clade_onnx_ints(r, node, "axes", SIZE_MAX, axis, &axes);
    if (!status && !a) status = clade_onnx_input_constant(r, node, later ? 2 : 1, &scales);
    if (scales && scales->count == 0) scales = NULL;
    if (!status && later && !scales) status = clade_onnx_input_constant(r, node, 3, &sizes);
    if (status) return status;
    if ((scales && !scales->real) || (sizes && sizes->real) || !(a || scales || sizes))
        return clade_fail(CLADE_EFORMAT, "has no scales and no sizes");
    size_t count = a ? a->n_floats : scales ? scales->count : sizes->count;
    if (count != (size_t)(axes ? axes : x->rank))
        return clade_fail(CLADE_EFORMAT, "has %zu scales or sizes for %d dimensions", count,
                          axes ? axes : x->rank);
    for (int32_t k = 0; k < x->rank; k++) factor[k] = 1;
    for (size_t i = 0; i < count && !status; i++) {
        int64_t k = axes ? axis[i] : (int64_t)i;
        if (k < 0) k += x->rank;
        if (k < 0 || k >= x->rank) return clade_fail(CLADE_EFORMAT, "axes out of range");
        status = factor_of(x->dim[k],
                           a        ? &a->floats[i]
                           : scales ? &scales->f[i]
                                    : NULL,
                           sizes ? &sizes->i[i] : NULL, &factor[k]);
    }
    return status;
}

/* --- modes --- */

typedef struct resize_mode {
    bool linear;
    char coordinates[32], rounding[32];
} resize_mode;

static clade_status read_mode(const clade_onnx_reader *r, const Onnx__Node *node, resize_mode *m)
{
    char mode[32], policy[32];
    clade_onnx_text(node, "mode", mode);
    clade_onnx_text(node, "coordinate_transformation_mode", m->coordinates);
    clade_onnx_text(node, "nearest_mode", m->rounding);
    clade_onnx_text(node, "keep_aspect_ratio_policy", policy);
    m->linear = !strcmp(mode, "linear");
    if (*mode && !m->linear && strcmp(mode, "nearest") != 0)
        return clade_fail(CLADE_EUNSUPPORTED, "mode '%s': expected nearest or linear", mode);
    if (*policy && strcmp(policy, "stretch") != 0)
        return clade_fail(CLADE_EUNSUPPORTED, "keep_aspect_ratio_policy '%s': expected stretch",
                          policy);
    if (clade_onnx_int(node, "antialias", 0) || clade_onnx_int(node, "exclude_outside", 0))
        return clade_fail(CLADE_EUNSUPPORTED, "antialias or exclude_outside");
    bool early = r->file.opset < 11; /* before there were these attributes */
    if (!*m->coordinates)
        snprintf(m->coordinates, sizeof m->coordinates, "%s", early ? "asymmetric" : "half_pixel");
    if (!*m->rounding)
        snprintf(m->rounding, sizeof m->rounding, "%s", early ? "floor" : "round_prefer_floor");
    return CLADE_OK;
}

/* The modes in which output o = q factor + r is what upsample2d gives. Linear: it lies where
 * upsample2d has it, and whole factors make all kinds of half_pixel the same. Nearest: it is
 * rounded to q: half_pixel puts it less than half a pixel from q, asymmetric at q + r / factor, and
 * tf_half_pixel_for_nn at q + (r + 1/2) / factor. */
static const struct {
    const char *coordinates, *rounding; /* NULL: linear */
    int64_t most;                       /* the largest factor; 0: any */
} same[] = {
    {"half_pixel", NULL, 0},
    {"pytorch_half_pixel", NULL, 0},
    {"half_pixel_symmetric", NULL, 0},
    {"align_corners", NULL, 0},
    {"half_pixel", "round_prefer_floor", 0},
    {"half_pixel", "round_prefer_ceil", 0},
    {"pytorch_half_pixel", "round_prefer_floor", 0},
    {"pytorch_half_pixel", "round_prefer_ceil", 0},
    {"half_pixel_symmetric", "round_prefer_floor", 0},
    {"half_pixel_symmetric", "round_prefer_ceil", 0},
    {"asymmetric", "floor", 0},
    {"asymmetric", "round_prefer_floor", 2},
    {"tf_half_pixel_for_nn", "floor", 0},
};

/* Does upsample2d give the same for `pixels` rows or columns made `factor` times as many? Where
 * there is one, every mode does that does not cut the image. */
static clade_status check_axis(const resize_mode *m, int64_t pixels, int64_t factor)
{
    if (!strcmp(m->coordinates, "tf_crop_and_resize"))
        return clade_fail(CLADE_EUNSUPPORTED, "coordinate_transformation_mode '%s'",
                          m->coordinates);
    if (pixels == 1) return CLADE_OK;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (!strcmp(same[i].coordinates, m->coordinates) && (!same[i].rounding == m->linear) &&
            (m->linear || !strcmp(same[i].rounding, m->rounding)) &&
            (!same[i].most || factor <= same[i].most))
            return CLADE_OK;
    if (m->linear)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "mode 'linear' with coordinate_transformation_mode '%s': expected "
                          "half_pixel, pytorch_half_pixel or align_corners",
                          m->coordinates);
    return clade_fail(CLADE_EUNSUPPORTED,
                      "nearest_mode '%s' with coordinate_transformation_mode '%s': expected floor "
                      "with asymmetric, or round_prefer_floor or round_prefer_ceil with half_pixel",
                      m->rounding, m->coordinates);
}

clade_status clade_onnx_read_resize(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    resize_mode mode;
    int64_t factor[clade_onnx_max_rank], dim[4];
    bool none = true;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = read_factors(r, node, &x, factor);
    if (!status) status = read_mode(r, node, &mode);
    if (status) return status;
    for (int32_t k = 0; k < x.rank; k++) none = none && factor[k] == 1;
    if (none) return clade_onnx_output(r, node, &x);
    clade_layer layer = {.kind = CLADE_LAYER_UPSAMPLE2D, .input_count = 1};
    clade_upsample2d_layer *l = &layer.as.upsample2d;
    *l = (clade_upsample2d_layer){.size = {1, 1},
                                  .interpolation = mode.linear ? CLADE_BILINEAR : CLADE_NEAREST,
                                  .align_corners =
                                      mode.linear && !strcmp(mode.coordinates, "align_corners")};
    /* by the layer's dimensions: rows and columns, whatever ONNX calls them */
    if (clade_onnx_dims(r, x.layer, dim) != 4) status = clade_onnx_image(r, &x);
    for (int32_t k = 0; k < x.rank && !status; k++) {
        if (factor[k] == 1) continue;
        int32_t at = x.order[k] - 1;
        if (at != 0 && at != 1)
            return clade_fail(CLADE_EUNSUPPORTED, "of dimensions other than height and width");
        status = check_axis(&mode, x.dim[k], factor[k]);
        l->size[at] = (int32_t)factor[k];
        x.dim[k] *= factor[k];
    }
    layer.input[0] = x.layer;
    if (!status) status = clade_onnx_add(r, node, &layer, &x.layer);
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- writing --- */

void clade_onnx_write_upsample2d(clade_onnx_exporter *e, int32_t number)
{
    const clade_layer layer = clade_layer_complete(&clade_onnx_export_node(e, number)->layer);
    const clade_upsample2d_layer *l = &layer.as.upsample2d;
    static const int64_t four = 4;
    float *scales = clade_onnx_keep(&e->w, 4, sizeof *scales);
    for (int k = 0; k < 4 && scales; k++) scales[k] = k < 2 ? 1 : (float)l->size[k - 2];
    char *inputs[] = {
        clade_onnx_export_input(e, number), clade_onnx_format(&e->w, "%s", ""),
        clade_onnx_put_floats(&e->w, clade_onnx_export_part(e, number), 1, &four, scales)};
    Onnx__Node *node = clade_onnx_export_last(e, number, "Resize", 3, inputs);
    bool linear = l->interpolation == CLADE_BILINEAR;
    clade_onnx_put_text(&e->w, node, "mode", linear ? "linear" : "nearest");
    clade_onnx_put_text(&e->w, node, "coordinate_transformation_mode",
                        !linear            ? "asymmetric"
                        : l->align_corners ? "align_corners"
                                           : "half_pixel");
    if (!linear) clade_onnx_put_text(&e->w, node, "nearest_mode", "floor");
}
