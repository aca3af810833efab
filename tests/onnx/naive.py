"""What ONNX's operators are, written from the specification one number at a time: slow, and without any package. Inputs and
outputs are tensors of wire.py; what a node leaves out has the specification's default for the opset. Those of images are in
naive_image.py."""
import itertools
import math

from wire import INT8, Tensor

OPERATORS = {}


def operator(*names):
    def register(function):
        OPERATORS.update(dict.fromkeys(names, function))
        return function
    return register


def indices(shape):
    return itertools.product(*map(range, shape))


def build(shape, value):
    shape = tuple(shape)
    return Tensor(shape, [value(i) for i in indices(shape)])


def at(tensor, index):
    place = 0
    for size, i in zip(tensor.shape, index):
        place = place * size + i
    return tensor.values[place]


def stretched(tensor, index):
    """The value that broadcasting puts there."""
    index = index[len(index) - len(tensor.shape):]
    return at(tensor, [0 if size == 1 else i for size, i in zip(tensor.shape, index)])


def each(tensor, function):
    return Tensor(tensor.shape, [function(v) for v in tensor.values])


def inside(place, shape):
    return all(0 <= p < s for p, s in zip(place, shape))


class Call:
    """A node with its inputs; those that are left out are None."""

    def __init__(self, node, inputs, opset):
        self.op, self.attributes, self.outputs, self.opset = node.op, node.attributes, node.outputs, opset
        self.inputs = inputs

    def input(self, i):
        return self.inputs[i] if i < len(self.inputs) else None

    def attr(self, name, default=None):
        return self.attributes.get(name, default)

    def ints(self, name, i, default=None):
        """An attribute that later became input i."""
        if name in self.attributes:
            return self.attributes[name]
        return self.input(i).values if self.input(i) else default


# --- one number at a time ---

def scaled(name, default, function):
    return lambda c: [each(c.input(0), lambda v: function(v, c.attr(name, default)))]


def softplus(v):
    return max(v, 0) + math.log1p(math.exp(-abs(v)))


def hard(v, alpha, beta):
    return max(0, min(1, alpha * v + beta))


for simple, formula in {
        "Identity": lambda v: v, "Cast": lambda v: v, "Neg": lambda v: -v, "Relu": lambda v: max(v, 0),
        "Erf": math.erf, "Sigmoid": lambda v: 1 / (1 + math.exp(-v)), "Tanh": math.tanh, "Softplus": softplus,
        "Sqrt": math.sqrt, "Mish": lambda v: v * math.tanh(softplus(v)), "HardSwish": lambda v: v * hard(v, 1 / 6, 0.5),
        "Gelu": lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2}.items():
    OPERATORS[simple] = lambda c, formula=formula: [each(c.input(0), formula)]
OPERATORS["Dropout"] = OPERATORS["Identity"]
OPERATORS["LeakyRelu"] = scaled("alpha", 0.01, lambda v, alpha: v if v >= 0 else alpha * v)
OPERATORS["Elu"] = scaled("alpha", 1.0, lambda v, alpha: v if v >= 0 else alpha * (math.exp(v) - 1))


@operator("HardSigmoid")
def hard_sigmoid(c):
    return [each(c.input(0), lambda v: hard(v, c.attr("alpha", 0.2), c.attr("beta", 0.5)))]


@operator("Clip")
def clip(c):
    low, high = (c.ints(name, i, -default) for name, i, default in (("min", 1, math.inf), ("max", 2, -math.inf)))
    low, high = (v[0] if isinstance(v, list) else v for v in (low, high))
    return [each(c.input(0), lambda v: min(max(v, low), high))]


# --- with broadcast ---

def broadcast(a, b, function):
    rank = max(len(a.shape), len(b.shape))
    shapes = [(1,) * (rank - len(t.shape)) + t.shape for t in (a, b)]
    return build(map(max, *shapes), lambda i: function(stretched(a, i), stretched(b, i)))


