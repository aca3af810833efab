#!/usr/bin/env python3
"""Every layer that Clade writes as ONNX, with odd settings: the file's nodes, run by naive.py, and the net that Clade reads
from the file, against what Clade gives for the same weights and batch.

layers_test.py --runner LAYER_RUNNER --reader NET_RUNNER --layers LAYERS.DEF --activations ACTIVATIONS.DEF"""
import argparse
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
import naive
import naive_image  # noqa: F401  (adds its operators)
import wire

TOLERANCE = 1e-5
HEIGHT, WIDTH, CHANNELS = 5, 6, 4  # no two alike
PIXELS = "pixels"           # the net takes them

ATTENTION = "conv2d: {filters: 12, kernel: 1}; attention: 2"
WINDOWS = ["", "padding: same", "stride: 2, padding: same", "stride: [1, 3], padding: [1, 0, 1, 1]"]
NETS = [
    *[f"conv2d: {{filters: 3, kernel: [3, 2]{', ' * bool(w)}{w}}}" for w in WINDOWS],
    "conv2d: {filters: 6, kernel: [2, 1], groups: 2, dilation: [3, 1], use_bias: false}",
    "conv2d: {filters: 2, kernel: [1, 3], dilation: 2, padding: same}",
    *[f"depthwise_conv2d: {{kernel: [2, 3], multiplier: 2{', ' * bool(w)}{w}}}" for w in WINDOWS],
    *[f"{pool}: {{window: [3, 2]{', ' * bool(w)}{w}}}" for pool in ("maxpool2d", "avgpool2d") for w in WINDOWS],
    "avgpool2d: {window: [3, 2], stride: [2, 1], padding: [1, 0, 1, 1], count_pad: true}",
    "global_avgpool2d", "global_maxpool2d",
    "upsample2d: [3, 2]", "upsample2d: {size: [1, 3], interpolation: bilinear}",
    "upsample2d: {size: [2, 3], interpolation: bilinear, align_corners: true}",
    "batchnorm: {eps: 0.25, momentum: 0.5}", "batchnorm", "batchnorm: {scale: false}",
    "flatten; batchnorm: {eps: 0.125}",
    "group_norm: {groups: 2, eps: 0.25}", "group_norm: {groups: 1}", "group_norm: {groups: -1, eps: 0.125}",
    "global_avgpool2d; group_norm: {groups: 2, eps: 0.25}",
    "layer_norm: {eps: 0.25}", "layer_norm: {axis: [1, 2, 3], eps: 0.125}", "layer_norm: {axis: [2, 3]}",
    "flatten; layer_norm: {eps: 0.25}",
    "prelu", "prelu: {shared_axes: [1, 2]}", "prelu: {shared_axes: [1, 2, 3]}", "prelu: {shared_axes: [3]}", "flatten; prelu",
    "softmax", "log_softmax", "global_avgpool2d; softmax", "global_avgpool2d; log_softmax",
    ATTENTION, "reshape: [20, 6]; attention: {heads: 1}",
    "class_token", "position_embedding", "class_token; position_embedding", "reshape: [10, 12]; position_embedding",
    "class_token; multi_head_attention: 2", "multi_head_attention: {heads: 4, use_bias: false}",
    "dropout: 0.25", "stochastic_depth: 0.25", "layer_scale", "layer_scale: 0.5", "flatten", "flatten; dense: 3",
    "reshape: [6, 5, 4]", "reshape: [10, 12]", "reshape: [2, 3, 20]",
    "reshape: [24, 5]; reshape: [4, 30, 1]", "flatten; reshape: [6, 5, 4]", "reshape: [10, 12]; softmax",
    "reshape: [10, 12]; log_softmax", "reshape: [10, 12]; layer_norm: {eps: 0.25}",
    "reshape: [10, 12]; split: {start: 2, channels: 7}",
    "dense: {units: 5, use_bias: false}; activation: tanh", "dense: {units: 5, activation: softmax}",
    "dense: {units: 5, activation: elu, alpha: 0.25}",
    "conv2d: {filters: 4, kernel: 1, name: a}; add: [a, input, a]",
    "conv2d: {filters: 4, kernel: 1, name: a}; multiply: [a, input]",
    "global_avgpool2d: {name: a}; multiply: [input, a]", "global_avgpool2d: {name: a}; add: [a, input]",
    "maxpool2d: {window: [5, 1], name: a}; add: [input, a]", "maxpool2d: {window: [1, 6], name: a}; multiply: [a, input]",
    "maxpool2d: [5, 1]; reshape: {shape: [6, 4], name: a}; add: [input, a]",
    "maxpool2d: [5, 1]; reshape: {shape: [6, 4], name: a}; multiply: [a, input]",
    "global_avgpool2d: {name: a}; reshape: {inputs: input, shape: [30, 4], name: b}; add: [b, a]",
    "conv2d: {filters: 3, kernel: 1, name: a}; concat: [a, input, a]",
    "global_avgpool2d: {name: a}; flatten: {inputs: input, name: b}; concat: [b, a]",
    "reshape: {name: a, shape: [10, 12]}; concat: [a, a]",
    "split: {start: 1, channels: 2}", "split: {start: 3}", "flatten; split: {start: 7, channels: 30}",
    "zero_padding2d: [1, 0, 2, 3]", "zero_padding2d: [2, 1]",
    "lrn: {size: 3, k: 2, alpha: 0.5, beta: 0.25}", "lrn: {size: 4, k: 1, alpha: 2, beta: 0.5}",
    f"{PIXELS}; conv2d: {{filters: 3, kernel: 3}}", f"{PIXELS}; flatten; dense: 2",
]
REFUSED = {"reshape: [10, 12]; batchnorm": "[10, 12]", "reshape: [10, 12]; lrn: {size: 3}": "[10, 12]",
           "reshape: [10, 12]; group_norm: {groups: 2}": "[10, 12]"}


