"""What attributes_test.py tries: for each operator, in each opset that changed it, its inputs, and each attribute that the
specification gives it with its default and with other values."""
import collections
import random

from wire import INT8, INT16, UINT8, Node, Tensor

Required = collections.namedtuple("Required", "value")       # in place of a default
Refused = collections.namedtuple("Refused", "value text")    # a value of which reading says the text
Case = collections.namedtuple("Case", "name opset shape nodes stored refused")
Entry = collections.namedtuple("Entry", "name opsets attributes")

LOWEST, HIGHEST = -3.4028234663852886e38, 3.4028234663852886e38
IMAGE = (2, 4, 5, 6)  # no two alike
entries, cases = [], []
numbers = random.Random(3)


def real(*shape, low=-1.0, high=1.0):
    """Numbers that a float32 holds."""
    count = 1
    for size in shape:
        count *= size
    return Tensor(shape, [numbers.randint(int(low * 256), int(high * 256)) / 256 for _ in range(count)])


def whole(*values):
    return Tensor((len(values),), list(values))


def one(value):
    return Tensor((), [value])


def add_case(name, opset, shape, kind, inputs, attributes, outputs, after, refused):
    stored = {"mix": real(shape[1], shape[1], 1, 1)}
    nodes = [Node("Conv", ["x", "mix"], ["image"], {})]  # a layer that the operator reads
    first = "image"
    if kind != "image":
        nodes.append(Node("GlobalAveragePool", ["image"], ["pooled"], {}))
        first = "pooled"
    if kind == "vector":
        nodes.append(Node("Flatten", ["pooled"], ["vector"], {}))
        first = "vector"
    names = []
    for i, value in enumerate(inputs):
        names.append(first if value == "x" else "" if value is None else f"in{i}")
        if isinstance(value, Tensor):
            stored[names[-1]] = value
    while names and not names[-1]:
        names.pop()
    last = [f"out{i}" for i in range(outputs)]
    nodes.append(Node(name, names, last, attributes))
    for i, (next_op, more, next_attributes) in enumerate(after):
        inputs = last[::-1] if next_op == "Concat" else last
        stored.update({f"after{i}_{k}": value for k, value in enumerate(more)})
        nodes.append(Node(next_op, [*inputs, *(f"after{i}_{k}" for k in range(len(more)))], [f"then{i}"], next_attributes))
        last = [f"then{i}"]
    nodes[-1].outputs[0] = "y" if len(nodes[-1].outputs) == 1 else nodes[-1].outputs[0]
    cases.append(Case(f"{name} {attributes}", opset, shape, nodes, stored, refused))


def op(name, opsets, inputs=("x",), shape=IMAGE, kind="image", outputs=1, after=(), refused=None, **attributes):
    """Without the attributes that have a default, with each at its default, and with each other value; a dict says several
    attributes at once. `refused`: what reading says of all."""
    opsets = [opsets] if isinstance(opsets, int) else opsets
    entries.append(Entry(name, opsets, attributes))
    base = {key: a[0].value for key, a in attributes.items() if isinstance(a[0], Required)}
    tried = [(base, refused)]
    for key, (default, *others) in attributes.items():
        if not isinstance(default, Required):
            tried.append(({**base, key: default}, refused))
        for value in others:
            text, value = (value.text, value.value) if isinstance(value, Refused) else (refused, value)
            tried.append(({**base, **(value if isinstance(value, dict) else {key: value})}, text))
    for opset in opsets:
        for values, text in tried:
            add_case(name, opset, shape, kind, inputs, values, outputs, after, text)


BACK = [("Transpose", [], {"perm": [0, 3, 1, 2]})]

# --- one number at a time ---
for plain in "Relu", "Sigmoid", "Tanh", "Softplus", "Neg", "Identity":
    op(plain, [7, 13])
op("Erf", 13, refused="outside of gelu")
op("HardSwish", 14)
op("Mish", 18)
op("Gelu", 20, approximate=("none", Refused("tanh", "approximate 'tanh'")))
op("Cast", 13, to=(Required(1), 11, Refused(7, "not real (7)")))
op("LeakyRelu", [7, 16], alpha=(0.01, 0.3, 0.0, Refused(-0.5, "alpha")))
op("Elu", 7, alpha=(1.0, 0.5, 0.0, Refused(-0.5, "alpha")))
op("HardSigmoid", 7, alpha=(0.2, 0.9, 1 / 6, {"alpha": 1 / 6, "beta": 0.25}), beta=(0.5, 0.0, 0.25))
op("Clip", 7, min=(LOWEST, 0.0, -0.25, {"min": 0.0, "max": 1.0}, Refused({"min": 0.5, "max": 0.5}, "to 0.5")),
   max=(HIGHEST, 6.0, 0.25, {"min": 0.0, "max": 6.0}, {"min": -0.5, "max": 0.25}))
