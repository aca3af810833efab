"""ONNX files without the onnx package: models written from nodes and tensors, and taken apart again. The numbers are those
of the fields in the format's onnx.proto."""
import collections
import struct

FLOAT, UINT8, INT8, INT16, INT32, INT64 = 1, 2, 3, 5, 6, 7
LETTERS = {FLOAT: "f", UINT8: "B", INT8: "b", INT16: "h", INT32: "i", INT64: "q"}  # of struct

# values: floats, or ints for whole numbers; type: None is what they are, FLOAT or INT64
Tensor = collections.namedtuple("Tensor", "shape values type", defaults=[None])
Node = collections.namedtuple("Node", "op inputs outputs attributes")


# --- writing ---

def varint(value):
    value %= 1 << 64
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A whole number, a float, text, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def put_tensor(name, tensor):
    whole = all(isinstance(v, int) for v in tensor.values) and tensor.values
    kind = tensor.type or (INT64 if whole else FLOAT)
    raw = struct.pack("<%d%s" % (len(tensor.values), LETTERS[kind]), *tensor.values)
    return b"".join(field(1, d) for d in tensor.shape) + field(2, kind) + field(8, name) + field(9, raw)


def put_attribute(name, value):
    """ints, floats, text, or lists of the first two."""
    out = field(1, name)
    if isinstance(value, list):
        real = any(isinstance(v, float) for v in value)
        return out + b"".join(field(7 if real else 8, v) for v in value) + field(20, 6 if real else 7)
    number, kind = (2, 1) if isinstance(value, float) else (3, 2) if isinstance(value, int) else (4, 3)
    return out + field(number, value) + field(20, kind)


def put_node(node):
    out = b"".join(field(1, name) for name in node.inputs) + b"".join(field(2, name) for name in node.outputs)
    return out + field(4, node.op) + b"".join(field(5, put_attribute(*a)) for a in node.attributes.items())


def put_info(name, shape):
    dims = b"".join(field(1, field(1, d) if d else field(2, "n")) for d in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dims)))


def put_model(nodes, stored, shape, opset, output="y"):
    """The model's bytes; its input is "x", of which 0 leaves a size open."""
    graph = b"".join(field(1, put_node(node)) for node in nodes) + field(2, "g")
    graph += b"".join(field(5, put_tensor(name, tensor)) for name, tensor in stored.items())
    graph += field(11, put_info("x", shape)) + field(12, put_info(output, []))
    return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, opset))


# --- reading ---

def fields(data):
    """Number -> values: whole numbers, or bytes; fixed sizes are bytes too."""
    found, at = collections.defaultdict(list), 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
            found[tag >> 3].append(value - (1 << 64) if value >> 63 else value)
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or number()
        found[tag >> 3].append(data[at:at + size])
        at += size
    return found


def get_tensor(data):
    f = fields(data)
    letter = LETTERS[f[2][0]]
    count = len(f[9][0]) // struct.calcsize(letter)
    return f[8][0].decode(), Tensor(tuple(f[1]), list(struct.unpack("<%d%s" % (count, letter), f[9][0])), f[2][0])


def get_attribute(data):
    f = fields(data)
    real = [struct.unpack("<f", v)[0] for v in f[2] or f[7]]
    kind = f[20][0]
    value = {1: lambda: real[0], 2: lambda: f[3][0], 3: lambda: f[4][0].decode(), 6: lambda: real, 7: lambda: f[8]}[kind]()
    return f[1][0].decode(), value


def get_model(data):
    """The nodes, the stored tensors by name, the input's name, the output's name, and the opset."""
    model = fields(data)
    graph = fields(model[7][0])
    nodes = []
    for part in graph[1]:
        f = fields(part)
        nodes.append(Node(f[4][0].decode(), [v.decode() for v in f[1]], [v.decode() for v in f[2]],
                          dict(map(get_attribute, f[5]))))
    names = [fields(graph[k][0])[1][0].decode() for k in (11, 12)]
    return nodes, dict(map(get_tensor, graph[5])), *names, fields(model[8][0])[2][0]
