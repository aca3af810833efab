#!/usr/bin/env python3
"""Whole nets exported by PyTorch, read by Clade, run on a device: outputs against PyTorch's.

net_test.py --runner NET_RUNNER [--device NAME] [--nets a,b] [--opsets 11,13,17] [--keep DIR]
Prints the largest difference over the largest output of each. Exits 77 where torch is missing."""
import argparse
import io
import pathlib
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy
    import torch
    import onnx  # noqa: F401  (torch's exporter asks for it)
    import zoo
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

TOLERANCE = 2e-5


def export(net, x, opset, path, fixed, kept):
    mode = torch.onnx.TrainingMode.PRESERVE if kept else torch.onnx.TrainingMode.EVAL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, x, str(path), opset_version=opset, input_names=["image"], output_names=["y"],
                          training=mode, do_constant_folding=not kept,
                          dynamic_axes=None if fixed else {"image": {0: "n"}, "y": {0: "n"}})


def run(runner, model, device, x, folder):
    (folder / "x.bin").write_bytes(x.numpy().astype("<f4").tobytes())
    done = subprocess.run([runner, str(model), device, str(len(x)), str(folder / "x.bin"), str(folder / "y.bin")],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return None, done.stderr.strip()
    return numpy.fromfile(folder / "y.bin", "<f4"), ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nets", default="odd,dense")
    parser.add_argument("--opsets", default="11,13,17")
    parser.add_argument("--keep")
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(args.keep or temporary)
        for name in args.nets.split(","):
            net, x = zoo.make(name)
            with torch.no_grad():
                want = net(x).numpy().ravel()
            # batch normalisation folded into convolutions, then kept, as a file for fine-tuning has it
            for kept in (False, True):
                for opset in map(int, args.opsets.split(",")):
                    model = folder / f"{name}-{opset}{'-kept' if kept else ''}.onnx"
                    export(net, x, opset, model, opset == 11, kept)
                    got, error = run(args.runner, model, args.device, x, folder)
                    worst = numpy.inf
                    if got is not None and got.size == want.size:
                        worst = numpy.abs(got - want).max() / numpy.abs(want).max()
                    failures += not worst <= TOLERANCE
                    print(f"{name:18s} opset {opset} {'layers kept' if kept else 'folded':12s} "
                          f"{worst:.2e} {'' if worst <= TOLERANCE else 'FAILED ' + error}", flush=True)
                    if not args.keep:
                        model.unlink()
    print("failed" if failures else "all agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
