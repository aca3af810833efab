#!/usr/bin/env python3
"""Every attribute of every operator that Clade reads from ONNX: absent, at its default and at other values, against numbers
that naive.py works out, or the words with which it is refused.

attributes_test.py --runner NET_RUNNER --operators OPERATORS.DEF [--only OPERATOR]
attributes_test.py --schemas      only looks whether cases.py has what the onnx package knows; exits 77 without it"""
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
from cases import cases, entries, real

TOLERANCE = 1e-5


def run(runner, chosen, images):
    """For each case what its net gives, or nothing and the text of its refusal."""
    lines, results = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for i, (case, x) in enumerate(zip(chosen, images)):
            (folder / f"{i}.onnx").write_bytes(wire.put_model(case.nodes, case.stored, case.shape, case.opset))
            (folder / f"{i}.x").write_bytes(struct.pack("<%df" % len(x.values), *x.values))
            lines.append(f"{folder}/{i}.onnx cpu {x.shape[0]} {folder}/{i}.x {folder}/{i}.y\n")
        done = subprocess.run([runner], input="".join(lines), capture_output=True, text=True, check=True)
        for i, answer in enumerate(done.stdout.splitlines()):
            data = (folder / f"{i}.y").read_bytes() if answer == "ok" else None
            results.append((data and list(struct.unpack("<%df" % (len(data) // 4), data)), answer))
    return results


def judge(case, x, got, answer):
    """What is wrong, or nothing."""
    if case.refused:
        return "" if got is None and case.refused in answer else "expected '%s': %s" % (case.refused, answer)
    if got is None:
        return answer
    values = {**case.stored, "x": x}
    naive.run(case.nodes, values, case.opset)
    want = values["y"].values
    if len(want) != len(got):
        return "%d values, expected %d" % (len(got), len(want))
    worst = max(abs(a - b) for a, b in zip(got, want)) / max(1e-3, *map(abs, want))
    return "" if worst <= TOLERANCE else "differs by %.1e" % worst


def check_schemas():
    """Are the attributes and defaults in cases.py those of the specification?"""
    try:
        import onnx
    except ImportError as error:
        print("skipped:", error)
        return 77
    wrong, tried = 0, {}
    for entry in entries:
        for opset in entry.opsets:
            if opset <= onnx.defs.onnx_opset_version():
                tried.setdefault((entry.name, opset), set()).update(entry.attributes)
    for (name, opset), keys in tried.items():
        schema = onnx.defs.get_schema(name, opset).attributes
        for key, attribute in schema.items():
            stated = [entry.attributes[key][0] for entry in entries if entry.name == name and key in entry.attributes]
            default = onnx.helper.get_attribute_value(attribute.default_value) if attribute.default_value.name else None
            default = default.decode() if isinstance(default, bytes) else default
            same = [s for s in stated if (abs(s - default) < 1e-6 if isinstance(default, float) else s == default)]
            if not stated or not (same or default is None):
                wrong += 1
                print(f"{name} opset {opset}: {key} {f'has the default {default!r}' if stated else 'is not tried'}")
        for key in keys - set(schema):
            wrong += 1
            print(f"{name} opset {opset}: has no {key}")
    print("failed" if wrong else "all agree")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner")
    parser.add_argument("--operators")
    parser.add_argument("--only")
    parser.add_argument("--schemas", action="store_true")
    args = parser.parse_args()
    if args.schemas:
        return check_schemas()
    names = re.findall(r"^CLADE_ONNX_OPERATOR\((\w+),", pathlib.Path(args.operators).read_text(), re.M)
    failed = 0
    for name in set(names) ^ {entry.name for entry in entries}:
        failed += 1
        print(f"{name}: in one of operators.def and cases.py alone")
    chosen = [case for case in cases if not args.only or case.name.startswith(args.only + " ")]
    images = [real(*case.shape, low=-2.0, high=2.0) for case in chosen]
    results = run(args.runner, chosen, images)
    for case, x, (got, answer) in zip(chosen, images, results):
        wrong = judge(case, x, got, answer)
        if wrong:
            failed += 1
            print(f"opset {case.opset}: {case.name}: {wrong}")
    failed += len(results) != len(chosen)
    print(f"{len(chosen)} cases, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
