/* Rendering of shapes: signed distances, colours, textures, noise.
 *
 * Colours, background, position, size and rotation are drawn alike for every kind, so that only the
 * form distinguishes the kinds. */
#include "data/shapes_render.h"
#include "base/random.h"

#include <math.h>
#include <stdbool.h>

const char *const clade_shape_names[clade_shape_kinds] = {
    "circle", "square", "triangle", "star", "ring", "cross", "stripes", "checkerboard"};

enum { circle, square, triangle, star, ring, cross, stripes, checkerboard };

typedef struct shape_point {
    float x, y;
} shape_point;

typedef struct colour {
    float c[3]; /* red, green, blue; 0…1 */
} colour;

enum { lattice = 9 };

/* Smooth noise: values at the corners of a grid over [-1, 1]². */
typedef struct texture {
    float value[lattice][lattice];
} texture;

enum { back_gradient, back_bands, back_dots, back_clouds, back_kinds };

typedef struct scene {
    int32_t kind;
    /* the shape's place: its centre, its radius (in an image from -1 to 1), the cosine and sine */
    shape_point centre;
    float radius;
    shape_point turn;
    bool round;          /* the outline of a pattern: a disc, else a square */
    float period, phase; /* of a pattern, in radii */
    colour fore[2];      /* of a pattern both, else a shading from one to the other */
    colour back[2];
    int background;
    shape_point direction; /* of gradient and bands */
    float frequency;
    float shadow;       /* how dark: 0…1 */
    shape_point offset; /* of the shadow */
    texture clouds;
    float noise; /* amplitude of the sensor noise, 0…255 */
} scene;

/* --- forms: signed distances to the outline, negative inside, in radii --- */

static const shape_point square_corners[] = {
    {-.76f, -.76f}, {.76f, -.76f}, {.76f, .76f}, {-.76f, .76f}};
static const shape_point triangle_corners[] = {{0, 1.05f}, {-.9093f, -.525f}, {.9093f, -.525f}};
/* five points at radius 1, five between them at 0.45 */
static const shape_point star_corners[] = {
    {0, 1},     {-.2645f, .3641f}, {-.9511f, .3090f}, {-.4280f, -.1391f}, {-.5878f, -.8090f},
    {0, -.45f}, {.5878f, -.8090f}, {.4280f, -.1391f}, {.9511f, .3090f},   {.2645f, .3641f}};
static const shape_point cross_corners[] = {
    {.3f, .95f},   {-.3f, .95f}, {-.3f, .3f}, {-.95f, .3f}, {-.95f, -.3f}, {-.3f, -.3f},
    {-.3f, -.95f}, {.3f, -.95f}, {.3f, -.3f}, {.95f, -.3f}, {.95f, .3f},   {.3f, .3f}};

static float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* Distance to the nearest edge; inside when a ray to the right crosses an odd number of edges. */
static float polygon(shape_point p, const shape_point *corner, int n)
{
    float nearest = 1e9f;
    bool inside = false;
    for (int i = 0, j = n - 1; i < n; j = i++) {
        shape_point a = corner[j], edge = {corner[i].x - a.x, corner[i].y - a.y};
        shape_point to = {p.x - a.x, p.y - a.y};
        float t =
            clamp((to.x * edge.x + to.y * edge.y) / (edge.x * edge.x + edge.y * edge.y), 0, 1);
        shape_point d = {to.x - t * edge.x, to.y - t * edge.y};
        float square_of = d.x * d.x + d.y * d.y;
        if (square_of < nearest) nearest = square_of;
        if ((corner[i].y > p.y) != (a.y > p.y) && to.x * edge.y * edge.y < edge.x * to.y * edge.y)
            inside = !inside;
    }
    return inside ? -sqrtf(nearest) : sqrtf(nearest);
}

static float distance(const scene *s, shape_point p)
{
    float length = sqrtf(p.x * p.x + p.y * p.y);
    switch (s->kind) {
    case circle: return length - .92f;
    case square: return polygon(p, square_corners, 4);
    case triangle: return polygon(p, triangle_corners, 3);
    case star: return polygon(p, star_corners, 10);
    case ring: return fabsf(length - .72f) - .22f;
    case cross: return polygon(p, cross_corners, 12);
    default: return s->round ? length - .92f : polygon(p, square_corners, 4);
    }
}

