#!/usr/bin/env python3
"""Checks that what an op or an activation is stands in one list.

one_list_test.py ROOT

Ops are told apart only where they are implemented: no other file compares an op with one of its name, or
has a case or a table entry for one. No file compares activations, slot kinds or dtypes by their order.
ops.def and activations.def say what there is to know. Exits 0 if all is well, 1 with a line for each fault.
"""
import pathlib
import re
import sys

# Where ops are implemented.
FAMILIES = ["src/op", "src/cpu", "src/opencl"]
SOURCES = [".c", ".h", ".cl", ".clh"]

OP = r"CLADE_OP_(?!none\b|PER_IMAGE\b|INPLACE\b|PRODUCT\b|INTEGER\b|##)\w+"
OP_NAMES = [
    (re.compile(rf"[!=]=\s*{OP}|\b{OP}\s*[!=]="), "compares an op with one of its name"),
    (re.compile(rf"\bcase\s+{OP}\s*:"), "has a case for an op"),
    (re.compile(rf"\[\s*{OP}\s*\]"), "has a table entry for an op"),
]


def words(root, file, macro):
    text = (root / "include/clade" / file).read_text(encoding="utf-8")
    return re.findall(rf"^{macro}\((\w+),", text, flags=re.MULTILINE)


def order(root):
    """What finds a comparison by order of an activation or of an op."""
    acts = "|".join(words(root, "activations.def", "CLADE_ACTIVATION"))
    ops = "|".join(words(root, "ops.def", "CLADE_OP"))
    name = rf"(?:(?:CLADE|ACT)_(?:{acts})|CLADE_OP_(?:{ops})|CLADE_(?:SLOT|PARAM)_[a-zA-Z_0-9]+)\b"
    compares = r"(?<![-<>])[<>](?![<>])=?"
    return re.compile(rf"{compares}\s*{name}|\b{name}\s*{compares}")


def uncomment(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def main(root):
    root = pathlib.Path(root)
    by_order = order(root)
    faults = 0
    for folder in ["src", "tools", "kernels", "include"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            place = path.relative_to(root).as_posix()
            family = any(place.startswith(f + "/") for f in FAMILIES)
            rules = [(by_order, "depends on the order of an enum")] + ([] if family else OP_NAMES)
            for number, line in enumerate(uncomment(path.read_text(encoding="utf-8")).splitlines(), 1):
                for pattern, fault in rules:
                    if pattern.search(line):
                        print(f"{place}:{number}: {fault}: {line.strip()}")
                        faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
