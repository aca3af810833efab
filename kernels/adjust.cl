/* Colours of whole images, and images mixed. x and y are [n, h, w, c]. */
#include "elements.clh"
#include "adjust.clh"

/* A work-group does one image, of dimension 1 counted from `first`: for each step that needs it,
 * its work-items gather what it has to know of the whole, which reads the image once; then they
 * write their pixels, the same that they read. Sharpness and equalize write the image as it is by
 * then to y, and from there with the step done to `work`, [images, h, w, c], from which it goes on.
 * count steps, `rectangles` rectangles. */
kernel void image_adjust(TENSOR(float, x), TENSOR(float, steps), TENSOR(int, erase),
                         TENSOR(float, y), TENSOR(float, work), ulong first, int h, int w, int c,
                         int count, int rectangles, float value, float4 scale, float4 shift)
{
    local adjust_part part[ADJUST_SUMS];
    local int level[3 * ADJUST_LEVELS];
    const ulong image = first + get_group_id(1), pixels = (ulong)h * w;
    const int item = get_local_id(0), items = get_local_size(0);
    const global float *from = x + x0 + image * pixels * c;
    const global float *step = steps + steps0 + image * count * 2;
    const global int *rectangle = erase + erase0 + image * rectangles * 4;
    global float *to = y + y0 + image * pixels * c;
    global float *between = work + work0 + get_group_id(1) * pixels * c;
    const float a[4] = {scale.x, scale.y, scale.z, scale.w};
    const float b[4] = {shift.x, shift.y, shift.z, shift.w};
    adjust_whole whole[ADJUST_STEPS];
    int done = 0; /* steps that `from` has behind it */
    for (int s = 0; s < count; s++) {
        const float kind = step[2 * s];
        if (adjust_needs_whole(kind)) {
            for (int k = item; k < ADJUST_SUMS; k += items)
                part[k] =
                    adjust_part_of(from, k, pixels, step + 2 * done, whole + done, s - done, c);
            barrier(CLK_LOCAL_MEM_FENCE);
            whole[s] = adjust_whole_of(part, pixels);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (kind != ADJUST_SHARPNESS && kind != ADJUST_EQUALIZE) continue;
        for (int k = item; k < 3 * ADJUST_LEVELS; k += items) level[k] = 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (ulong p = item; p < pixels; p += items) {
            float v[3] = {0.0f, 0.0f, 0.0f};
            for (int k = 0; k < c; k++) v[k] = from[p * c + k];
            adjust_pixel(step + 2 * done, whole + done, s - done, c, v);
            for (int k = 0; k < c; k++) {
                to[p * c + k] = v[k];
                const int own = kind == ADJUST_EQUALIZE ? adjust_level(v[k]) : -1;
                if (own >= 0) atomic_inc(level + k * ADJUST_LEVELS + own);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        for (int k = item; k < c; k += items) adjust_equalize(level + k * ADJUST_LEVELS);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (ulong p = item; p < pixels; p += items) {
            const int inner = adjust_is_inner((int)(p / w), (int)(p % w), h, w);
            for (int k = 0; k < c; k++) {
                const ulong at = p * c + k;
                between[at] = kind == ADJUST_EQUALIZE
                                  ? adjust_look_up(level + k * ADJUST_LEVELS, to[at])
                              : inner ? adjust_sharpen(to, at, c, (ulong)w * c, step[2 * s + 1])
                                      : to[at];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        from = between;
        done = s + 1;
    }
    for (ulong p = item; p < pixels; p += items) {
        float v[3] = {0.0f, 0.0f, 0.0f};
        for (int k = 0; k < c; k++) v[k] = from[p * c + k];
        adjust_pixel(step + 2 * done, whole + done, count - done, c, v);
        const int erased = adjust_is_erased(rectangle, rectangles, (int)(p / w), (int)(p % w));
        for (int k = 0; k < c; k++) to[p * c + k] = erased ? value : FMA(a[k], v[k], b[k]);
    }
}

/* A work-item mixes a pixel of c channels; reads two floats and writes one. */
kernel void image_mix(TENSOR(float, x), TENSOR(float, z), TENSOR(float, y), int h, int w, int c,
                      float share, int top, int left, int bottom, int right, ELEMENTS)
{
    FOR_EACH_OWN(i, n)
    {
        const int row = (int)(i / w % h), column = (int)(i % w);
        const int within = row >= top && column >= left && row < bottom && column < right;
        for (int k = 0; k < c; k++)
            y[y0 + i * c + k] = adjust_mix(x[x0 + i * c + k], z[z0 + i * c + k], share, within);
    }
}