/* --- patterns --- */

/* A square wave of period 1, from 0 to 1, whose steps are `blur` wide. */
static float wave(float x, float blur)
{
    float part = x - floorf(x);
    return clamp(.5f + (fabsf(part - .5f) - .25f) / blur, 0, 1);
}

/* Returns the share of the second colour in a pattern at p. */
static float pattern(const scene *s, shape_point p, float pixel)
{
    float blur = pixel / s->period;
    float a = wave(p.x / s->period + s->phase, blur);
    if (s->kind == stripes) return a;
    float b = wave(p.y / s->period + s->phase, blur);
    return a * (1 - b) + b * (1 - a);
}

static float clouds(const texture *t, shape_point p)
{
    float x = clamp((p.x + 1) * .5f * (lattice - 1), 0, lattice - 1.001f);
    float y = clamp((p.y + 1) * .5f * (lattice - 1), 0, lattice - 1.001f);
    int i = (int)y, j = (int)x;
    x -= (float)j;
    y -= (float)i;
    x = x * x * (3 - 2 * x);
    y = y * y * (3 - 2 * y);
    float top = t->value[i][j] + x * (t->value[i][j + 1] - t->value[i][j]);
    float bottom = t->value[i + 1][j] + x * (t->value[i + 1][j + 1] - t->value[i + 1][j]);
    return top + y * (bottom - top);
}

/* Returns the share of the background's second colour at p. */
static float background(const scene *s, shape_point p, float pixel)
{
    float along = p.x * s->direction.x + p.y * s->direction.y;
    float across = p.x * s->direction.y - p.y * s->direction.x;
    switch (s->background) {
    case back_gradient: return clamp(.5f + .45f * along, 0, 1);
    case back_bands: return wave(along * s->frequency, pixel * s->frequency);
    case back_dots: {
        float x = along * s->frequency, y = across * s->frequency;
        x -= floorf(x) + .5f;
        y -= floorf(y) + .5f;
        return clamp(.5f + (.3f - sqrtf(x * x + y * y)) / (pixel * s->frequency), 0, 1);
    }
    default: return clouds(&s->clouds, p);
    }
}

/* --- what is drawn at random --- */

static colour draw_colour(clade_random *r)
{
    float hue = clade_random_uniform(r, 0, 6), value = clade_random_uniform(r, .25f, 1);
    float saturation = clade_random_uniform(r, .35f, 1);
    colour result;
    for (int i = 0; i < 3; i++) {
        float turn = hue + (float)(2 * i); /* a third of the circle between the channels */
        turn -= turn >= 6 ? 6 : 0;
        float pure = clamp(fabsf(turn - 3) - 1, 0, 1);
        result.c[i] = value * (1 - saturation + saturation * pure);
    }
    return result;
}

static colour vary(clade_random *r, colour from, float by)
{
    for (int i = 0; i < 3; i++)
        from.c[i] = clamp(from.c[i] + clade_random_uniform(r, -by, by), 0, 1);
    return from;
}

static float contrast(colour a, colour b)
{
    return fabsf(.3f * (a.c[0] - b.c[0]) + .59f * (a.c[1] - b.c[1]) + .11f * (a.c[2] - b.c[2]));
}

/* Draws a unit vector, uniformly distributed: from a point in the disc, which needs no sine. */
static shape_point draw_direction(clade_random *r)
{
    shape_point p;
    float length;
    do {
        p = (shape_point){clade_random_uniform(r, -1, 1), clade_random_uniform(r, -1, 1)};
        length = sqrtf(p.x * p.x + p.y * p.y);
    } while (length > 1 || length < .1f);
    return (shape_point){p.x / length, p.y / length};
}

