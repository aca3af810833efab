#!/usr/bin/env python3
"""Nets in 8 bits: the file's nodes, run by naive.py, and the file read again, against what Clade gives for the net it wrote.
Real numbers that lie between two steps may go either way, so a few values may be off by steps.

int8_test.py --runner LAYER_RUNNER --reader NET_RUNNER"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
import naive
import naive_image  # noqa: F401  (adds its operators)
import wire
from layers_test import CHANNELS, HEIGHT, WIDTH, layers_of, read

BATCH = 2
SAME, FEW, FAR = 1e-4, 0.08, 0.06  # of the largest value; the share of values beyond; the largest difference
NETS = [
    "conv2d: {filters: 6, kernel: [3, 2], activation: relu}",
    "conv2d: {filters: 6, kernel: 3}; batchnorm: {eps: 0.25}; activation: relu6",
    "conv2d: {filters: 6, kernel: [2, 1], groups: 2, use_bias: false}; activation: hard_swish",
    "depthwise_conv2d: {kernel: [2, 3], multiplier: 2}; batchnorm; dropout: 0.5; activation: leaky_relu",
    "batchnorm; maxpool2d: 2; conv2d: {filters: 3, kernel: 1, activation: silu}",
    "conv2d: {filters: 4, kernel: 1, name: a}; add: [a, input]; activation: relu; avgpool2d: 2",
    "conv2d: {filters: 3, kernel: 1, activation: relu, name: a}; concat: [a, input]; global_avgpool2d; dense: 3",
    "global_avgpool2d: {name: a}; dense: {units: 4, activation: sigmoid, name: b}; multiply: [input, b]",
    "conv2d: {filters: 5, kernel: 3, activation: relu}; flatten; dense: {units: 6, activation: relu}; "
    "dense: {units: 3, activation: softmax}",
    "zero_padding2d: 1; upsample2d: 2; conv2d: {filters: 2, kernel: 2, stride: 2}",
]


def judge(want, got):
    """What is wrong, or nothing."""
    if len(want) != len(got):
        return "%d values, expected %d" % (len(got), len(want))
    largest = max(map(abs, want))
    apart = [abs(a - b) / largest for a, b in zip(want, got)]
    share = sum(a > SAME for a in apart) / len(apart)
    good = max(apart) <= FAR and share <= FEW
    return "" if good else "%.0f %% differ, by up to %.2g of the largest" % (100 * share, max(apart))


def integers(folder):
    """Do convolutions and dense layers take integers, as many as there are weights?"""
    nodes, stored, *_ = wire.get_model((folder / "net.onnx").read_bytes())
    made = {name: node for node in nodes for name in node.outputs}
    products = [node for node in nodes if node.op in ("Conv", "Gemm")]
    for node in products:
        sources = [made.get(name) for name in node.inputs]
        if not all(s and s.op == "DequantizeLinear" for s in sources):
            return "%s takes what is not rounded" % node.op
        types = [stored[s.inputs[0]].type for s in sources[1:]]
        if types != [wire.INT8, wire.INT32][:len(types)]:
            return "%s has weights of types %s" % (node.op, types)
    if any(node.op == "BatchNormalization" for node in nodes) and products[0] is nodes[0]:
        return "a batch normalisation is left"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--reader", required=True)
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folders, lines, again = [], [], []
        for i, net in enumerate(NETS):
            folder = pathlib.Path(temporary) / str(i)
            folder.mkdir()
            (folder / "net.yaml").write_text(layers_of(net))
            lines.append(" ".join(f"{folder}/{name}" for name in ("net.yaml", "net.onnx", "x", "y")) + " int8\n")
            again.append(f"{folder}/net.onnx cpu {BATCH} {folder}/x {folder}/again\n")
            folders.append(folder)
        sizes = [str(HEIGHT), str(WIDTH), str(CHANNELS)]
        answers = [subprocess.run([args.runner, *sizes], input="".join(lines), capture_output=True, text=True, check=True),
                   subprocess.run([args.reader], input="".join(again), capture_output=True, text=True, check=True)]
        written, reread = (done.stdout.splitlines() for done in answers)
        for net, folder, first, second in zip(NETS, folders, written, reread, strict=True):
            if first != "ok" or second != "ok":
                failed += 1
                print(f"{net}: {first}; read again: {second}")
                continue
            nodes, values, x, y, opset = wire.get_model((folder / "net.onnx").read_bytes())
            values[x] = wire.Tensor((BATCH, CHANNELS, HEIGHT, WIDTH), read(folder / "x"))
            naive.run(nodes, values, opset)
            for what, wrong in (("by its nodes", judge(values[y].values, read(folder / "y"))),
                                ("read again", judge(read(folder / "y"), read(folder / "again"))),
                                ("its nodes", integers(folder))):
                failed += wrong != ""
                if wrong:
                    print(f"{net}: {what}: {wrong}")
    print(f"{len(NETS)} nets, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
