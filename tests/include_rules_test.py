#!/usr/bin/env python3
"""Checks what may include what, that each public header compiles alone, and that no two types have one name.

include_rules_test.py ROOT [--cc "CC ..."] [--cxx "CXX ..."]

Every #include in src/ and tools/ is held against the table of rooms below. Each header that is
installed is compiled on its own, as C11 and, where there is a C++ compiler, as C++17.
Exits 0 if all is well, 1 with a line for each fault.
"""
import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

# Which rooms of src/ a room may include besides itself, <clade/...> and the system's headers.
ROOMS = {
    "base": [],
    "op": ["base"],
    "dev": ["op", "base"],
    "cpu": ["op", "base"],
    "opencl": ["op", "base"],
    "nn": ["base"],
    "data": ["base"],
    "dist": ["base"],
    "search": ["base"],
    "tune": ["base"],
    "report": ["base"],
    "weights": ["nn", "base"],
    "onnx": ["weights", "nn", "base"],
    "recipe": ["weights", "onnx", "nn", "base"],
    "train": ["nn", "data", "dist", "weights", "onnx", "recipe", "base"],
    "conform": ["dev", "op", "nn", "train", "base"],
    "bench": ["conform", "dev", "op", "nn", "train", "base"],
}
# The floors of rooms that have some, from the ground up, by files without their suffix: none includes
# a header of a higher one.
FLOORS = {
    "opencl": [
        "broadcast cache context error family grid library limits matrix_units memory plan profile program source tile tree vendors",
        "activation adjust attention by_gemm cast conv conv_direct conv_dw conv_job conv_pool copy dense "
        "dense_split depthwise dropout elementwise gemm gemm_none group_norm image implicit index layer_norm loss lrn matrix norm ops optim pool "
        "product reduce table upsample winograd winograd_choice",
        "algorithm devices opencl peak tuning_cache",
    ],
}
# Rooms whose arithmetic is shared with the kernels: base has Philox, op the functions of one number.
SHARED_BODIES = ["base", "op", "cpu", "opencl"]
# backend.h shows what devices and buffers are made of: for those who implement them.
BACKENDS = ["op", "dev", "cpu", "opencl", "conform"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def uncomment(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def includes(path):
    """(line, name, is quoted) of each #include."""
    text = uncomment(path.read_text(encoding="utf-8"))
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] or match[2], match[1] is not None


def floor_of(room, name):
    """The floor of a file of a room that has floors, or None."""
    for floor, names in enumerate(FLOORS[room]):
        if name in names.split():
            return floor
    return None


def fault_between_floors(room, path, target):
    """What is wrong with an #include within a room, or None."""
    if room not in FLOORS:
        return None
    here, there = floor_of(room, path.stem), floor_of(room, pathlib.PurePath(target).stem)
    if here is None or there is None:
        return f"{path.stem if here is None else target} has no floor in this test's table"
    return "a header of a higher floor" if there > here else None


def fault_in_source(root, path, name, quoted):
    """What is wrong with an #include in src/, or None."""
    room = path.relative_to(root / "src").parts[0]
    if not quoted:
        if name == "clade/backend.h" and room not in BACKENDS:
            return "<clade/backend.h> is for backends"
        return None
    if name == "config.h" or name.endswith(".pb-c.h"):  # made by the build
        return None
    if name.startswith("../../kernels/") and name.endswith(".clh"):
        return None if room in SHARED_BODIES else "bodies of kernels are not for this room"
    target = name.split("/")[0]
    if ".." in name or "/" not in name:
        return "write it as room/header.h"
    if target != room and target not in ROOMS[room]:
        may = ", ".join(ROOMS[room]) or "nothing else"
        return f"{room} may include {may} and public headers"
    return fault_between_floors(room, path, name) if target == room else None


# of the library's own, what tools are built with too, as none is worth a place in the API
SHARED = {"base/clock.h", "base/file.h", "base/json.h", "base/sha256.h", "base/utf8.h"}


def fault_in_tool(root, path, name, quoted):
    """What is wrong with an #include in tools/, or None."""
    file = (path.parent / name).resolve()
    own = file.is_file() and file.is_relative_to(root / "tools")
    if (quoted and name != "config.h" and name not in SHARED and not own) or name == "clade/backend.h":
        return "tools include public headers and their own only"
    return None


def check_rules(root):
    faults, count = [], 0
    files = [p for d in ("src", "tools") for p in sorted((root / d).rglob("*")) if p.suffix in (".c", ".h")]
    for path in files:
        in_source = path.is_relative_to(root / "src")
        room = path.relative_to(root / "src").parts[0] if in_source else None
        if in_source and room not in ROOMS:
            faults.append(f"{path.relative_to(root)}: {room} is no room of src/")
            continue
        for line, name, quoted in includes(path):
            count += 1
            fault = (fault_in_source(root, path, name, quoted) if in_source
                     else fault_in_tool(root, path, name, quoted))
            if fault:
                faults.append(f"{path.relative_to(root)}:{line}: {name}: {fault}")
    for path in sorted((root / "include").rglob("*.h")):
        for line, name, quoted in includes(path):
            count += 1
            if quoted or name.startswith("CL/"):
                faults.append(f"{path.relative_to(root)}:{line}: {name}: not a public header")
    if count == 0:
        faults.append(f"{root}: no #include found")
    return faults, count


def check_types(root):
    """A type's name stands once in the tree, so that no two can be mixed up where both are seen."""
    places = {}
    paths = [p for d in ("include", "src", "kernels", "tools") for p in sorted((root / d).rglob("*"))
             if p.suffix in (".c", ".h", ".cl", ".clh")]
    for path in paths:
        text = uncomment(path.read_text(encoding="utf-8"))
        for match in re.finditer(r"\b(?:struct|enum|union)\s+(\w+)\s*\{", text):
            places.setdefault(match[1], []).append(path.relative_to(root))
    faults = [f"type {name} stands in {' and '.join(map(str, where))}"
              for name, where in sorted(places.items()) if len(where) > 1]
    if len(places) < 100:
        faults.append(f"{root}: only {len(places)} types found")
    return faults


def check_headers(root, compilers):
    """Compiles each installed header as a whole program."""
    faults, count = [], 0
    headers = sorted((root / "include" / "clade").glob("*.h"))
    for command, language, suffix in compilers:
        for header in headers:
            with tempfile.TemporaryDirectory() as folder:
                source = pathlib.Path(folder) / ("alone" + suffix)
                source.write_text(f"#include <clade/{header.name}>\n#include <clade/{header.name}>\n")
                run = subprocess.run(
                    command + [language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                               "-I", str(root / "include"), str(source)],
                    capture_output=True, text=True)
            count += 1
            if run.returncode:
                text = run.stderr.strip() or f"exit status {run.returncode}"
                faults.append(f"include/clade/{header.name} alone with {language}:\n{text}")
    if count == 0:
        faults.append(f"{root}: no public header found")
    return faults, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--cc", default="cc", help="the C compiler")
    parser.add_argument("--cxx", default="", help="the C++ compiler; none if empty")
    args = parser.parse_args()
    root = args.root.resolve()
    compilers = [(shlex.split(args.cc), "-std=c11", ".c")]
    if args.cxx:
        compilers.append((shlex.split(args.cxx), "-std=c++17", ".cpp"))
    faults, includes_seen = check_rules(root)
    more, compiled = check_headers(root, compilers)
    faults += more + check_types(root)
    for fault in faults:
        print(fault)
    print(f"{includes_seen} includes, {compiled} compilations, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