static scene draw_scene(clade_random *r, int32_t kind)
{
    enum { tries = 256 };
    const float enough = .33f;
    scene s = {.kind = kind};
    s.radius = clade_random_uniform(r, .5f, .85f);
    s.centre.x = clade_random_uniform(r, -1, 1) * (1 - s.radius);
    s.centre.y = clade_random_uniform(r, -1, 1) * (1 - s.radius);
    s.turn = draw_direction(r);
    s.round = clade_random_u32(r) & 1;
    s.period = clade_random_uniform(r, .42f, .62f);
    s.phase = clade_random_unit(r);
    bool two = kind == stripes || kind == checkerboard;
    for (int i = 0; i < tries; i++) {
        s.back[0] = draw_colour(r);
        s.back[1] = vary(r, s.back[0], .14f);
        s.fore[0] = draw_colour(r);
        s.fore[1] = two ? draw_colour(r) : vary(r, s.fore[0], .12f);
        float least = contrast(s.fore[0], s.back[0]), also = contrast(s.fore[0], s.back[1]);
        if (also < least) least = also;
        also = two ? contrast(s.fore[0], s.fore[1]) : contrast(s.fore[1], s.back[0]);
        if (also < least) least = also;
        if (least >= enough) break;
    }
    s.background = (int)clade_random_below(r, back_kinds);
    s.direction = draw_direction(r);
    s.frequency = clade_random_uniform(r, 2, 5);
    s.shadow = clade_random_u32(r) & 1 ? clade_random_uniform(r, .2f, .5f) : 0;
    s.offset =
        (shape_point){clade_random_uniform(r, -.12f, .12f), clade_random_uniform(r, -.12f, .12f)};
    for (int i = 0; i < lattice; i++)
        for (int j = 0; j < lattice; j++) s.clouds.value[i][j] = clade_random_unit(r);
    s.noise = clade_random_uniform(r, 2, 10);
    return s;
}

/* Converts the image's coordinates to the shape's, where its radius is 1. */
static shape_point to_shape(const scene *s, shape_point p)
{
    float x = (p.x - s->centre.x) / s->radius, y = (p.y - s->centre.y) / s->radius;
    return (shape_point){s->turn.x * x + s->turn.y * y, s->turn.x * y - s->turn.y * x};
}

void clade_shape_render(uint64_t seed, int32_t kind, int32_t split, int32_t index, int32_t size,
                        uint8_t *rgb)
{
    uint64_t position = (uint64_t)kind << 40 | (uint64_t)split << 32 | (uint32_t)index;
    clade_random random = clade_random_start(seed, CLADE_STREAM_SHAPES, position);
    const scene s = draw_scene(&random, kind);
    const float pixel = 2.0f / (float)size, small = pixel / s.radius;
    for (int32_t i = 0; i < size; i++) {
        for (int32_t j = 0; j < size; j++, rgb += 3) {
            shape_point p = {((float)j + .5f) * pixel - 1, ((float)i + .5f) * pixel - 1};
            shape_point q = to_shape(&s, p);
            float ground = background(&s, p, pixel), light = 1;
            /* covered by the shape: 0…1 over one pixel at its edge */
            float cover = clamp(.5f - distance(&s, q) / small, 0, 1);
            if (s.shadow > 0 && cover < 1) {
                shape_point behind =
                    to_shape(&s, (shape_point){p.x - s.offset.x, p.y - s.offset.y});
                light = 1 - s.shadow * clamp(.5f - distance(&s, behind) / .15f, 0, 1);
            }
            float mixed = s.kind == stripes || s.kind == checkerboard
                              ? pattern(&s, q, small)
                              : clamp(.5f + .5f * q.y, 0, 1);
            uint32_t word = clade_random_u32(&random);
            for (int c = 0; c < 3; c++) {
                float under = light * (s.back[0].c[c] + ground * (s.back[1].c[c] - s.back[0].c[c]));
                float over = s.fore[0].c[c] + mixed * (s.fore[1].c[c] - s.fore[0].c[c]);
                float grain = ((float)(word >> (8 * c) & 255) - 127.5f) / 127.5f * s.noise;
                float value = 255 * (under + cover * (over - under)) + grain;
                rgb[c] = (uint8_t)(clamp(value, 0, 255) + .5f);
            }
        }
    }
}