for low, high in (None, None), (0.0, None), (-0.25, None), (None, 0.25), (0.0, 0.5), (-0.5, 6.0):
    op("Clip", [11, 13], ("x", low if low is None else one(low), high if high is None else one(high)))
op("Dropout", 7, ratio=(0.5, 0.25, 0.0))
op("Dropout", 12, seed=(0, 7))
op("Dropout", 13, ("x", one(0.25)), seed=(0, 7))
op("PRelu", 9, ("x", real(1)))
op("PRelu", 9, ("x", real(4, 1, 1)))
op("PRelu", 9, ("x", real(4, 5, 6)))
op("PRelu", 9, ("x", real(1, 6)))

# --- 8 bits ---
STEP = one(1 / 64)  # so that nothing is rounded before
for zero in Tensor((), [100], UINT8), Tensor((), [-28], INT8):
    op("QuantizeLinear", [10, 13], ("x", STEP, zero), after=[("DequantizeLinear", [STEP, zero], {})])
op("QuantizeLinear", 13, ("x", STEP), axis=(1, 0), after=[("DequantizeLinear", [STEP], {})])
op("QuantizeLinear", 13, ("x", STEP, Tensor((), [0], UINT8)), after=[
    ("DequantizeLinear", [STEP, Tensor((), [0], UINT8)], {}), ("Relu", [], {})])
op("QuantizeLinear", 13, ("x", STEP, Tensor((), [0], INT16)), refused="to integers of other than 8 bits")
op("QuantizeLinear", 13, ("x", real(4, low=0.5)), refused="without one scale")
op("QuantizeLinear", 13, ("x", STEP), after=[("DequantizeLinear", [one(1 / 32)], {})], refused="by a scale other")
op("DequantizeLinear", 13, ("x", STEP), axis=(1,), refused="by a scale other")

# --- two inputs ---
for binary in "Add", "Sub", "Mul", "Div":
    for constant in one(0.5), real(4, 1, 1, low=0.5), real(1, 4, 1, 1, low=0.5):
        op(binary, 7, ("x", constant))
        op(binary, 13, (constant, "x"), refused="a constant divided" if binary == "Div" else None)
    op(binary, 13, ("x", "x"), refused="both vary" if binary == "Div" else None)
    op(binary, 7, ("x", real(4, low=0.5)), kind="vector")
op("Sum", 8, ("x",))
op("Sum", 8, ("x", "x", "x"))
op("Mul", 7, ("x", real(4, 5, 1)), refused="more than one value")
op("Concat", [7, 13], ("x", "x", "x"), axis=(Required(1), -3, Refused(0, "dimension 0"), Refused(2, "than the channels")))

# --- windows ---
op("Conv", [7, 11], ("x", real(3, 4, 3, 2), real(3)), auto_pad=(
    "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 3]}, {"auto_pad": "SAME_LOWER", "dilations": [1, 2]},
    {"auto_pad": "VALID", "pads": [1, 1, 1, 1]}, Refused("SAME", "auto_pad is 'SAME'")),
   dilations=([1, 1], [2, 1], [1, 3]), group=(1, Refused(2, "do not agree")),
   kernel_shape=([3, 2], Refused([2, 3], "kernel_shape")), pads=([0, 0, 0, 0], [1, 0, 0, 2], Refused([-1, 0, 0, 0], "pads")),
   strides=([1, 1], [2, 1], [1, 3], Refused([0, 1], "strides")))
