/* Reducing images by averaging: each cell is the mean of the pixels it covers. */
#include "data/image.h"

#include <math.h>
#include <string.h>

/* The pixels from `first` to before `last`; the first and the last count in part. */
typedef struct clade_span {
    int32_t first, last;
    float head, tail; /* weights of the first and the last pixel, if they are two */
} clade_span;

static void span_table(int32_t in, int32_t out, clade_span *spans)
{
    for (int32_t i = 0; i < out; i++) {
        double low = (double)i * in / out, high = (double)(i + 1) * in / out;
        int32_t first = (int32_t)low, last = (int32_t)ceil(high);
        if (first > in - 1) first = in - 1;
        if (last > in) last = in;
        if (last <= first) last = first + 1;
        bool one = last - first == 1;
        spans[i] = (clade_span){first, last, (float)(one ? high - low : first + 1 - low),
                                (float)(high - (last - 1))};
    }
}

static float weight_in(const clade_span *s, int32_t i)
{
    return i == s->first ? s->head : i == s->last - 1 ? s->tail : 1;
}

/* Sums the parts of a row that the cells' columns cover. */
static void sum_columns(const clade_average *a, const uint8_t *row, float *out)
{
    ptrdiff_t n = a->layout.channels, step = a->turn.columns ? -n : n;
    const uint8_t *start = a->turn.columns ? row + (a->layout.width - 1) * n : row;
    for (int32_t x = 0; x < a->width; x++) {
        const clade_span *s = &a->columns[x];
        for (ptrdiff_t k = 0; k < n; k++) {
            const uint8_t *p = start + k;
            uint32_t inner = 0;
            for (int32_t i = s->first + 1; i < s->last - 1; i++) inner += p[i * step];
            float sum = (float)inner + s->head * (float)p[s->first * step];
            if (s->last - s->first > 1) sum += s->tail * (float)p[(s->last - 1) * step];
            *out++ = sum;
        }
    }
}

/* Outputs a row of cells, in the order of the upright rows. */
static void finish_row(const clade_average *a, int32_t y)
{
    size_t cells = (size_t)a->width * (size_t)a->layout.channels;
    const clade_span *s = &a->rows[y];
    float *out = a->out + (size_t)y * cells;
    memset(out, 0, cells * sizeof *out);
    for (int32_t i = s->first; i < s->last; i++) {
        const float *sums = a->sums + (size_t)(i % a->depth) * cells;
        float weight = weight_in(s, i);
        for (size_t c = 0; c < cells; c++) out[c] += weight * sums[c];
    }
    for (size_t c = 0; c < cells; c++) out[c] /= (float)a->area;
}

static void add_row(clade_average *a, int32_t at, const uint8_t *row)
{
    size_t cells = (size_t)a->width * (size_t)a->layout.channels;
    sum_columns(a, row, a->sums + (size_t)(at % a->depth) * cells);
    for (; a->next < a->height; a->next++) {
        int32_t y = a->turn.rows ? a->height - 1 - a->next : a->next;
        if (at != (a->turn.rows ? a->rows[y].first : a->rows[y].last - 1)) return;
        finish_row(a, y);
    }
}

/* Swapped: outputs a column of cells, in the order of the upright rows, which are stored
 * columns. */
static void finish_column(const clade_average *a, int32_t x)
{
    ptrdiff_t n = a->layout.channels, width = a->layout.width;
    const clade_span *s = &a->columns[x];
    for (int32_t y = 0; y < a->height; y++) {
        const clade_span *rows = &a->rows[y];
        float *out = a->out + (y * (ptrdiff_t)a->width + x) * n;
        for (ptrdiff_t k = 0; k < n; k++) {
            float total = 0;
            for (int32_t i = rows->first; i < rows->last; i++) {
                ptrdiff_t at = (a->turn.columns ? width - 1 - i : i) * n + k;
                float sum = (float)a->inner[at] + s->head * (float)a->edges[at];
                if (s->last - s->first > 1) sum += s->tail * (float)a->edges[width * n + at];
                total += weight_in(rows, i) * sum;
            }
            out[k] = total / (float)a->area;
        }
    }
}

static void add_column(clade_average *a, int32_t at, const uint8_t *row)
{
    size_t row_bytes = (size_t)a->layout.width * (size_t)a->layout.channels;
    for (; a->next < a->width; a->next++) {
        int32_t x = a->turn.rows ? a->width - 1 - a->next : a->next;
        const clade_span *s = &a->columns[x];
        if (at < s->first || at >= s->last) return;
        if (at == s->first)
            memcpy(a->edges, row, row_bytes);
        else if (at == s->last - 1)
            memcpy(a->edges + row_bytes, row, row_bytes);
        else
            for (size_t i = 0; i < row_bytes; i++) a->inner[i] += row[i];
        if (at != (a->turn.rows ? s->first : s->last - 1)) return;
        finish_column(a, x);
        memset(a->inner, 0, row_bytes * sizeof *a->inner);
    }
}

static void average_row(clade_sink *sink, int32_t y, const uint8_t *row)
{
    clade_average *a = (clade_average *)sink;
    int32_t at = a->turn.rows ? a->layout.height - 1 - y : y;
    if (a->turn.swap)
        add_column(a, at, row);
    else
        add_row(a, at, row);
}

static clade_status average_begin(clade_sink *sink, const clade_layout *layout)
{
    clade_average *a = (clade_average *)sink;
    a->layout = *layout;
    a->turn = clade_turn_of(layout->orientation);
    const bool swap = a->turn.swap;
    const int32_t height = swap ? layout->width : layout->height;
    const int32_t width = swap ? layout->height : layout->width;
    a->area = (double)height / a->height * ((double)width / a->width);
    a->depth = height / a->height + 3; /* the largest number of rows that a cell touches */
    size_t spans = ((size_t)a->height + (size_t)a->width) * sizeof(clade_span);
    size_t row = (size_t)layout->width * (size_t)layout->channels;
    size_t sums = (size_t)a->depth * (size_t)a->width * (size_t)layout->channels * sizeof(float);
    size_t need = spans + (swap ? row * (sizeof *a->inner + 2) : sums);
    clade_status status = clade_bytes_reserve(&a->decoder->table, need);
    if (status) return status;
    uint8_t *work = a->decoder->table.data + spans;
    a->rows = (clade_span *)(void *)a->decoder->table.data;
    a->columns = a->rows + a->height;
    a->sums = swap ? NULL : (float *)(void *)work;
    a->inner = swap ? (uint32_t *)(void *)work : NULL;
    a->edges = swap ? work + row * sizeof *a->inner : NULL;
    if (swap) memset(a->inner, 0, row * sizeof *a->inner);
    span_table(height, a->height, a->rows);
    span_table(width, a->width, a->columns);
    return CLADE_OK;
}

void clade_average_init(clade_average *average, clade_decoder *decoder, int32_t height,
                        int32_t width, float *out)
{
    *average = (clade_average){.sink = {average_begin, average_row},
                               .decoder = decoder,
                               .height = height,
                               .width = width,
                               .out = out};
}
