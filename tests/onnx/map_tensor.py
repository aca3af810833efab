"""Operators on plain tensors: products, activations, arithmetic, reductions, moving, losses,
optimizers."""
import numpy as np
from onnx import numpy_helper

from common import (MAX_RANK, Unmapped, activate, as_rows, broadcast_op, copy, operator, real, same)


# ---- products ----

@operator("Gemm")
def gemm(call, run):
    a, b, c = call.tensor(0), call.tensor(1), call.optional(2)
    alpha, beta = float(call.attr("alpha", 1.0)), float(call.attr("beta", 1.0))
    tensors = {"x": a.T if call.attr("transA", 0) else a, "w": b.T if call.attr("transB", 0) else b}
    if c is not None and alpha == 1 and (c.ndim < 2 or c.shape[0] == 1):
        bias = np.broadcast_to(np.ravel(c), tensors["w"].shape[1:])
        tensors["b"] = bias * np.float32(beta)
        return [run("dense", tensors)["y"]]
    y = run("dense", tensors)["y"]
    if c is None:
        c, beta = np.zeros((1, 1), np.float32), 0.0
    return [broadcast_op(run, "add", y, c, alpha=alpha, beta=beta)]


@operator("MatMul")
def matmul(call, run):
    a, b = call.tensor(0), call.tensor(1)
    if a.ndim < 2 or b.ndim < 2:
        raise Unmapped("vectors")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left = np.broadcast_to(a, lead + a.shape[-2:]).reshape((-1,) + a.shape[-2:])
    right = np.broadcast_to(b, lead + b.shape[-2:]).reshape((-1,) + b.shape[-2:])
    y = [run("dense", {"x": x, "w": w})["y"] for x, w in zip(left, right)]
    return [np.array(y).reshape(lead + (a.shape[-2], b.shape[-1]))]


# ---- activations ----

@operator("Relu", "Sigmoid", "Softplus", "Tanh")
def plain_activation(call, run):
    return [activate(run, call.tensor(0), call.type.lower())]


@operator("LeakyRelu")
def leaky_relu(call, run):
    return [activate(run, call.tensor(0), "leaky_relu", call.attr("alpha", 0.01))]


@operator("PRelu")
def prelu(call, run):
    x, slope = call.tensor(0), call.tensor(1)
    if x.ndim >= MAX_RANK:
        raise Unmapped("rank %d" % x.ndim)
    alpha = slope.reshape((1,) * (x.ndim + 1 - slope.ndim) + slope.shape)
    return [run("prelu", {"x": x[None], "alpha": alpha})["y"].reshape(x.shape)]


@operator("Elu")
def elu(call, run):
    return [activate(run, call.tensor(0), "elu", call.attr("alpha", 1.0))]


@operator("Mish")
def mish(call, run):
    return [activate(run, call.tensor(0), "mish")]


@operator("HardSigmoid")
def hard_sigmoid(call, run):
    x = call.tensor(0)
    if abs(call.attr("alpha", 0.2) - 1 / 6) > 1e-7 or call.attr("beta", 0.5) != 0.5:
        raise Unmapped("not x / 6 + 1/2")
    return [activate(run, x, "hard_sigmoid")]


@operator("HardSwish")
def hard_swish(call, run):
    return [activate(run, call.tensor(0), "hard_swish")]


@operator("Gelu")
def gelu(call, run):
    x = call.tensor(0)
    if call.attr("approximate", "none") != "none":
        raise Unmapped("the tanh approximation")
    return [activate(run, x, "gelu")]


@operator("Clip")
def clip(call, run):
    x, low, high = call.tensor(0), call.optional(1), call.optional(2)
    bounds = tuple(None if b is None else float(b) for b in (low, high))
    if bounds == (0, None):
        return [activate(run, x, "relu")]
    if bounds == (0, 6):
        return [activate(run, x, "relu6")]
    raise Unmapped("bounds other than 0, none and 0, 6")


@operator("Dropout")
def dropout(call, run):
    x = call.tensor(0)
    ratio, training = call.input(1), call.input(2)
    ratio = 0.5 if ratio is None else float(ratio)
    if training is not None and bool(training) and ratio != 0:
        raise Unmapped("numpy's random numbers")
    results = [run("dropout", {"x": same(x)}, {"rate": 0.0})["y"].reshape(x.shape)]
    if call.wants(1):  # the mask is what the gradient makes of ones
        dx = run("dropout_dx", {"dy": np.ones_like(same(x))}, {"rate": 0.0})["dx"]
        results.append(dx.reshape(x.shape))
    return results


# ---- arithmetic ----

