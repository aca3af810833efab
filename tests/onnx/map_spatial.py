"""Operators on images: convolution and its transpose, pooling, normalisation, resizing."""
import math

import numpy as np

from common import Unmapped, as_rows, broadcast_op, four, from_nhwc, operator, pair, real, to_nhwc


# ---- convolution ----

def convolution_pads(call, size, window, stride, dilation):
    """Explicit padding from auto_pad; size, window, …: rows, columns."""
    auto = call.attr("auto_pad", "NOTSET")
    if auto == "VALID":
        return [0, 0, 0, 0]
    if auto == "NOTSET":
        return four(call.attr("pads", [0] * 4))
    before, after = [], []
    for n, k, s, d in zip(size, window, stride, dilation):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        small, large = total // 2, total - total // 2
        before.append(small if auto == "SAME_UPPER" else large)
        after.append(large if auto == "SAME_UPPER" else small)
    return before + after


@operator("Conv")
def conv(call, run):
    x, w, b = call.tensor(0), call.tensor(1), call.optional(2)
    nhwc = to_nhwc(x)
    hwio = (w if w.ndim == 4 else w[:, :, None, :]).transpose(2, 3, 1, 0)
    stride = pair(call.attr("strides", [1, 1]), 1)
    dilation = pair(call.attr("dilations", [1, 1]), 1)
    tensors = {"x": nhwc, "w": hwio}
    if b is not None:
        tensors["b"] = b
    y = run("conv2d", tensors, {
        "stride": stride, "dilation": dilation, "groups": call.attr("group", 1),
        "pad": convolution_pads(call, nhwc.shape[1:3], hwio.shape[:2], stride, dilation)})["y"]
    return [from_nhwc(y, x.ndim)]


