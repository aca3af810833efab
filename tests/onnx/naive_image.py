"""ONNX's operators of images for naive.py: windows that move, normalisations, resizing."""
import itertools
import math

from naive import at, build, indices, inside, mean, operator, reduced, stretched

# --- windows ---

def window(c, size, shape):
    """Strides, dilations, padding before, and the sizes that come out, of rows and columns."""
    strides, dilations, pads = c.attr("strides", [1, 1]), c.attr("dilations", [1, 1]), c.attr("pads", [0, 0, 0, 0])
    auto, before, out = c.attr("auto_pad", "NOTSET"), [], []
    for k in (0, 1):
        reach = (size[k] - 1) * dilations[k] + 1
        if auto.startswith("SAME"):
            out.append(-(-shape[k] // strides[k]))
            need = max(0, (out[k] - 1) * strides[k] + reach - shape[k])
            before.append(need // 2 if auto == "SAME_UPPER" else need - need // 2)
            continue
        first, last = (0, 0) if auto == "VALID" else (pads[k], pads[k + 2])
        room = shape[k] + first + last - reach
        count = room // strides[k] + 1
        if c.attr("ceil_mode", 0):
            count = -(-room // strides[k]) + 1
            if (count - 1) * strides[k] >= shape[k] + first:  # would begin in the padding at the end
                count -= 1
        before.append(first)
        out.append(count)
    return strides, dilations, before, out


def windows(c, size, shape):
    """The sizes that come out; and for each place there, what a window takes: (its tap, the place in the image), those
    outside too."""
    strides, dilations, before, out = window(c, size, shape)
    return out, {o: [((i, j), (o[0] * strides[0] - before[0] + i * dilations[0], o[1] * strides[1] - before[1] + j * dilations[1]))
                     for i in range(size[0]) for j in range(size[1])] for o in indices(out)}


@operator("Conv")
def conv(c):
    x, w, b = c.input(0), c.input(1), c.input(2)
    shape, size = x.shape[2:], w.shape[2:]
    each_group = w.shape[0] // c.attr("group", 1)
    out, taken = windows(c, size, shape)
    taken = {o: [(tap, p) for tap, p in places if inside(p, shape)] for o, places in taken.items()}

    def value(index):
        n, m = index[:2]
        first = m // each_group * w.shape[1]
        return (b.values[m] if b else 0) + sum(
            at(x, (n, first + k) + p) * at(w, (m, k) + tap)
            for tap, p in taken[index[2:]] for k in range(w.shape[1]))
    return [build((x.shape[0], w.shape[0], *out), value)]


@operator("MaxPool", "AveragePool")
def pool(c):
    x, size = c.input(0), c.attr("kernel_shape")
    shape = x.shape[2:]
    pads = c.attr("pads", [0, 0, 0, 0])
    out, places = windows(c, size, shape)

    def value(index):
        found = [p for _, p in places[index[2:]]]
        taken = [at(x, index[:2] + p) for p in found if inside(p, shape)]
        if c.op == "MaxPool":
            return max(taken)
        if not c.attr("count_include_pad", 0):
            return sum(taken) / len(taken)
        return sum(taken) / sum(all(p < s + e for p, s, e in zip(place, shape, pads[2:])) for place in found)
    return [build((*x.shape[:2], *out), value)]


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(c):
    return [reduced(c.input(0), (2, 3), True, max if c.op == "GlobalMaxPool" else mean)]


# --- normalisations ---

def normalised(values, eps):
    m = mean(values)
    scale = 1 / math.sqrt(mean([(v - m) ** 2 for v in values]) + eps)
    return m, scale


@operator("BatchNormalization")
def batch_normalization(c):
    x, gamma, beta, means, variances = (c.input(k) for k in range(5))
    eps = c.attr("epsilon", 1e-5)
    return [build(x.shape, lambda i: (at(x, i) - means.values[i[1]]) / math.sqrt(variances.values[i[1]] + eps)
                  * gamma.values[i[1]] + beta.values[i[1]])]


@operator("GroupNormalization", "InstanceNormalization")
def group_normalization(c):
    x, gamma, beta = (c.input(k) for k in range(3))
    channels = x.shape[1]
    groups = c.attr("num_groups") if c.op == "GroupNormalization" else channels
    size, parts = channels // groups, {}
    for n, g in itertools.product(range(x.shape[0]), range(groups)):
        parts[n, g] = normalised([at(x, (n, g * size + k) + p) for k in range(size) for p in indices(x.shape[2:])],
                                 c.attr("epsilon", 1e-5))

    def value(i):
        group = i[1] // size
        m, scale = parts[i[0], group]
        k = i[1] if len(gamma.values) == channels else group
        return (at(x, i) - m) * scale * gamma.values[k] + beta.values[k]
    return [build(x.shape, value)]


@operator("LayerNormalization")
def layer_normalization(c):
    x, gamma, beta = (c.input(k) for k in range(3))
    axis = c.attr("axis", -1) % len(x.shape)
    parts = {i: normalised([at(x, i + p) for p in indices(x.shape[axis:])], c.attr("epsilon", 1e-5))
             for i in indices(x.shape[:axis])}
    return [build(x.shape, lambda i: (at(x, i) - parts[i[:axis]][0]) * parts[i[:axis]][1] * stretched(gamma, i)
                  + (stretched(beta, i) if beta else 0))]


@operator("LRN")
def lrn(c):
    x, size = c.input(0), c.attr("size")

    def value(i):
        first, last = max(0, i[1] - (size - 1) // 2), min(x.shape[1] - 1, i[1] + -(-(size - 1) // 2))
        squares = sum(at(x, (i[0], k, *i[2:])) ** 2 for k in range(first, last + 1))
        return at(x, i) / (c.attr("bias", 1.0) + c.attr("alpha", 1e-4) / size * squares) ** c.attr("beta", 0.75)
    return [build(x.shape, value)]


# --- resizing ---

def source(mode, x, scale, size_in, size_out):
    """Where output place x lies in the input."""
    if mode == "align_corners":
        return x * (size_in - 1) / (size_out - 1) if size_out > 1 else 0
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    return 0 if mode == "pytorch_half_pixel" and size_out == 1 else (x + 0.5) / scale - 0.5


ROUNDINGS = {"floor": math.floor, "ceil": math.ceil, "round_prefer_floor": lambda v: math.ceil(v - 0.5),
             "round_prefer_ceil": lambda v: math.floor(v + 0.5)}


@operator("Resize", "Upsample")
def resize(c):
    x, rank = c.input(0), len(c.input(0).shape)
    later = c.opset >= 11
    axes = [a % rank for a in c.attr("axes", range(rank))]
    scales, sizes = c.ints("scales", 2 if later else 1), c.input(3) and c.input(3).values
    factor, out = [1.0] * rank, list(x.shape)
    for k, axis in enumerate(axes):
        factor[axis] = scales[k] if scales else sizes[k] / x.shape[axis]
        out[axis] = math.floor(x.shape[axis] * factor[axis])
    places = c.attr("coordinate_transformation_mode", "half_pixel" if later else "asymmetric")
    rounding = ROUNDINGS[c.attr("nearest_mode", "round_prefer_floor" if later else "floor")]
    taps = []
    for k in range(rank):
        limit = x.shape[k] - 1
        taps.append([])
        for p in range(out[k]):
            v = source(places, p, factor[k], x.shape[k], out[k])
            if factor[k] == 1:
                taps[k].append([(p, 1)])
            elif c.attr("mode", "nearest") == "nearest":
                taps[k].append([(min(max(rounding(v), 0), limit), 1)])
            else:
                low = math.floor(v)
                taps[k].append([(min(max(low + d, 0), limit), v - low if d else 1 - (v - low)) for d in (0, 1)])
    return [build(out, lambda i: sum(at(x, [t[0] for t in tap]) * math.prod(t[1] for t in tap)
                                     for tap in itertools.product(*(taps[k][p] for k, p in enumerate(i)))))]