@operator("Add", "Sub", "Mul", "Div", "Sum", "PRelu")
def arithmetic(c):
    function = {"Add": lambda a, b: a + b, "Sum": lambda a, b: a + b, "Sub": lambda a, b: a - b,
                "Mul": lambda a, b: a * b, "Div": lambda a, b: a / b, "PRelu": lambda a, b: a if a >= 0 else a * b}[c.op]
    y = c.input(0)
    for other in c.inputs[1:]:
        y = broadcast(y, other, function)
    return [y]


def along(x, scale, axis):
    """One number for all, or one for each place of the axis, as a tensor that stretches over x."""
    if not scale or not scale.shape:
        return scale
    return Tensor(tuple(s if k == axis % len(x.shape) else 1 for k, s in enumerate(x.shape)), scale.values)


def scale_and_zero(c):
    x, zero = c.input(0), c.input(2)
    low = -128 if zero and zero.type == INT8 else 0
    scale, zero = (along(x, t, c.attr("axis", 1)) for t in (c.input(1), zero or Tensor((), [0])))
    return x, scale, zero, low


@operator("QuantizeLinear")
def quantize(c):
    x, scale, zero, low = scale_and_zero(c)
    y = broadcast(broadcast(x, scale, lambda v, s: round(v / s)), zero, lambda q, z: q + z)
    return [each(y, lambda q: min(max(q, low), low + 255))]


@operator("DequantizeLinear")
def dequantize(c):
    x, scale, zero, _ = scale_and_zero(c)
    return [broadcast(broadcast(x, zero, lambda q, z: q - z), scale, lambda q, s: q * s)]


# --- over dimensions ---

def reduced(x, axes, keep, function):
    axes = [a % len(x.shape) for a in axes]
    kept = [1 if k in axes else s for k, s in enumerate(x.shape)]
    over = [range(s) if k in axes else (0,) for k, s in enumerate(x.shape)]
    y = build(kept, lambda i: function([at(x, [p + q for p, q in zip(i, o)]) for o in itertools.product(*over)]))
    return y if keep else Tensor(tuple(s for k, s in enumerate(x.shape) if k not in axes), y.values)


def mean(values):
    return sum(values) / len(values)


@operator("ReduceMean", "ReduceMax")
def reduce_values(c):
    x = c.input(0)
    axes = c.ints("axes", 1)
    if not axes and c.attr("noop_with_empty_axes", 0):
        return [x]
    return [reduced(x, axes or range(len(x.shape)), c.attr("keepdims", 1), max if c.op == "ReduceMax" else mean)]


@operator("Softmax", "LogSoftmax")
def softmax(c):
    x = c.input(0)
    axis = c.attr("axis", -1 if c.opset > 12 else 1) % len(x.shape)
    over = [axis] if c.opset > 12 else range(axis, len(x.shape))  # before, all from the axis on
    sums = reduced(x, over, True, lambda values: sum(map(math.exp, values)))
    y = broadcast(x, sums, lambda v, s: math.exp(v) / s)
    return [each(y, math.log) if c.op == "LogSoftmax" else y]


@operator("Gemm", "MatMul")
def gemm(c):
    a, b, bias = (c.input(k) for k in range(3))
    if len(a.shape) > 2:  # matrices of the dimensions before, which are equal
        return [build(a.shape[:-1] + b.shape[-1:], lambda i: sum(
            at(a, i[:-1] + (k,)) * at(b, i[:-2] + (k,) + i[-1:]) for k in range(a.shape[-1])))]
    turn_a, turn_b = c.attr("transA", 0), c.attr("transB", 0)
    rows, inner = a.shape[::-1] if turn_a else a.shape
    columns = b.shape[0 if turn_b else 1]
    y = build((rows, columns), lambda i: c.attr("alpha", 1.0) * sum(
        at(a, (k, i[0]) if turn_a else (i[0], k)) * at(b, (i[1], k) if turn_b else (k, i[1])) for k in range(inner)))
    return [broadcast(y, each(bias, lambda v: v * c.attr("beta", 1.0)), lambda p, q: p + q) if bias else y]


# --- shapes ---

def reshaped(x, shape):
    shape = list(shape)
    if -1 in shape:
        shape[shape.index(-1)] = len(x.values) // -math.prod(shape)
    return Tensor(tuple(shape), x.values)