@operator("ConvTranspose")
def conv_transpose(call, run):
    """The gradient of a convolution by its input."""
    x, w, b = call.tensor(0), call.tensor(1), call.optional(2)
    dy = to_nhwc(x)
    hwio = (w if w.ndim == 4 else w[:, :, None, :]).transpose(2, 3, 1, 0)
    groups = call.attr("group", 1)
    stride = pair(call.attr("strides", [1, 1]), 1)
    dilation = pair(call.attr("dilations", [1, 1]), 1)
    extra = pair(call.attr("output_padding", [0, 0]), 0)
    full = [s * (n - 1) + e + (k - 1) * d + 1 for n, k, s, d, e in
            zip(dy.shape[1:3], hwio.shape[:2], stride, dilation, extra)]
    auto, size = call.attr("auto_pad", "NOTSET"), call.attr("output_shape")
    if size is None and auto.startswith("SAME"):
        size = [n * s for n, s in zip(dy.shape[1:3], stride)]
    if size is None:
        pad = [0, 0, 0, 0] if auto == "VALID" else four(call.attr("pads", [0] * 4))
        size = [f - pad[i] - pad[i + 2] for i, f in enumerate(full)]
    else:
        size = pair(size[-2:] if x.ndim == 4 else size[-1:], 1)
        total = [f - n for f, n in zip(full, size)]
        half = [t // 2 for t in total]
        rest = [t - t // 2 for t in total]
        pad = half + rest if auto == "SAME_UPPER" else rest + half
    if min(pad[:2]) < 0:
        raise Unmapped("negative padding")
    pad = [max(p, 0) for p in pad]
    dx = run("conv2d_dx", {"dy": dy, "w": hwio},
             {"stride": stride, "dilation": dilation, "groups": groups, "pad": pad},
             {"dx": (np.float32, (dy.shape[0], size[0], size[1], hwio.shape[2] * groups))})["dx"]
    if b is not None:
        dx = broadcast_op(run, "add", dx, b, alpha=1.0, beta=1.0)
    return [from_nhwc(dx, x.ndim)]


# ---- pooling ----

def pool_geometry(call, size):
    """Window, stride and padding of a pool over `size` = rows, columns; the padding includes what
    ceil_mode adds at the end, and whether it added any."""
    window = pair(call.attr("kernel_shape"), 1)
    stride = pair(call.attr("strides", [1, 1]), 1)
    if any(d != 1 for d in call.attr("dilations", [1])):
        raise Unmapped("dilated window")
    pad = convolution_pads(call, size, window, stride, [1, 1])
    grown = False
    for i in range(2):
        room = size[i] + pad[i] + pad[i + 2] - window[i]
        missing = -room % stride[i]
        if call.attr("ceil_mode", 0) and missing:
            pad[i + 2] += missing
            grown = True
    if any(pad[i] >= window[i % 2] for i in range(4)):
        raise Unmapped("padding as large as the window")
    return {"window": window, "stride": stride, "pad": pad}, grown


@operator("MaxPool")
def max_pool(call, run):
    x = call.tensor(0)
    nhwc = to_nhwc(x)
    n, h, w, c = nhwc.shape
    params, _ = pool_geometry(call, (h, w))
    stride, pad, window = params["stride"], params["pad"], params["window"]
    oh = (h + pad[0] + pad[2] - window[0]) // stride[0] + 1
    ow = (w + pad[1] + pad[3] - window[1]) // stride[1] + 1
    outputs = {"index": (np.uint8, (n, oh, ow, c))} if call.wants(1) else None
    got = run("maxpool2d", {"x": nhwc}, params, outputs)
    results = [from_nhwc(got["y"], x.ndim)]
    if call.wants(1):  # the tap within the window to ONNX's place within the whole tensor
        tap = got["index"].astype(np.int64)
        row = np.arange(oh)[None, :, None, None] * stride[0] - pad[0] + tap // window[1]
        column = np.arange(ow)[None, None, :, None] * stride[1] - pad[1] + tap % window[1]
        place = row + column * h if call.attr("storage_order", 0) else row * w + column
        plane = np.arange(n)[:, None, None, None] * c + np.arange(c)
        results.append(from_nhwc(plane * h * w + place, x.ndim))
    return results


@operator("MaxUnpool")
def max_unpool(call, run):
    """The gradient of a max pool, with ONNX's places in the tensor made taps of the window."""
    dy = to_nhwc(call.tensor(0))
    params, _ = pool_geometry(call, (1, 1))
    stride, pad, window = params["stride"], params["pad"], params["window"]
    n, oh, ow, c = dy.shape
    h, w = [stride[i] * (dy.shape[1 + i] - 1) + window[i] - pad[i] - pad[i + 2] for i in range(2)]
    place = call.input(1) % (h * w)  # ONNX counts them in the shape that the window gives
    place = to_nhwc(place)
    row = place // w + pad[0] - np.arange(oh)[None, :, None, None] * stride[0]
    column = place % w + pad[1] - np.arange(ow)[None, None, :, None] * stride[1]
    index = row * window[1] + column
    if row.min() < 0 or column.min() < 0 or row.max() >= window[0] or column.max() >= window[1]:
        raise Unmapped("places outside their windows")
    if call.input(2) is not None:
        h, w = call.integers(2)[2:]
    dx = run("maxpool2d_dx", {"dy": dy, "index": index.astype(np.uint8)}, params,
             {"dx": (np.float32, (n, h, w, c))})["dx"]
    return [from_nhwc(dx, 4)]


@operator("AveragePool")
def average_pool(call, run):
    x = call.tensor(0)
    nhwc = to_nhwc(x)
    params, grown = pool_geometry(call, nhwc.shape[1:3])
    params["count_pad"] = call.attr("count_include_pad", 0)
    if grown and params["count_pad"]:
        raise Unmapped("ceil_mode with counted padding")
    return [from_nhwc(run("avgpool2d", {"x": nhwc}, params)["y"], x.ndim)]


@operator("GlobalAveragePool")
def global_average_pool(call, run):
    x = call.tensor(0)
    y = run("global_avgpool", {"x": to_nhwc(x)})["y"]
    return [y.reshape(x.shape[:2] + (1,) * (x.ndim - 2))]


@operator("GlobalMaxPool")
def global_max_pool(call, run):
    x = call.tensor(0)
    y = run("global_maxpool", {"x": to_nhwc(x)})["y"]
    return [y.reshape(x.shape[:2] + (1,) * (x.ndim - 2))]


# ---- normalisation ----

def normalise(run, columns, eps):
    """batchnorm's y, mean and rstd of a matrix's columns, unscaled."""
    c = columns.shape[1]
    one, zero = np.ones(c, np.float32), np.zeros(c, np.float32)
    got = run("batchnorm", {"x": columns, "gamma": one, "beta": zero, "running_mean": zero,
                            "running_var": one}, {"eps": eps, "momentum": 0.5})
    return got["y"], got["mean"], got["rstd"]


@operator("BatchNormalization")
def batch_normalization(call, run):
    x = call.tensor(0)
    gamma, beta, mean, var = [call.tensor(i) for i in range(1, 5)]
    rows, back = as_rows(x, 1)
    eps = float(call.attr("epsilon", 1e-5))
    if not call.attr("training_mode", 0):
        y = run("batchnorm_infer", {"x": rows, "gamma": gamma, "beta": beta, "mean": mean,
                                    "var": var}, {"eps": eps})["y"]
        return [back(y)]
    got = run("batchnorm", {"x": rows, "gamma": gamma, "beta": beta, "running_mean": mean,
                            "running_var": var},
              {"eps": eps, "momentum": float(call.attr("momentum", 0.9))})
    return [back(got["y"]), got["running_mean"], got["running_var"]]


def group_norm(call, run, x, gamma, beta, groups):
    last = np.moveaxis(x.reshape(x.shape[:2] + (-1,)), 1, 2)
    y = run("group_norm", {"x": last, "gamma": gamma, "beta": beta},
            {"groups": groups, "eps": float(call.attr("epsilon", 1e-5))})["y"]
    return np.moveaxis(y, 2, 1).reshape(x.shape)


@operator("InstanceNormalization")
def instance_normalization(call, run):
    x, gamma, beta = [call.tensor(i) for i in range(3)]
    return [group_norm(call, run, x, gamma, beta, x.shape[1])]


@operator("GroupNormalization")
def group_normalization(call, run):
    """Scale and bias are those of channels; until opset 20 they are those of groups."""
    x, gamma, beta = [call.tensor(i) for i in range(3)]
    each = x.shape[1] // gamma.size
    return [group_norm(call, run, x, np.repeat(gamma, each), np.repeat(beta, each),
                       call.attr("num_groups"))]


@operator("LayerNormalization")
def layer_normalization(call, run):
    x, scale, bias = call.tensor(0), call.tensor(1), call.optional(2)
    axis = call.attr("axis", -1) % x.ndim
    rows = x.reshape(int(np.prod(x.shape[:axis])), -1)
    gamma = scale.reshape(-1)
    beta = np.zeros_like(gamma) if bias is None else bias.reshape(-1)
    got = run("layer_norm", {"x": rows, "gamma": gamma, "beta": beta},
              {"eps": float(call.attr("epsilon", 1e-5))})
    statistics = x.shape[:axis] + (1,) * (x.ndim - axis)
    results = [got["y"].reshape(x.shape), got["mean"].reshape(statistics),
               got["rstd"].reshape(statistics)]
    return results[:len(call.outputs)]


@operator("MeanVarianceNormalization")
def mean_variance_normalization(call, run):
    x = call.tensor(0)
    axes = [a % x.ndim for a in call.attr("axes", [0, 2, 3])]
    kept = [a for a in range(x.ndim) if a not in axes]
    moved = x.transpose(axes + kept)
    columns = moved.reshape(int(np.prod([x.shape[a] for a in axes])), -1)
    y = normalise(run, columns, 1e-9)[0]
    return [y.reshape(moved.shape).transpose(np.argsort(axes + kept))]


@operator("LRN")
def lrn(call, run):
    x = call.tensor(0)
    y = run("lrn", {"x": to_nhwc(x)}, {
        "size": call.attr("size"), "k": float(call.attr("bias", 1.0)),
        "alpha": float(call.attr("alpha", 1e-4)), "beta": float(call.attr("beta", 0.75))})["y"]
    return [from_nhwc(y, x.ndim)]


@operator("Pad")
def pad(call, run):
    x = call.tensor(0)
    pads, value = call.integers(1), call.optional(2)
    if call.attr("mode", "constant") != "constant":
        raise Unmapped("mode %s" % call.attr("mode"))
    axes = call.integers(3) or list(range(x.ndim))
    around = {a % x.ndim: (pads[i], pads[i + len(axes)]) for i, a in enumerate(axes)}
    if x.ndim != 4 or any(any(around.get(a, (0, 0))) for a in (0, 1)):
        raise Unmapped("not rows and columns of an image")
    rows, columns = around.get(2, (0, 0)), around.get(3, (0, 0))
    y = run("pad", {"x": to_nhwc(x)}, {
        "pad": [rows[0], columns[0], rows[1], columns[1]],
        "value": 0.0 if value is None else float(np.ravel(value)[0])})["y"]
    return [from_nhwc(y, 4)]


# ---- sampling ----

NEAREST, CONSTANT, REFLECT = 0, 1, 2  # clade_fill_mode


def as_bytes(x):
    """x as bytes, NHWC; affine_sample takes images of bytes only."""
    nhwc = to_nhwc(real(x))
    images = nhwc.astype(np.uint8)
    if np.any(images != nhwc):
        raise Unmapped("values that are not whole numbers from 0 to 255")
    if nhwc.shape[3] > 4:
        raise Unmapped("more than 4 channels")
    return images


def sample(run, images, matrix, shape, nearest, fill, index=None):
    tensors = {"x": images, "matrix": matrix.astype(np.float32)}
    if index is not None:
        tensors["index"] = index.astype(np.int32)
    return run("affine_sample", tensors, {"nearest": int(nearest), "fill": fill, "scale": [1.0] * 4},
               {"y": (np.float32, shape + images.shape[3:])})["y"]


def nearest_shift(places, mode):
    """What to add to coordinates so that the sampler's floor(x + 1/2) rounds as `mode` says. float32
    may miss a tie by a rounding error: 2 ** -12 of a pixel decides it as `mode` does."""
    tie = {"round_prefer_floor": 0.5, "round_prefer_ceil": 0.5, "floor": 0.0, "ceil": 0.0}[mode]
    near = np.abs((places - tie + 0.5) % 1 - 0.5)
    if np.any((near > 2 ** -20) & (near < 2 ** -11)):
        raise Unmapped("places too near a tie")
    up = mode in ("round_prefer_ceil", "floor")
    return (0.5 if mode == "ceil" else -0.5 if mode == "floor" else 0.0) + \
        (2 ** -12 if up else -2 ** -12)


def source(mode, n, scale, roi):
    """Factor and offset that lead from a place in the output to one in a row of n."""
    if mode in ("half_pixel", "pytorch_half_pixel"):
        if mode == "pytorch_half_pixel" and scale * n == 1:
            return 0.0, -0.5
        return 1 / scale, 0.5 / scale - 0.5
    if mode == "asymmetric":
        return 1 / scale, 0.0
    if mode == "align_corners":
        return (n - 1) / (scale * n - 1) if scale * n != 1 else 0.0, 0.0
    if mode == "tf_crop_and_resize" and scale * n != 1:
        step = (roi[1] - roi[0]) * (n - 1) / (scale * n - 1)
        return step, roi[0] * (n - 1)
    raise Unmapped("coordinates %s" % mode)


def upsampled(run, x, size, mode, how, places, rounding):
    """x by upsample2d, or None where it has another size or other places; places: of rows and of columns."""
    factors = [m // n for m, n in zip(size[2:], x.shape[2:])]
    if any(f < 1 or f * n != m for f, n, m in zip(factors, x.shape[2:], size[2:])):
        return None
    corners = int(mode == "linear" and how == "align_corners")
    for f, n, p in zip(factors, x.shape[2:], places):
        outputs = np.arange(f * n)
        if mode == "linear":
            ours = outputs * (n - 1) / max(f * n - 1, 1) if corners else (outputs + 0.5) / f - 0.5
            same = np.clip(p, 0, n - 1) - np.clip(ours, 0, n - 1)
        else:
            rounded = {"round_prefer_floor": np.ceil(p - 0.5), "round_prefer_ceil": np.floor(p + 0.5),
                       "floor": np.floor(p), "ceil": np.ceil(p)}[rounding]
            same = np.clip(rounded, 0, n - 1) - outputs // f
        if np.abs(same).max() > 1e-9:
            return None
    return from_nhwc(run("upsample2d", {"x": to_nhwc(x)}, {
        "size": factors, "bilinear": int(mode == "linear"), "align_corners": corners})["y"], 4)


@operator("Resize", "Upsample")
def resize(call, run):
    x, old = call.tensor(0), call.type == "Upsample"
    mode = call.attr("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise Unmapped("mode %s" % mode)
    if call.attr("antialias", 0) or call.attr("exclude_outside", 0) or call.attr("axes") or \
            call.attr("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unmapped("antialias, axes or aspect ratio")
    scales = call.input(1 if old else 2)
    if scales is not None and scales.size:
        scales = [float(s) for s in scales]
        size = [math.floor(n * s) for n, s in zip(x.shape, scales)]
    else:
        size = call.integers(3)
        scales = [m / n for m, n in zip(size, x.shape)]
    if size[0] != x.shape[0] or size[1] != x.shape[1]:
        raise Unmapped("resized channels")
    how = "asymmetric" if old else call.attr("coordinate_transformation_mode", "half_pixel")
    roi = call.input(1) if how == "tf_crop_and_resize" else np.zeros(8)
    rounding = "floor" if old else call.attr("nearest_mode", "round_prefer_floor")
    step, start, places = [0, 0], [0, 0], [0, 0]
    for i, axis in enumerate((2, 3)):
        step[i], start[i] = source(how, x.shape[axis], scales[axis], (roi[axis], roi[axis + 4]))
        places[i] = np.arange(size[axis]) * step[i] + start[i]
        if how == "tf_crop_and_resize" and (places[i].min() < 0 or places[i].max() > x.shape[axis] - 1):
            raise Unmapped("extrapolation")
    y = upsampled(run, x, size, mode, how, places, rounding)
    if y is not None:
        return [y]
    for i in range(2):
        if mode == "nearest":
            start[i] += nearest_shift(places[i], rounding)
    row = [step[1], 0, start[1], 0, step[0], start[0], 1, 0]
    y = sample(run, as_bytes(x), np.array([row] * size[0]), (size[0], size[2], size[3]),
               mode == "nearest", NEAREST)
    return [from_nhwc(y, 4)]


@operator("GridSample")
def grid_sample(call, run):
    """Every point is an image of one pixel, with its own matrix."""
    images, grid = as_bytes(call.input(0)), call.tensor(1)
    mode, corners = call.attr("mode", "bilinear"), call.attr("align_corners", 0)
    outside = call.attr("padding_mode", "zeros")
    if mode not in ("bilinear", "linear", "nearest"):
        raise Unmapped("mode %s" % mode)
    if outside == "reflection" and corners:
        raise Unmapped("reflection about the corners' centres")
    fill = {"zeros": CONSTANT, "border": NEAREST, "reflection": REFLECT}[outside]
    h, w = images.shape[1:3]
    places = [((grid[..., i].astype(np.float64) + 1) / 2 * (n - 1) if corners else
               ((grid[..., i].astype(np.float64) + 1) * n - 1) / 2) for i, n in enumerate((w, h))]
    if mode == "nearest" and any(np.any(p - np.floor(p) == 0.5) for p in places):
        raise Unmapped("rounding to even at a tie")
    column, row = [p.ravel() for p in places]
    matrix = np.zeros((column.size, 8))
    matrix[:, 2], matrix[:, 5], matrix[:, 6] = column, row, 1
    index = np.repeat(np.arange(grid.shape[0]), grid[0, ..., 0].size)
    y = sample(run, images, matrix, (column.size, 1, 1), mode == "nearest", fill, index)
    return [from_nhwc(y.reshape(grid.shape[:3] + images.shape[3:]), 4)]
