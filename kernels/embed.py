"""Writes kernel sources as a C table: one entry per .cl file, with its #include "x.clh" lines replaced by
the files themselves (a list, x.def, each time) and #line kept, so that a driver's messages name our files
and lines.

usage: embed.py OUTPUT FILE.cl..."""
import pathlib
import sys


def expand(path, seen):
    """The text of a kernel file with its headers expanded once each."""
    lines = [f'#line 1 "{path.name}"']
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith('#include "'):
            name = line.split('"')[1]
            if name.endswith(".def") or name not in seen:
                seen.add(name)
                lines += expand(path.parent / name, seen)
            lines.append(f'#line {number + 1} "{path.name}"')
        else:
            lines.append(line)
    return lines


def literal(line):
    """A line as a C string literal; non-ASCII (comments only) becomes a question mark."""
    text = line.encode("ascii", "replace").decode()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '\\n"'


def main(output, *files):
    out = ["/* Generated from kernels/ by embed.py. */", '#include "opencl/source.h"', ""]
    names = []
    for file in map(pathlib.Path, files):
        name = file.stem
        names.append(name)
        out.append(f"static const char *const {name}_lines[] = {{")
        out += [f"    {literal(line)}," for line in expand(file, set())]
        out += ["    NULL", "};", ""]
    out.append("const opencl_source clade_opencl_sources[] = {")
    out += [f'    {{"{name}", {name}_lines}},' for name in names]
    out += ["    {NULL, NULL}", "};", ""]
    pathlib.Path(output).write_text("\n".join(out), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