op("Conv", 11, ("x", real(6, 2, 3, 3)), group=(Required(2), Refused(3, "do not agree")))
op("Conv", 11, ("x", real(8, 1, 2, 3), real(8)), group=(Required(4),), pads=([0, 0, 0, 0], [1, 2, 0, 1]))
SAME = ["SAME_UPPER", "SAME_LOWER", {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, {"auto_pad": "SAME_LOWER", "strides": [2, 3]}]
POOL = {"auto_pad": ("NOTSET", "VALID", *SAME), "kernel_shape": (Required([3, 2]), [5, 6], [1, 1], Refused([3], "kernel_shape")),
        "strides": ([1, 1], [2, 1], [3, 2])}
UP = {"strides": [2, 4], "ceil_mode": 1}
ODD = {"strides": [3, 2], "ceil_mode": 1, "kernel_shape": [4, 3]}
op("MaxPool", 8, **POOL, pads=([0, 0, 0, 0], [1, 0, 2, 1]), storage_order=(0, 1))
op("MaxPool", 12, **POOL, pads=([0, 0, 0, 0], [1, 0, 2, 1]), ceil_mode=(0, UP, ODD, {**UP, "pads": [1, 1, 0, 1]}),
   dilations=([1, 1], Refused([2, 1], "dilations")), storage_order=(0, 1))
op("AveragePool", 7, **POOL, pads=([0, 0, 0, 0], [1, 0, 2, 1]),
   count_include_pad=(0, 1, {"count_include_pad": 1, "pads": [1, 0, 2, 1]}))
op("AveragePool", [11, 19], **POOL, pads=([0, 0, 0, 0], [1, 0, 2, 1]), count_include_pad=(0, 1), ceil_mode=(
    0, UP, ODD, {**UP, "pads": [1, 1, 0, 1]}, Refused({**UP, "pads": [1, 1, 0, 1], "count_include_pad": 1}, "ceil_mode together")))
op("AveragePool", 19, kernel_shape=(Required([3, 2]),), dilations=([1, 1], Refused([1, 2], "dilations")))
for whole_image in "GlobalAveragePool", "GlobalMaxPool":
    op(whole_image, 7)
for reduce in "ReduceMean", "ReduceMax":
    op(reduce, [7, 13], axes=(Required([2, 3]), [3], [-2], Refused([4], "out of range")),
       keepdims=(1,), after=[("Conv", [real(3, 4, 1, 1)], {})])
    op(reduce, 13, axes=(Required([2, 3]),), keepdims=(Required(0),), after=[("Gemm", [real(4, 3)], {})])
    for first, second in (2, 3), (3, 2):  # [n, c] only after both
        op(reduce, 13, axes=(Required([first]),), keepdims=(1,), after=[(reduce, [], {"axes": [second]}),
                                                                        ("Conv", [real(3, 4, 1, 1)], {})])
        op(reduce, 13, axes=(Required([first]),), keepdims=(Required(0),), after=[(reduce, [], {"axes": [2], "keepdims": 0}),
                                                                                  ("Gemm", [real(4, 3)], {})])
    op(reduce, 13, refused="than height and width")
    op(reduce, 13, axes=(Required([1]),), keepdims=(Required(0),), refused="than height and width")
    op(reduce, 18, ("x", whole(-1, 2)), keepdims=(1, 0), noop_with_empty_axes=(0, 1))

# --- normalisations ---
PARTS = ("x", real(4), real(4), real(4), real(4, low=0.25))
op("BatchNormalization", 7, PARTS, epsilon=(1e-5, 0.25, 0.0), momentum=(0.9, 0.5, 0.0, 1.0),
   spatial=(1, Refused(0, "spatial 0")))
op("BatchNormalization", [9, 15], PARTS, epsilon=(1e-5, 0.25), momentum=(0.9, 0.5))
op("BatchNormalization", 15, PARTS, training_mode=(0, 1))
op("BatchNormalization", 9, PARTS, kind="vector", epsilon=(1e-5, 0.25))
op("InstanceNormalization", 7, ("x", real(4), real(4)), epsilon=(1e-5, 0.25))
for opset, count in (18, 2), (21, 4):
    more = {"stash_type": (1, 10)} if opset == 21 else {}
    op("GroupNormalization", opset, ("x", real(count), real(count)), epsilon=(1e-5, 0.25),
       num_groups=(Required(2), Refused(3, "3 groups of 4")), **more)
LAYER = {"epsilon": (1e-5, 0.25, 0.0), "stash_type": (1, 10)}
op("LayerNormalization", 17, ("x", real(4), real(4)), kind="vector", axis=(-1, 1, Refused(2, "out of range")), **LAYER)
op("LayerNormalization", 17, ("x", real(4, 5, 6), real(4, 5, 6)), axis=(Required(1), -3), **LAYER)
op("LayerNormalization", 17, ("x", real(6), real(6)), axis=(-1, 3, 2), refused="than the channels or the whole image")
op("LayerNormalization", 17, ("x", real(4)), kind="vector")
op("LRN", [7, 13], size=(Required(3), 1, 2, 4, 5, Refused(0, "size is 0")), alpha=(1e-4, 0.5), beta=(0.75, 0.25), bias=(1.0, 2.0))
for soft in "Softmax", "LogSoftmax":
    op(soft, 7, kind="vector", axis=(1, -1, Refused(0, "out of range")))
    op(soft, 13, kind="vector", axis=(-1, 1))
    op(soft, 13, axis=(Required(1), -3))
    op(soft, 13, axis=(-1, 2), refused="than the channels")
    op(soft, 11, axis=(1, 2), refused="than the channels")
    op(soft, [11, 12], kind="pooled", axis=(1, -3))

# --- products ---
GEMM = {"alpha": (1.0, 0.5), "beta": (1.0, 0.25, 0.0), "transA": (0, Refused(1, "transA"))}
for bias in real(3), real(1, 3), real(1), one(0.5):
    op("Gemm", [7, 13], ("x", real(4, 3), bias), kind="vector", transB=(0,), **GEMM)
op("Gemm", 11, ("x", real(4, 3)), kind="vector", alpha=(1.0, 0.5), beta=(1.0, 0.25))
op("Gemm", 13, ("x", real(3, 4), real(3)), kind="vector", transB=(Required(1),), alpha=(1.0, 0.5), beta=(1.0, 0.25))
op("MatMul", 9, ("x", real(4, 3)), kind="vector")

# --- shapes ---
DENSE = [("Gemm", [real(120, 3), real(3)], {})]  # in the order of [c, h, w]
op("Flatten", 9, axis=(1, Refused(0, "the batch"), Refused(2, "the batch")), after=DENSE)
op("Flatten", 13, axis=(1, -3, Refused(-5, "out of range")), after=DENSE)
for target in whole(0, -1), whole(-1, 120), whole(2, 4 * 5 * 6):
    op("Reshape", 13, ("x", target), after=DENSE)
op("Reshape", 14, ("x", whole(2, -1)), after=DENSE, allowzero=(0, 1))
op("Reshape", 14, ("x", whole(0, -1)), after=DENSE, allowzero=(Required(1),), refused="dimension 0 of its shape is 0")
op("Reshape", 13, ("x", whole(0, 4, 30)), refused="the layout [n, c, h, w]")
op("Reshape", 13, ("x", whole(0, 7, -1)), after=DENSE, refused="a different number of elements")
NONE = ("Unsqueeze", [], {"axes": [2, 3]})
op("Squeeze", 11, kind="pooled", axes=(Required([2, 3]), [-1, 2], Refused([1], "a size that is not 1")))
op("Squeeze", [7, 13], kind="pooled")
op("Squeeze", 13, ("x", whole(2, -1)), kind="pooled")
op("Squeeze", 13, ("x", whole(1)), kind="pooled", refused="a size that is not 1")
op("Unsqueeze", 11, kind="vector", axes=(Required([2, 3]), [-1, -2], Refused([2, 2], "out of range")))
op("Unsqueeze", 13, ("x", whole(3, 2)), kind="vector")
op("Transpose", 13, perm=(Required([0, 2, 3, 1]),), after=BACK)
op("Transpose", 13, perm=(Required([0, 1, 2, 3]), Refused([0, 1, 1, 2], "not a permutation"), Refused([1, 0, 2, 3], "the batch")))
op("Transpose", 7, refused="the batch")
op("Gather", 11, ("x", one(2)), axis=(Required(1), -3, Refused(2, "than the channels")), after=[("Unsqueeze", [], {"axes": [1]})])
op("Gather", 11, ("x", whole(-1)), axis=(Required(1),))
op("Gather", 11, ("x", whole(5)), axis=(Required(1),), refused="out of range")
op("Gather", 11, ("x", one(0)), axis=(0,), refused="of images")
op("Slice", 7, starts=(Required([1]), [-3], [0]), ends=(Required([3]), [-1], [2**31]), axes=(Required([1]), [-3]))
op("Slice", 9, starts=(Required([0, 1]),), ends=(Required([2, 3]),), axes=([0, 1],))
op("Slice", 13, ("x", whole(1), whole(3), whole(1)))
op("Slice", 10, ("x", whole(0, 1), whole(2, -1)))
op("Slice", 10, ("x", whole(-3), whole(2**62), whole(-3), whole(1)))
op("Slice", 10, ("x", whole(0), whole(4), whole(1), whole(2)), refused="in steps of 2")
op("Slice", 10, ("x", whole(1), whole(4), whole(2)), refused="than the channels")
JOIN = [("Concat", [], {"axis": 1})]
op("Split", 11, outputs=2, after=JOIN, axis=(Required(1), -3), split=(Required([1, 3]), [3, 1], Refused([2, 2, 1], "3 sizes")))
op("Split", 13, ("x", whole(1, 2, 1)), outputs=3, after=JOIN, axis=(Required(1), -3))
op("Split", 13, outputs=2, after=JOIN, axis=(0,), refused="than the channels")
op("Split", 18, shape=(2, 5, 4, 6), outputs=3, after=JOIN, axis=(Required(1),), num_outputs=(Required(3),))
op("Split", 11, outputs=2, after=JOIN, axis=(Required(1),))
op("Pad", 7, pads=(Required([0, 0, 1, 2, 0, 0, 0, 3]), [0] * 8, Refused([0, 1, 0, 0, 0, 0, 0, 0], "height and width"),
                   Refused([0, 0, -1, 0, 0, 0, 0, 0], "pads of -1"), Refused([0, 1], "2 pads")),
   mode=("constant", Refused("reflect", "mode 'reflect'"), Refused("edge", "mode 'edge'")),
   value=(0.0, Refused(1.0, "with 1; expected zeros")))
op("Pad", 11, ("x", whole(0, 0, 1, 2, 0, 0, 0, 3)), mode=("constant", Refused("reflect", "mode 'reflect'")))
op("Pad", 13, ("x", whole(0, 0, 1, 2, 0, 0, 0, 3), one(0.0)))
op("Pad", 13, ("x", whole(0, 0, 1, 2, 0, 0, 0, 3), one(0.5)), refused="with 0.5")
op("Pad", 18, ("x", whole(2, 1, 0, 3), None, whole(-1, 2)), mode=("constant", Refused("edge", "mode 'edge'")))

# --- resizing ---
EMPTY = Tensor((0,), [])
TIMES = Tensor((4,), [1.0, 1.0, 2.0, 3.0])
EVEN = Tensor((4,), [1.0, 1.0, 2.0, 2.0])
op("Upsample", 7, scales=(Required([1.0, 1.0, 2.0, 3.0]), Refused([1.0, 1.0, 1.5, 1.0], "by 1.5")),
   mode=("nearest", Refused("linear", "'linear' with coordinate_transformation_mode 'asymmetric'")))
op("Upsample", 9, ("x", TIMES), mode=("nearest", Refused("linear", "'linear'")))
op("Resize", 10, ("x", TIMES), mode=("nearest", Refused("linear", "'linear'")))
NEAR = [{"coordinate_transformation_mode": places, "nearest_mode": rounding} for places, rounding in (
    ("half_pixel", "round_prefer_ceil"), ("pytorch_half_pixel", "round_prefer_floor"), ("asymmetric", "floor"),
    ("tf_half_pixel_for_nn", "floor"))]
LINE = [{"coordinate_transformation_mode": places, "mode": "linear"} for places in ("pytorch_half_pixel", "align_corners")]
MODES = {"mode": ("nearest", "linear", Refused("cubic", "mode 'cubic'")),
         "coordinate_transformation_mode": (
             "half_pixel", *NEAR, *LINE, Refused("asymmetric", "nearest_mode 'round_prefer_floor' with"),
             Refused("tf_crop_and_resize", "'tf_crop_and_resize'"),
             Refused({"coordinate_transformation_mode": "asymmetric", "mode": "linear"}, "'linear' with")),
         "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", Refused("floor", "nearest_mode 'floor'"),
                          Refused("ceil", "nearest_mode 'ceil'")),
         "cubic_coeff_a": (-0.75, -0.5), "exclude_outside": (0, Refused(1, "exclude_outside")), "extrapolation_value": (0.0, 1.0)}
op("Resize", [11, 13], ("x", EMPTY, TIMES), **MODES)
op("Resize", 13, ("x", None, EVEN), nearest_mode=(
    "round_prefer_floor", {"nearest_mode": "round_prefer_floor", "coordinate_transformation_mode": "asymmetric"}))
op("Resize", 13, ("x", None, EMPTY, whole(2, 4, 10, 12)), mode=("nearest", "linear"))
op("Resize", 13, ("x", None, None, whole(2, 4, 11, 12)), refused="from 5 to 11")
op("Resize", 13, ("x", None, Tensor((4,), [1.0, 2.0, 1.0, 1.0])), refused="than height and width")
op("Resize", 18, ("x", None, None, whole(12, 10)), axes=(Required([3, 2]), [-1, -2], Refused([0, 2], "height and width")))
op("Resize", [18, 19], ("x", None, TIMES), antialias=(0, Refused(1, "antialias")), keep_aspect_ratio_policy=(
    "stretch", Refused("not_larger", "keep_aspect_ratio_policy 'not_larger'")))