@operator("Add", "Sub", "Mul")
def arithmetic(call, run):
    a, b = call.tensor(0), call.tensor(1)
    shape = np.broadcast_shapes(a.shape, b.shape)
    if call.type == "Mul":
        return [broadcast_op(run, "mul", a, b).reshape(shape)]
    beta = 1.0 if call.type == "Add" else -1.0
    return [broadcast_op(run, "add", a, b, alpha=1.0, beta=beta).reshape(shape)]


@operator("Sum", "Mean")
def sum_of(call, run):
    tensors = [real(x) for x in call.inputs]
    weight = 1.0 if call.type == "Sum" else 1.0 / len(tensors)
    total = np.zeros((1,), np.float32)
    for x in tensors:
        total = broadcast_op(run, "add", total, x, alpha=1.0, beta=weight)
    return [total]


# ---- reductions ----

def reduced_axes(call, rank):
    axes = call.attr("axes") if call.input(1) is None else call.integers(1)
    if axes:
        return [a % rank for a in axes]
    return [] if call.attr("noop_with_empty_axes", 0) else list(range(rank))


@operator("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2")
def reduce(call, run):
    x = call.tensor(0)
    if x.ndim > MAX_RANK:
        raise Unmapped("rank %d" % x.ndim)
    axes = reduced_axes(call, x.ndim)
    shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    if call.type == "ReduceL2":
        if len(axes) != x.ndim:
            raise Unmapped("a norm over some of the dimensions")
        y = run("norm_clip", {"g": x}, {"limit": 1.0})["norm"].reshape(shape)
    else:
        if call.type == "ReduceSumSquare":
            x = run("mul", {"a": x, "b": x})["y"]
        y = run("reduce", {"x": x}, {"mean": int(call.type == "ReduceMean")},
                {"y": (np.float32, shape)})["y"]
    if not call.attr("keepdims", 1):
        y = y.reshape([n for a, n in enumerate(shape) if a not in axes])
    return [y]


@operator("Expand")
def expand(call, run):
    """The gradient of a sum."""
    x = call.tensor(0)
    shape = np.broadcast_shapes(x.shape, tuple(call.integers(1)))
    if len(shape) > MAX_RANK:
        raise Unmapped("rank %d" % len(shape))
    dy = x.reshape((1,) * (len(shape) - x.ndim) + x.shape)
    return [run("reduce_dx", {"dy": dy}, None, {"dx": (np.float32, shape)})["dx"]]


# ---- moving data ----

@operator("Identity")
def identity(call, run):
    x = call.tensor(0)
    return [copy(run, x, x.shape)]