UNREAD = {"stochastic_depth: 0.25": "there are no layers", "activation: {function: linear}": "there are no layers",
          "global_avgpool2d: {name: a}; flatten: {inputs: input, name: b}; concat: [b, a]": "takes 2 dimensions"}


def layers_of(net):
    """The list, in the words of a recipe."""
    layers = [layer.strip() for layer in net.split(";") if layer != PIXELS]
    if layers[0].startswith("dense"):
        layers.insert(0, "flatten")
    return "".join(f"- {layer}\n" for layer in layers)


def read(path):
    data = path.read_bytes()
    return list(struct.unpack("<%df" % (len(data) // 4), data))


def judge(net, folder, answer, shapes):
    """What is wrong, or nothing; notes the shape of what comes out."""
    if net in REFUSED:
        good = "ONNX cannot express " in answer and REFUSED[net] in answer
        return "" if good else "expected to be refused: " + answer
    if answer != "ok":
        return answer
    nodes, values, first, last, opset = wire.get_model((folder / "net.onnx").read_bytes())
    shape = (2, HEIGHT, WIDTH, CHANNELS) if net.startswith(PIXELS) else (2, CHANNELS, HEIGHT, WIDTH)
    values[first] = wire.Tensor(shape, read(folder / "x"))
    naive.run(nodes, values, opset)
    want, got = values[last].values, read(folder / "y")
    shapes[net] = values[last].shape
    if len(want) != len(got):
        return "%d values, the file gives %d" % (len(got), len(want))
    return compare(got, want)


def compare(got, want):
    worst = max(abs(a - b) for a, b in zip(got, want)) / max(1e-3, *map(abs, want))
    return "" if worst <= TOLERANCE else "differs by %.1e" % worst


def judge_again(net, folder, answer, shape):
    """The same of what was read from the file; the reader gives channels before places."""
    if net in UNREAD:
        return "" if UNREAD[net] in answer else "expected to be refused: " + answer
    if answer != "ok":
        return answer
    want, got = read(folder / "y"), read(folder / "again")
    if net.endswith("30, 1]"):  # which is read without that dimension
        shape = (shape[0], *shape[2:])
    if len(shape) == 3:
        images, places, channels = shape
        want = [want[(i * places + p) * channels + c] for i in range(images) for c in range(channels) for p in range(places)]
    return compare(got, want) if len(want) == len(got) else "%d values, expected %d" % (len(got), len(want))


def judge_scale(reader, folder):
    """Attention whose scale is not that of its heads' 2 channels is another function."""
    data, old, new = (folder / "net.onnx").read_bytes(), struct.pack("<f", 0.5 ** 0.5), struct.pack("<f", 0.5)
    if data.count(old) != 1:
        return f"{ATTENTION}: the scale is there {data.count(old)} times"
    (folder / "net.onnx").write_bytes(data.replace(old, new))
    answer, = run(reader, [f"{folder}/net.onnx cpu 2 {folder}/x {folder}/again\n"])
    return "" if "cannot be read" in answer else f"{ATTENTION}, another scale: {answer}"


def run(runner, lines, *words):
    done = subprocess.run([runner, *words], input="".join(lines), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def listed(path, macro, place):
    words = re.findall(r"^%s\(([^)\"]*)" % macro, pathlib.Path(path).read_text(), re.M)
    return [line.split(",")[place].strip() for line in words]


def main():
    parser = argparse.ArgumentParser()
    for option in "--runner", "--reader", "--layers", "--activations":
        parser.add_argument(option, required=True)
    args = parser.parse_args()
    failed, shapes, nets = 0, {}, NETS + list(REFUSED)
    for word in listed(args.activations, "CLADE_ACTIVATION", 1):
        alpha = ", alpha: 0.125" if word in ("leaky_relu", "elu") else ""
        nets += [f"activation: {{function: {word}{alpha}}}", f"dense: {{units: 5, activation: {word}}}",
                 f"conv2d: {{filters: 3, kernel: 1, activation: {word}{alpha}}}"]
    for layer in listed(args.layers, "CLADE_LAYER", 1):
        if not any(re.search(rf"(^|; ){layer}\b", net) for net in nets):
            failed += 1
            print(f"{layer} is not tried")
    with tempfile.TemporaryDirectory() as temporary:
        lines, folders = [], []
        for i, net in enumerate(nets):
            folder = pathlib.Path(temporary) / str(i)
            folder.mkdir()
            (folder / "net.yaml").write_text(layers_of(net))
            lines.append(" ".join(f"{folder}/{name}" for name in ("net.yaml", "net.onnx", "x", "y"))
                         + f" {'pixels' if net.startswith(PIXELS) else 'real'}\n")
            folders.append(folder)
        answers = run(args.runner, lines, str(HEIGHT), str(WIDTH), str(CHANNELS))
        failed += len(answers) != len(nets)
        for net, folder, answer in zip(nets, folders, answers):
            wrong = judge(net, folder, answer, shapes)
            if wrong:
                failed += 1
                print(f"{net}: {wrong}")
        back = [(net, folder) for net, folder in zip(nets, folders) if net not in REFUSED and not net.startswith(PIXELS)]
        again = run(args.reader, [f"{folder}/net.onnx cpu 2 {folder}/x {folder}/again\n" for _, folder in back])
        failed += len(again) != len(back)
        for (net, folder), answer in zip(back, again):
            wrong = judge_again(net, folder, answer, shapes.get(net))
            if wrong:
                failed += 1
                print(f"{net}, read again: {wrong}")
        wrong = judge_scale(args.reader, folders[nets.index(ATTENTION)])
        if wrong:
            failed += 1
            print(wrong)
    print(f"{len(nets)} nets, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
