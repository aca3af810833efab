"""What the mappings of ONNX operators to Clade's ops share: the registry, a node's attributes and
inputs, and changes of layout."""
import pathlib
import re

import numpy as np
from onnx import helper

OPERATORS = {}  # operator name -> function(call, run) giving the outputs in order

ACTIVATION_LIST = pathlib.Path(__file__).parents[2] / "include/clade/activations.def"
ACTIVATIONS = {name: i for i, name in enumerate(
    re.findall(r"^CLADE_ACTIVATION\(\w+, (\w+),", ACTIVATION_LIST.read_text(), re.M))}
MAX_RANK = 4


class Unmapped(Exception):
    """This node asks for something that Clade's ops do not do; the text says what."""


def operator(*names):
    """Registers the function that maps these operators."""
    def register(function):
        for name in names:
            OPERATORS[name] = function
        return function
    return register


class Call:
    """One node with its inputs; an absent optional input is None."""

    def __init__(self, node, arrays):
        self.type = node.op_type
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        arrays = iter(arrays)
        self.inputs = [next(arrays) if name else None for name in node.input]
        self.outputs = list(node.output)

    def attr(self, name, default=None):
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def input(self, i):
        """Input i as it is, or None."""
        return self.inputs[i] if i < len(self.inputs) else None

    def tensor(self, i):
        """Input i as a float tensor that ops can take."""
        return real(self.input(i))

    def optional(self, i):
        return None if self.input(i) is None else self.tensor(i)

    def integers(self, i):
        return None if self.input(i) is None else [int(v) for v in np.ravel(self.input(i))]

    def wants(self, i):
        """Whether output i is asked for."""
        return i < len(self.outputs) and self.outputs[i] != ""


def real(x):
    if not isinstance(x, np.ndarray) and not np.isscalar(x):
        raise Unmapped("not a tensor")
    x = np.asarray(x)
    if x.dtype != np.float32:
        raise Unmapped("type %s" % x.dtype)
    if x.size == 0:
        raise Unmapped("empty tensor")
    return x


def same(x):
    """x with a rank that ops take, for those that go element by element."""
    return x if x.ndim <= MAX_RANK else x.reshape(-1)


def stretch(*arrays):
    """The arrays with ranks made equal by leading sizes of 1."""
    rank = max(1, max(a.ndim for a in arrays))
    if rank > MAX_RANK:
        raise Unmapped("broadcast of rank %d" % rank)
    return [a.reshape((1,) * (rank - a.ndim) + a.shape) for a in arrays]


def to_nhwc(x):
    """NCHW, or NCL as images of height 1, to NHWC."""
    if x.ndim == 3:
        x = x[:, :, None, :]
    if x.ndim != 4:
        raise Unmapped("%d-dimensional images" % (x.ndim - 2))
    return x.transpose(0, 2, 3, 1)


def from_nhwc(y, rank):
    y = y.transpose(0, 3, 1, 2)
    return y[:, :, 0, :] if rank == 3 else y


def as_rows(x, axis):
    """x as [m, c] with `axis` last, and the function that brings such a matrix back."""
    moved = np.moveaxis(x, axis, -1)
    return moved.reshape(-1, moved.shape[-1]), \
        lambda rows: np.moveaxis(rows.reshape(moved.shape[:-1] + rows.shape[1:]), -1, axis)


def pair(values, fill):
    """Rows and columns from an attribute with one number per dimension."""
    values = list(values)
    return [fill] + values if len(values) == 1 else values


def four(pads):
    """Top, left, bottom, right from ONNX's pads (all beginnings, then all ends)."""
    return [0, pads[0], 0, pads[1]] if len(pads) == 2 else list(pads)


def broadcast_op(run, op, a, b, **params):
    """add or mul with broadcast."""
    a, b = stretch(a, b)
    return run(op, {"a": a, "b": b}, params)["y"]


def activate(run, x, act, alpha=0.0):
    y = run("activation", {"x": same(x)}, {"act": ACTIVATIONS[act], "alpha": float(alpha)})["y"]
    return y.reshape(x.shape)


def copy(run, x, shape):
    """x through `copy` with another shape of as many elements."""
    if len(shape) > MAX_RANK:
        y = run("copy", {"x": same(x)}, None, {"y": (np.float32, (x.size,))})["y"]
        return y.reshape(shape)
    return run("copy", {"x": same(x)}, None, {"y": (np.float32, shape)})["y"]
