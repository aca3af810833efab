#!/usr/bin/env python3
"""A model that Clade has trained, exported and run by ONNX Runtime: probabilities against `clade predict`.

export_test.py --clade CLADE --reader NET_RUNNER [--model MODEL]
Without --model a small one is trained on rendered shapes. The files must pass onnx.checker; the safetensors
file must open in Python's safetensors, where that is there. In 8 bits, ONNX Runtime's integers against what Clade makes of
the file. Exits 77 without onnx and onnxruntime."""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    import numpy
    import onnx
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

TOLERANCE = 1e-5
INT8_TOLERANCE = 0.02  # a sum that lies between two steps may go either way
IMAGES = 8


def png(path, pixels):
    """Writes RGB pixels, unfiltered."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def predictions(clade, model, files, classes):
    done = subprocess.run([clade, "predict", str(model), *map(str, files), "--json", "--top", str(len(classes))],
                          capture_output=True, text=True, check=True)
    rows = []
    for entry in json.loads(done.stdout):
        by_name = {c["class"]: c["probability"] for c in entry["classes"]}
        rows.append([by_name[name] for name in classes])
    return numpy.array(rows)


def check_int8(clade, reader, model, data, x, folder):
    """How many faults there are: products that do not run on integers, or other numbers than Clade's."""
    path, optimized = folder / "int8.onnx", folder / "optimized.onnx"
    command = [clade, "export", str(model), "--int8", "--out", str(path), *(["--data", str(data)] if data else [])]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(optimized)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    left = {node.op_type for node in onnx.load(str(optimized)).graph.node} & {"Conv", "FusedConv", "Gemm", "Relu"}
    want = session.run(None, {"input": x})[0]
    (folder / "x").write_bytes(x.tobytes())
    subprocess.run([reader, str(path), "cpu", str(len(x)), str(folder / "x"), str(folder / "y")], check=True)
    got = numpy.fromfile(folder / "y", "<f4").reshape(want.shape)
    worst, same = numpy.abs(got - want).max(), (got.argmax(1) == want.argmax(1)).sum()
    print(f"int8: largest difference of a probability {worst:.2e}, the same class for {same} of {len(x)}, "
          f"real: {', '.join(left) or 'nothing'}")
    return bool(left) + (not worst <= INT8_TOLERANCE)


def spread(outputs, classes):
    """One sigmoid output is the probability of the second class."""
    return numpy.concatenate([1 - outputs, outputs], 1) if outputs.shape[1] == 1 and len(classes) == 2 else outputs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clade", required=True)
    parser.add_argument("--reader", required=True)
    parser.add_argument("--model")
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder, model, data = pathlib.Path(temporary), args.model, None
        if not model:
            model = folder / "run"
            data = folder / "shapes"
            subprocess.run([args.clade, "data", "make", str(data), "--train", "20", "--validation", "5"],
                           check=True, stdout=subprocess.DEVNULL)
            subprocess.run([args.clade, "train", "shapes", "--data", str(data), "--epochs", "1", "--out", str(model)],
                           check=True, stdout=subprocess.DEVNULL)
        plain, whole = folder / "plain.onnx", folder / "whole.onnx"
        subprocess.run([args.clade, "export", str(model), "--out", str(plain)], check=True)
        subprocess.run([args.clade, "export", str(model), "--preprocessing", "--out", str(whole)], check=True)
        loaded = onnx.load(str(whole))
        for file in (plain, whole):
            onnx.checker.check_model(onnx.load(str(file)), full_check=True)
        metadata = {p.key: p.value for p in loaded.metadata_props}
        classes, scaling = json.loads(metadata["classes"]), json.loads(metadata["preprocessing"])
        print(f"{loaded.producer_name} {loaded.producer_version}, opset {loaded.opset_import[0].version}, "
              f"classes {', '.join(classes[:6])}")
        session = onnxruntime.InferenceSession(str(whole), providers=["CPUExecutionProvider"])
        height, width, channels = session.get_inputs()[0].shape[1:]
        random = numpy.random.RandomState(3)
        pixels = random.randint(0, 256, (IMAGES, height, width, channels)).astype(numpy.uint8)
        files = [folder / f"{i}.png" for i in range(IMAGES)]
        for file, image in zip(files, pixels):
            png(file, image)
        want = predictions(args.clade, model, files, classes)
        scaled = pixels * numpy.float32(scaling["scale"]) + numpy.float32(scaling["shift"])
        scaled = numpy.ascontiguousarray(scaled.transpose(0, 3, 1, 2).astype(numpy.float32))
        session_plain = onnxruntime.InferenceSession(str(plain), providers=["CPUExecutionProvider"])
        for what, run, x in (("float32 input", session_plain, scaled), ("uint8 input", session, pixels)):
            got = spread(run.run(None, {"input": x})[0], classes)
            worst = numpy.abs(got - want).max()
            failures += not worst <= TOLERANCE
            print(f"{what}: largest difference of a probability {worst:.2e}")
        failures += check_int8(args.clade, args.reader, model, data, scaled, folder)
        try:
            import safetensors.numpy
            file = folder / "model.safetensors"
            subprocess.run([args.clade, "export", str(model), "--format", "safetensors", "--out", str(file)], check=True)
            tensors = safetensors.numpy.load_file(str(file))
            print(f"safetensors: {len(tensors)} tensors")
            failures += not tensors
        except ImportError:
            print("safetensors: not installed, not tried")
    print("failed" if failures else "all agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
