#!/usr/bin/env python3
"""Graphs as other exporters write them (NHWC inputs between Transposes, biases as Add, decomposed and old
forms), read by Clade: outputs against ONNX Runtime.

forms_test.py --runner NET_RUNNER [--device NAME]. Exits 77 without onnx and onnxruntime."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

TOLERANCE = 1e-5
random = np.random.RandomState(11)


def real(*shape):
    return random.uniform(-0.5, 0.5, shape).astype(np.float32)


class Graph:
    """Nodes and stored tensors; every call gives the name of the output."""

    def __init__(self, shape, opset):
        self.shape, self.opset, self.nodes, self.stored = shape, opset, [], []

    def put(self, values, name=None):
        name = name or f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def __call__(self, op, *inputs, **attributes):
        return self.several(1, op, *inputs, **attributes)[0]

    def several(self, outputs, op, *inputs, **attributes):
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        inputs = [i if isinstance(i, str) else self.put(i) for i in inputs]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{len(self.nodes)}", **attributes))
        return names

    def save(self, path, output):
        self.nodes.append(helper.make_node("Identity", [output], ["y"]))
        graph = helper.make_graph(self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], self.stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)
        onnx.save(model, str(path))


def ints(*values):
    return np.array(values, np.int64)


def tensorflow(opset):
    """NHWC: the input, Transpose pairs around convolutions, BiasAdd, Pad, a dense layer behind Reshape."""
    g = Graph(["n", 12, 10, 3], opset)
    x = g("Transpose", "x", perm=[0, 3, 1, 2])
    x = g("Conv", x, real(6, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2])
    x = g("Add", x, real(1, 6, 1, 1))
    x = g("Transpose", x, perm=[0, 2, 3, 1])
    x = g("Relu", x)
    if opset < 11:
        x = g("Pad", x, pads=[0, 0, 1, 0, 0, 1, 0, 0], mode="constant", value=0.0)
    else:
        x = g("Pad", x, ints(0, 0, 1, 0, 0, 1, 0, 0))
    x = g("Transpose", x, perm=[0, 3, 1, 2])
    x = g("Conv", x, real(6, 1, 3, 3), real(6), group=6, auto_pad="SAME_LOWER")
    y = g("Mul", x, g("Sigmoid", x))
    m = g("ReduceMean", y, axes=[2, 3], keepdims=1)
    m = g("Conv", m, real(6, 6, 1, 1))
    y = g("Mul", y, g("HardSigmoid", m, alpha=0.2, beta=0.5))
    y = g("Transpose", y, perm=[0, 2, 3, 1])
    y = g("Concat", y, y, axis=3)
    y = g("Mul", y, real(12))
    y = g("Reshape", y, ints(-1, 7 * 6 * 12))
    y = g("Add", g("MatMul", y, real(7 * 6 * 12, 5)), real(5))
    return g, g("Softmax", y, axis=1)


def old(opset):
    """Attributes where inputs came later; a fixed batch; constants from nodes; Gemm with factors."""
    g = Graph([2, 3, 9, 9], opset)
    k = g("Constant", value=numpy_helper.from_array(real(4, 3, 3, 3)))
    x = g("Conv", "x", k, pads=[1, 0, 1, 0])
    limits = {"min": 0.0, "max": 6.0} if opset < 11 else {}
    x = g("Clip", x, **limits) if limits else g("Clip", x, np.float32(0), np.float32(6))
    x = g("BatchNormalization", x, real(4), real(4), real(4), real(4) + 1, epsilon=1e-3)
    x = g("LRN", x, size=3, alpha=0.2, beta=0.6, bias=1.5)
    x = g("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0])
    x = g("AveragePool", x, kernel_shape=[2, 2], pads=[0, 1, 1, 0], count_include_pad=1)
    x = g("Sub", np.float32(1), g("Div", x, np.float32(2)))
    x = g("Sum", x, x, x)
    s = g("Shape", x)
    n = g("Gather", s, np.int64(0), axis=0)
    n = g("Unsqueeze", n, axes=[0]) if opset < 13 else g("Unsqueeze", n, ints(0))
    x = g("Reshape", x, g("Concat", n, ints(-1), axis=0))
    shape = 4 * 4 * 3
    x = g("Gemm", x, real(7, shape), real(7), alpha=0.5, beta=2.0, transB=1)
    x = g("LeakyRelu", x, alpha=0.2)
    x = g("Unsqueeze", x, axes=[2, 3]) if opset < 13 else g("Unsqueeze", x, ints(2, 3))
    x = g("Conv", x, real(5, 7, 1, 1), real(5))
    x = g("Squeeze", x, axes=[2, 3]) if opset < 13 else g("Squeeze", x, ints(2, 3))
    return g, g("Tanh", x)


def shaped(opset):
    """Gelu and hard_swish in several pieces; broadcasts both ways; an image out."""
    g = Graph(["n", 4, 6, 5], opset)
    x = g("Conv", "x", real(4, 4, 3, 3), pads=[1, 1, 1, 1])
    e = g("Add", g("Erf", g("Div", x, np.float32(1.4142135))), np.float32(1))
    x = g("Mul", g("Mul", x, np.float32(0.5)), e)
    clip = g("Add", x, np.float32(3))
    clip = g("Clip", clip, min=0.0, max=6.0) if opset < 11 else g("Clip", clip, np.float32(0), np.float32(6))
    x = g("Div", g("Mul", x, clip), np.float32(6))
    m = g("GlobalAveragePool", x)
    m = g("Flatten", m)
    m = g("Gemm", m, real(4, 4), real(4))
    m = g("Reshape", m, ints(-1, 4, 1, 1))
    x = g("Sub", g("Mul", m, x), m)
    x = g("Mul", g("Add", x, real(1, 4, 1, 1)), real(4, 1, 1))
    return g, g("Concat", x, x, g("Relu", x), axis=1)


def parts(opset):
    """Splits and slices of channels; slopes of one, of channels, of columns and of each value; clips; a maximum over
    one dimension after the other; the logarithm of a softmax."""
    def split(x, axis, *sizes):
        if opset < 13:
            return g.several(len(sizes), "Split", x, axis=axis, split=list(sizes))
        return g.several(len(sizes), "Split", x, ints(*sizes), axis=axis)

    def cut(x, starts, ends, axes):
        if opset < 10:
            return g("Slice", x, starts=starts, ends=ends, axes=axes)
        return g("Slice", x, ints(*starts), ints(*ends), ints(*axes))

    def clip(x, low, high):
        if opset < 11:
            return g("Clip", x, **{k: v for k, v in (("min", low), ("max", high)) if v is not None})
        return g("Clip", x, *["" if v is None else np.float32(v) for v in (low, high)])

    def at(x, axis, index):
        x = g("Gather", x, np.int64(index), axis=axis)
        return g("Unsqueeze", x, axes=[axis]) if opset < 13 else g("Unsqueeze", x, ints(axis))

    g = Graph(["n", 3, 8, 7], opset)
    x = g("Concat", *[g("Mul", at("x", 1, k), np.float32(k + 1)) for k in (0, 1, 2 if opset < 11 else -1)], axis=1)
    if opset > 17:
        x = g("Pad", x, ints(1, 0, 0, 1), "", ints(-1, 2))
    size = 4 if opset > 17 else 3
    x = g("Conv", x, real(6, 3, size, size), real(6))
    a, b, c = split(x, 1, 1, 2, 3)
    a = g("PRelu", a, real(1))
    b = g("PRelu", b, real(2, 1, 1))
    c = g("PRelu", c, real(1, 5))
    x = g("Concat", c, clip(a, -0.25, 0.5), clip(b, None, 0.25), clip(b, -0.5, None), axis=1)
    x = g("PRelu", x, real(8, 6, 5))
    for shape in (8, 6, 5), (8, 1, 1):  # as Keras computes it
        x = g("Add", g("Relu", x), g("Mul", real(*shape), g("Relu", g("Neg", x))))
    left, right = split(x, 1 if opset < 11 else -3, 4, 4)
    x = g("Add", g("Mul", left, right), cut(x, [0, -6], [2**31 - 1, -2], [0, 1]))
    x = g("Concat", x, g.several(2, "Split", x, axis=1, **({} if opset < 18 else {"num_outputs": 2}))[1], axis=1)
    for axis, keep in (3, 0), (2 if opset < 11 else -1, 1):
        x = g("ReduceMax", x, *[ints(axis)] * (opset > 17), keepdims=keep, **{"axes": [axis]} if opset < 18 else {})
    x = g("PRelu", g("Flatten", x), real(6))
    x = g("Gemm", cut(x, [1], [6], [1]), real(5, 4), real(4))
    return g, g("LogSoftmax", x, axis=1)


def normal(g, x, axes, eps):
    """(x − mean) / deviation in pieces, as PyTorch writes it before opset 17."""
    d = g("Sub", x, g("ReduceMean", x, axes=axes))
    variance = g("ReduceMean", g("Pow", d, np.float32(2)), axes=axes)
    return g("Div", d, g("Sqrt", g("Add", variance, np.float32(eps))))


def torch_norms(opset):
    """GroupNorm, InstanceNorm2d, LayerNorm over the image, ConvNeXt's over channels both ways, LayerNorm of a
    vector."""
    g = Graph(["n", 6, 5, 7], opset)
    x = g("Conv", "x", real(6, 6, 3, 3), pads=[1, 1, 1, 1])
    y = g("Reshape", x, ints(0, 3, -1))
    y = g("InstanceNormalization", y, np.ones(3, np.float32), np.zeros(3, np.float32), epsilon=1e-3)
    y = g("Reshape", y, g("Shape", x))
    y = g("Add", g("Mul", y, real(6, 1, 1)), real(6, 1, 1))
    x = g("Add", x, g("Relu", y))
    x = g("InstanceNormalization", x, real(6), real(6), epsilon=1e-4)
    if opset < 17:
        x = g("Add", g("Mul", normal(g, x, [1, 2, 3], 1e-5), real(6, 5, 7)), real(6, 5, 7))
    else:
        x = g("LayerNormalization", x, real(6, 5, 7), real(6, 5, 7), axis=1, epsilon=1e-5)
    y = g("Transpose", x, perm=[0, 2, 3, 1])
    if opset < 17:
        y = g("Add", g("Mul", normal(g, y, [-1], 1e-6), real(6)), real(6))
    else:
        y = g("LayerNormalization", y, real(6), axis=-1, epsilon=1e-6)
    y = g("Transpose", y, perm=[0, 3, 1, 2])
    x = g("Add", x, y)
    x = g("Add", g("Mul", normal(g, x, [1], 1e-6), real(6, 1, 1)), real(6, 1, 1))
    x = g("Mul", normal(g, x, [1, 2, 3], 1e-2), real(6, 1, 1))
    x = g("Flatten", x, axis=1)
    x = g("Add", normal(g, x, [1], 1e-3), real(210))
    return g, normal(g, g("Gemm", x, real(210, 7), real(7)), [-1], 1e-3)


def moments(g, x, axes, square):
    mean = g("ReduceMean", x, axes=axes)
    d = g("Sub", x, mean)
    return mean, g("ReduceMean", g("Mul", d, d) if square == "Mul" else g("Pow", d, np.float32(2)), axes=axes)


def keras_norms(opset):
    """Keras' GroupNormalization and LayerNormalization as tf2onnx writes them: NHWC, moments and batch
    normalisation."""
    g = Graph(["n", 5, 7, 3], opset)
    x = g("Transpose", "x", perm=[0, 3, 1, 2])
    x = g("Conv", x, real(6, 3, 3, 3), pads=[1, 1, 1, 1])
    x = g("Transpose", x, perm=[0, 2, 3, 1])
    y = g("Reshape", x, ints(-1, 5, 7, 3, 2))
    mean, variance = moments(g, y, [1, 2, 4], "Mul")
    inverse = g("Reciprocal", g("Sqrt", g("Add", variance, np.float32(1e-3))))
    inverse = g("Mul", inverse, real(1, 1, 1, 3, 2))
    y = g("Add", g("Mul", y, inverse), g("Sub", real(1, 1, 1, 3, 2), g("Mul", mean, inverse)))
    x = g("Add", x, g("Reshape", y, ints(-1, 5, 7, 6)))
    mean, variance = moments(g, x, [3], "Pow")
    inverse = g("Mul", g("Reciprocal", g("Sqrt", g("Add", variance, np.float32(1e-3)))), real(6))
    y = g("Add", g("Mul", g("Neg", mean), inverse), real(6))
    x = g("Add", g("Mul", x, inverse), y)
    mean, variance = moments(g, x, [1, 2, 3], "Mul")
    inverse = g("Div", np.float32(1), g("Sqrt", g("Add", variance, np.float32(1e-5))))
    x = g("Sub", g("Mul", x, inverse), g("Mul", mean, inverse))
    return g, g("Transpose", x, perm=[0, 3, 1, 2])


def new_norms(opset):
    """GroupNormalization, whose scale and bias are those of groups until opset 20."""
    g = Graph(["n", 6, 5, 7], opset)
    x = g("Conv", "x", real(6, 6, 3, 3), pads=[1, 1, 1, 1])
    count = 3 if opset < 21 else 6
    x = g("GroupNormalization", x, real(count), real(count), num_groups=3, epsilon=1e-3)
    return g, g("Relu", x)


def resized(opset):
    """Upsample and Resize as PyTorch (by scales) and tf2onnx (by sizes, worked out, and in NHWC) write them; a
    pooled image stretched over one."""
    g = Graph(["n", 4, 6, 5], opset)
    x = g("Conv", "x", real(4, 4, 3, 3), pads=[1, 1, 1, 1])
    scales = np.array([1, 1, 2, 3], np.float32)
    if opset < 11:
        stretch = {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 3.0]} if opset < 9 else {"mode": "nearest"}
        return g, g("Resize" if opset > 9 else "Upsample", x, *([] if opset < 9 else [scales]), **stretch)
    none = "" if opset > 12 else np.empty(0, np.float32)  # what may be left out had to be empty first

    def resize(image, factors, sizes=(), mode="nearest", places="half_pixel", rounding="round_prefer_floor"):
        return g("Resize", image, none, factors, *sizes, mode=mode,
                 coordinate_transformation_mode=places, nearest_mode=rounding)
    y = g("Concat", resize(x, scales, places="asymmetric", rounding="floor"),
          resize(x, scales, mode="linear", places="pytorch_half_pixel"),
          resize(x, scales, mode="linear", places="align_corners"), axis=1)
    batch = g("Slice", g("Shape", x), ints(0), ints(1), ints(0))
    size = g("Mul", g("Slice", g("Shape", x), ints(2), ints(4), ints(0)), ints(2, 3))
    size = g("Concat", batch, ints(4), g("Cast", size, to=TensorProto.INT64), axis=0)
    z = resize(x, none, [size], rounding="round_prefer_ceil")
    last = resize(g("Transpose", x, perm=[0, 2, 3, 1]), np.array([1, 2, 3, 1], np.float32))
    if opset > 17:
        z = g("Resize", z, none, np.array([2], np.float32), axes=[-2], mode="linear")
        y, last = [resize(v, np.array(s, np.float32)) for v, s in ((y, [1, 1, 2, 1]), (last, [1, 2, 1, 1]))]
    mean = resize(g("GlobalAveragePool", x), none, [g("Concat", batch, ints(4, 24 if opset > 17 else 12, 15), axis=0)],
                  mode="linear")
    return g, g("Concat", y, z, g("Transpose", last, perm=[0, 3, 1, 2]), mean, axis=1)


OPSETS = [7, 9, 10, 11, 12, 13, 15, 17]
FORMS = {tensorflow: OPSETS, old: OPSETS, shaped: OPSETS[1:], parts: OPSETS + [18], torch_norms: OPSETS,
         keras_norms: OPSETS, new_norms: [18, 21], resized: OPSETS + [18, 19]}  # Erf, which `shaped` has, came with 9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for build, opsets in FORMS.items():
            for opset in opsets:
                graph, output = build(opset)
                model = folder / "model.onnx"
                graph.save(model, output)
                x = real(2, *graph.shape[1:])
                options = onnxruntime.SessionOptions()
                options.log_severity_level = 3
                want = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
                want = want.run(None, {"x": x})[0].ravel()
                nchw = x.transpose(0, 3, 1, 2) if build in (tensorflow, keras_norms) else x
                (folder / "x.bin").write_bytes(np.ascontiguousarray(nchw).tobytes())
                done = subprocess.run([args.runner, str(model), args.device, "2", str(folder / "x.bin"),
                                       str(folder / "y.bin")], capture_output=True, text=True, check=False)
                got = np.fromfile(folder / "y.bin", np.float32) if done.returncode == 0 else np.empty(0)
                worst = np.inf
                if got.size == want.size:
                    worst = np.abs(got - want).max() / np.abs(want).max()
                failures += not worst <= TOLERANCE
                print(f"{build.__name__:11s} opset {opset:2d} {worst:.2e} "
                      f"{'' if worst <= TOLERANCE else 'FAILED ' + done.stderr.strip()}")
    print("failed" if failures else "all agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