@operator("Reshape")
def reshape(call, run):
    x, shape = call.tensor(0), call.integers(1)
    if not call.attr("allowzero", 0):
        shape = [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    return [copy(run, x, x.reshape(shape).shape)]


@operator("Flatten")
def flatten(call, run):
    x = call.tensor(0)
    axis = call.attr("axis", 1)
    axis += x.ndim if axis < 0 else 0
    rows = int(np.prod(x.shape[:axis]))
    return [copy(run, x, (rows, x.size // rows))]


@operator("Squeeze", "Unsqueeze")
def squeeze(call, run):
    x, axes = call.tensor(0), call.integers(1)
    if call.type == "Unsqueeze":
        shape = np.expand_dims(x, tuple(axes)).shape
    else:
        shape = np.squeeze(x, tuple(axes) if axes else None).shape
    return [copy(run, x, shape)]


@operator("Concat")
def concat(call, run):
    parts = [real(x) for x in call.inputs]
    axis = call.attr("axis") % parts[0].ndim
    shape = list(parts[0].shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    y, start = np.full(shape, np.nan, np.float32), 0
    for part in parts:
        y = run("concat", {"x": part, "y": y}, {"axis": axis, "start": start})["y"]
        start += part.shape[axis]
    return [y]


def take(run, x, axis, start, count):
    """x's elements start … along an axis."""
    if x.ndim > MAX_RANK:
        raise Unmapped("rank %d" % x.ndim)
    shape = x.shape[:axis] + (count,) + x.shape[axis + 1:]
    if 0 in shape:
        raise Unmapped("empty tensor")
    return run("split", {"x": x}, {"axis": axis, "start": start}, {"y": (np.float32, shape)})["y"]


@operator("Split")
def split(call, run):
    x, sizes = call.tensor(0), call.integers(1)
    axis = call.attr("axis", 0) % x.ndim
    if sizes is None:
        each = -(-x.shape[axis] // len(call.outputs))
        sizes = [each] * (len(call.outputs) - 1)
        sizes.append(x.shape[axis] - sum(sizes))
    return [take(run, x, axis, sum(sizes[:i]), n) for i, n in enumerate(sizes)]


@operator("Slice")
def slice_of(call, run):
    x, starts, ends = call.tensor(0), call.integers(1), call.integers(2)
    axes, steps = call.integers(3) or range(x.ndim), call.integers(4) or [1] * len(starts)
    if any(s != 1 for s in steps):
        raise Unmapped("steps")
    for start, end, axis in zip(starts, ends, axes):
        first, last, _ = slice(start, end).indices(x.shape[axis])
        x = take(run, x, axis % x.ndim, first, max(last - first, 0))
    return [x]


@operator("ConstantOfShape")
def constant_of_shape(call, run):
    value, shape = call.attr("value"), call.integers(0)
    value = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value)
    value = real(value)
    if 0 in shape or len(shape) > MAX_RANK:
        raise Unmapped("empty tensor or rank above 4")
    return [run("fill", {}, {"value": float(value[0])}, {"y": (np.float32, shape)})["y"]]


# ---- softmax and losses ----

@operator("Softmax")
def softmax(call, run):
    rows, back = as_rows(call.tensor(0), call.attr("axis", -1))
    return [back(run("softmax", {"x": rows})["y"])]


@operator("LogSoftmax")
def log_softmax(call, run):
    rows, back = as_rows(call.tensor(0), call.attr("axis", -1))
    return [back(run("log_softmax", {"x": rows})["y"])]


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(call, run):
    x, labels, weights = call.tensor(0), call.input(1), call.optional(2)
    rows, back = as_rows(x, 1)
    ignored = np.zeros(labels.size, bool)
    if call.attr("ignore_index") is not None:
        ignored = np.ravel(labels) == call.attr("ignore_index")
    label = np.where(ignored, 0, np.ravel(labels)).astype(np.int32)
    loss = run("softmax_xent", {"x": rows, "label": label})["loss"]
    weight = np.ones_like(loss) if weights is None else weights[label]
    weight = np.where(ignored, np.float32(0), weight)
    loss = loss * weight
    reduction = call.attr("reduction", "mean")
    if reduction == "none":
        loss = loss.reshape(labels.shape)
    else:
        loss = loss.sum() / (weight.sum() if reduction == "mean" else 1)
    results = [loss]
    if call.wants(1):
        results.append(back(run("log_softmax", {"x": rows})["y"]))
    return results


# ---- optimizers ----

def parameter_groups(call, each):
    """The inputs after R and T: `each` tensors of every parameter, grouped by parameter."""
    tensors = [real(x) for x in call.inputs[2:]]
    count = len(tensors) // each
    return [tensors[i::count] for i in range(count)]


def by_kind(groups):
    """Outputs in ONNX's order: all parameters' first tensors, then all their second ones, …"""
    return [group[k] for k in range(len(groups[0])) for group in groups]


@operator("Momentum")
def momentum(call, run):
    """ONNX's velocity is a sum of gradients."""
    rate, step = float(call.input(0)), int(call.input(1))
    alpha, nesterov = float(call.attr("alpha")), call.attr("mode") == "nesterov"
    beta = float(call.attr("beta")) if step > 0 else 1.0
    if nesterov and beta != 1:
        raise Unmapped("nesterov with a factor for the gradient")
    results = []
    for w, g, v in parameter_groups(call, 3):
        g = np.float32(beta) * (np.float32(call.attr("norm_coefficient")) * w + g)
        got = run("sgd", {"w": w, "g": g, "v": v},
                  {"lr": rate, "momentum": alpha, "nesterov": int(nesterov), "of_gradients": 1})
        results.append((got["w"], got["v"]))
    return by_kind(results)


@operator("Adam")
def adam(call, run):
    rate, step = float(call.input(0)), int(call.input(1))
    beta1, beta2 = float(call.attr("alpha", 0.9)), float(call.attr("beta", 0.999))
    if call.attr("norm_coefficient_post", 0.0) != 0:
        raise Unmapped("decay after the step")
    if step > 0:
        rate *= np.sqrt(1 - beta2 ** step) / (1 - beta1 ** step)
    results = []
    for w, g, m, v in parameter_groups(call, 4):
        g = np.float32(call.attr("norm_coefficient", 0.0)) * w + g
        got = run("adam", {"w": w, "g": g, "m": m, "v": v},
                  {"lr": float(rate), "beta1": beta1, "beta2": beta2,
                   "eps": float(call.attr("epsilon", 1e-6))})
        results.append((got["w"], got["m"], got["v"]))
    return by_kind(results)
