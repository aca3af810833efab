"""Writes what was measured on families of devices as a C table, after a check.

usage: embed.py OUTPUT FAMILY.json...

A file is what `clade tune-device --export` gave, named after its family. A wrong one ends the build with a line.
"""
import json
import pathlib
import sys

FIELDS = {"family", "device", "driver", "version", "calls", "gemm", "gemm_tried"}


def fault(path, text):
    """What is wrong with a file, or None; whether calls are Clade's, the test opencl-tuning says."""
    try:
        root = json.loads(text)
    except ValueError as error:
        return f"{error}"
    if not isinstance(root, dict) or not isinstance(root.get("calls"), dict) or not root["calls"]:
        return "no object 'calls', expected what `clade tune-device --export` gives"
    if set(root) - FIELDS:
        return f"unknown: {', '.join(sorted(set(root) - FIELDS))}"
    if root.get("family") != path.stem:
        return f"family is {root.get('family')!r}, expected {path.stem!r}, as the file is called"
    for call, entry in root["calls"].items():
        tried = entry.get("tried") if isinstance(entry, dict) else None
        times = [t for t in tried.values() if isinstance(t, (int, float))] if isinstance(tried, dict) else []
        if not times or tried.get(entry.get("algorithm")) != min(times):
            return f"{call}: 'algorithm' is not the fastest of 'tried'"
    return None


def main(output, *files):
    out = ["/* Generated from kernels/tuning by embed.py. */", '#include "opencl/family.h"', ""]
    paths = [pathlib.Path(file) for file in files]
    for path in paths:
        text = path.read_bytes()
        wrong = fault(path, text.decode())
        if wrong:
            sys.exit(f"{path}: {wrong}")
        out.append(f"static const unsigned char text_{path.stem.replace('-', '_')}[] = {{")
        out += ["    " + ", ".join(map(str, text[at:at + 24])) + "," for at in range(0, len(text), 24)]
        out += ["};", ""]
    out.append("const opencl_shipped clade_opencl_shipped[] = {")
    out += [f'    {{"{p.stem}", text_{p.stem.replace("-", "_")}, sizeof text_{p.stem.replace("-", "_")}}},' for p in paths]
    out += ["    {NULL, NULL, 0}", "};", ""]
    pathlib.Path(output).write_text("\n".join(out), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