@operator("Reshape")
def reshape(c):
    x, to = c.input(0), c.ints("shape", 1)
    return [reshaped(x, to if c.attr("allowzero", 0) else [x.shape[k] if v == 0 else v for k, v in enumerate(to)])]


@operator("Flatten")
def flatten(c):
    x, axis = c.input(0), c.attr("axis", 1)
    axis += len(x.shape) if axis < 0 else 0
    return [reshaped(x, [math.prod(x.shape[:axis]), -1])]


@operator("Squeeze")
def squeeze(c):
    x = c.input(0)
    axes = [a % len(x.shape) for a in c.ints("axes", 1, [k for k, s in enumerate(x.shape) if s == 1])]
    return [reshaped(x, [s for k, s in enumerate(x.shape) if k not in axes])]


@operator("Unsqueeze")
def unsqueeze(c):
    x, axes = c.input(0), c.ints("axes", 1)
    rank, rest = len(x.shape) + len(axes), iter(x.shape)
    axes = [a % rank for a in axes]
    return [reshaped(x, [1 if k in axes else next(rest) for k in range(rank)])]


@operator("Transpose")
def transpose(c):
    x = c.input(0)
    perm = c.attr("perm", list(range(len(x.shape)))[::-1])
    return [build([x.shape[p] for p in perm], lambda i: at(x, [i[perm.index(k)] for k in range(len(perm))]))]


@operator("Concat")
def concat(c):
    axis = c.attr("axis") % len(c.input(0).shape)

    def value(i):
        place = i[axis]
        for x in c.inputs:
            if place < x.shape[axis]:
                return at(x, i[:axis] + (place,) + i[axis + 1:])
            place -= x.shape[axis]
    shape = list(c.input(0).shape)
    shape[axis] = sum(x.shape[axis] for x in c.inputs)
    return [build(shape, value)]


def part(x, axis, first, count):
    shape = [count if k == axis else s for k, s in enumerate(x.shape)]
    return build(shape, lambda i: at(x, [v + first if k == axis else v for k, v in enumerate(i)]))


@operator("Split")
def split(c):
    x, count = c.input(0), len(c.outputs)
    axis = c.attr("axis", 0) % len(x.shape)
    size = -(-x.shape[axis] // count)
    sizes = c.ints("split", 1) or [min(size, x.shape[axis] - k * size) for k in range(count)]
    return [part(x, axis, sum(sizes[:k]), s) for k, s in enumerate(sizes)]


@operator("Slice")
def cut(c):
    x, starts, ends = c.input(0), c.ints("starts", 1), c.ints("ends", 2)
    for start, end, axis in zip(starts, ends, c.ints("axes", 3, list(range(len(starts))))):
        axis %= len(x.shape)
        size = x.shape[axis]
        start, end = (min(max(v + size if v < 0 else v, 0), size) for v in (start, end))
        x = part(x, axis, start, end - start)
    return [x]


@operator("Gather")
def gather(c):
    x, index = c.input(0), c.input(1)
    axis = c.attr("axis", 0) % len(x.shape)
    y = part(x, axis, index.values[0] % x.shape[axis], 1)
    return [y if index.shape else reshaped(y, y.shape[:axis] + y.shape[axis + 1:])]


@operator("Pad")
def pad(c):
    x, pads = c.input(0), c.ints("pads", 1)
    axes = c.ints("axes", 3, list(range(len(x.shape))))
    before, after = [0] * len(x.shape), [0] * len(x.shape)
    for k, axis in enumerate(axes):
        before[axis], after[axis] = pads[k], pads[k + len(axes)]

    def value(i):
        place = [p - b for p, b in zip(i, before)]
        return at(x, place) if inside(place, x.shape) else 0
    return [build([b + s + a for b, s, a in zip(before, x.shape, after)], value)]


# --- graphs ---

def run(nodes, values, opset):
    """Adds to `values`, name -> tensor, what the nodes make."""
    for node in nodes:
        inputs = [values[name] if name else None for name in node.inputs]
        inputs = [None if t is not None and t.shape == (0,) else t for t in inputs]
        values.update(zip(node.outputs, OPERATORS[node.op](Call(node, inputs, opset))))
