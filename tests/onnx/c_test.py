#!/usr/bin/env python3
"""Nets as C, of real numbers and in 8 bits: compiled as C99 without warnings, run, and held against what Clade gives for the
same weights and batch. The object may need nothing but math.h, memcpy and memset.

c_test.py --runner LAYER_RUNNER --cc CC"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
import int8_test
from layers_test import CHANNELS, HEIGHT, WIDTH, layers_of, read

TOLERANCE = 1e-5
NEEDED = {"expf", "erff", "expm1f", "fabsf", "log1pf", "rintf", "tanhf", "memcpy", "memset"}
NETS = [
    "conv2d: {filters: 3, kernel: [3, 2], stride: [1, 3], padding: [1, 0, 1, 1]}; activation: relu; maxpool2d: [3, 1]",
    "conv2d: {filters: 6, kernel: [2, 1], groups: 2, dilation: [3, 1], use_bias: false}; batchnorm: {eps: 0.25}; activation: elu",
    "depthwise_conv2d: {kernel: [2, 3], multiplier: 2, padding: same, activation: relu6}; "
    "avgpool2d: {window: 3, stride: 2, padding: same}; global_maxpool2d; dense: 3",
    "avgpool2d: {window: [3, 2], stride: [2, 1], padding: [1, 0, 1, 1], count_pad: true}; activation: hard_swish; batchnorm",
    "maxpool2d: {window: [3, 2], stride: 2, padding: same}; flatten; dense: {units: 5, activation: gelu}; dropout: 0.5; "
    "dense: {units: 4, activation: softmax}",
    "conv2d: {filters: 4, kernel: 1, activation: silu, name: a}; add: [a, input]; activation: mish; layer_scale; softmax",
    "global_avgpool2d: {name: a}; dense: {units: 4, activation: hard_sigmoid, name: b}; multiply: [input, b]; "
    "activation: softplus",
    "conv2d: {filters: 3, kernel: 1, activation: tanh, name: a}; concat: [a, input, a]; zero_padding2d: [1, 0, 2, 3]; "
    "activation: leaky_relu",
    "conv2d: {filters: 4, kernel: 1, name: a}; batchnorm: {name: b}; add: [a, b]; conv2d: {filters: 2, kernel: 3}",
    "global_avgpool2d; batchnorm; dense: {units: 1, activation: sigmoid}",
    "conv2d: {filters: 3, kernel: 1, name: 'a*/ char b /*'}; flatten; dense: {units: 3, name: '*//??/'}",
    "reshape: [6, 5, 4]; conv2d: {filters: 2, kernel: 3}; flatten",
]
REFUSED = {"conv2d: {filters: 3, kernel: 1}; group_norm: {groups: 3}": "C export does not support GroupNormalization of [5, 6, 3]",
           "conv2d: {filters: 3, kernel: 1}; upsample2d: 2": "C export does not support UpSampling2D of [10, 12, 3]"}
MAIN = """#include "net.h"
#include <stdio.h>

int main(void)
{
    static float image[net_height * net_width * net_channels], scores[net_outputs];
    while (fread(image, sizeof image, 1, stdin) == 1) {
        net_predict(image, scores);
        fwrite(scores, sizeof scores, 1, stdout);
    }
    return 0;
}
"""
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]


def compiled(cc, folder):
    """What is wrong with the file, or nothing."""
    done = subprocess.run([*cc, *STRICT, "-c", "net.c"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr
    names = subprocess.run(["nm", "-u", "net.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    more = set(re.findall(r"U (\w+)", names)) - NEEDED - {"_GLOBAL_OFFSET_TABLE_"}
    if more:
        return "needs " + ", ".join(sorted(more))
    (folder / "main.c").write_text(MAIN)
    done = subprocess.run([*cc, "main.c", "net.o", "-lm", "-o", "net"], cwd=folder, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def judge(cc, net, form, folder, answer):
    """What is wrong, or nothing."""
    if net in REFUSED:
        left = [f.name for f in folder.iterdir() if f.name.startswith("net.") and f.name != "net.yaml"]
        return "" if REFUSED[net] in answer and not left else f"expected to be refused: {answer}; {left}"
    wrong = answer if answer != "ok" else compiled(cc, folder)
    if wrong:
        return wrong
    done = subprocess.run([folder / "net"], input=(folder / "x").read_bytes(), capture_output=True, check=True)
    (folder / "got").write_bytes(done.stdout)
    want, got = read(folder / "y"), read(folder / "got")
    if form == "c-int8":
        return int8_test.judge(want, got)
    if len(want) != len(got):
        return "%d values, expected %d" % (len(got), len(want))
    worst = max(abs(a - b) for a, b in zip(got, want)) / max(1e-3, *map(abs, want))
    return "" if worst <= TOLERANCE else "differs by %.1e" % worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--cc", nargs="+", required=True)
    args = parser.parse_args()
    failed = 0
    nets = [(net, "c") for net in NETS + list(REFUSED)] + [(net, "c-int8") for net in NETS + int8_test.NETS[:-1]]
    with tempfile.TemporaryDirectory() as temporary:
        folders, lines = [], []
        for i, (net, form) in enumerate(nets):
            folder = pathlib.Path(temporary) / str(i)
            folder.mkdir()
            (folder / "net.yaml").write_text(layers_of(net))
            lines.append(" ".join(f"{folder}/{name}" for name in ("net.yaml", "net.c", "x", "y")) + f" {form}\n")
            folders.append(folder)
        done = subprocess.run([args.runner, str(HEIGHT), str(WIDTH), str(CHANNELS)], input="".join(lines),
                              capture_output=True, text=True, check=True)
        for (net, form), folder, answer in zip(nets, folders, done.stdout.splitlines(), strict=True):
            wrong = judge(args.cc, net, form, folder, answer)
            failed += wrong != ""
            if wrong:
                print(f"{form}: {net}: {wrong}")
    print(f"{len(nets)} nets, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
