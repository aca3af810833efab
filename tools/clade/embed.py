"""Writes the lines of a text file as a C table that NULL ends.

usage: embed.py OUTPUT FILE HEADER TABLE"""
import pathlib
import sys


def literal(line):
    """A line as a C string literal."""
    text = line.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"?", b"\\?")
    return '"' + "".join(chr(b) if 32 <= b < 127 else f"\\{b:03o}" for b in text) + '"'


def main(output, file, header, table):
    lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
    while lines and (not lines[0] or lines[0].startswith("#")):
        lines.pop(0)
    out = [f"/* Generated from {pathlib.Path(file).name} by embed.py. */", f'#include "{header}"', "",
           "#include <stddef.h>", "", f"const char *const {table}[] = {{"]
    out += [f"    {literal(line)}," for line in lines]
    out += ["    NULL", "};", ""]
    pathlib.Path(output).write_text("\n".join(out), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
