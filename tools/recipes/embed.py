"""Writes recipes as a C table: the name (the file's, without .yaml) and the lines of each.

usage: embed.py OUTPUT FILE.yaml..."""
import pathlib
import sys


def literal(line):
    """A line as a C string literal."""
    text = "".join(chr(b) if 32 <= b < 127 else f"\\{b:03o}" for b in line.encode()
                   .replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"?", b"\\?"))
    return f'"{text}\\n"'


def main(output, *files):
    out = ["/* Generated from tools/recipes/ by embed.py. */", '#include "recipe/recipe.h"', "",
           "#include <stddef.h>", ""]
    files = sorted(map(pathlib.Path, files))
    for number, file in enumerate(files):
        out.append(f"static const char *const lines_{number}[] = {{")
        out += [f"    {literal(line)}," for line in file.read_text(encoding="utf-8").splitlines()]
        out += ["    NULL", "};", ""]
    out.append("const clade_built_in_recipe clade_built_in_recipes[] = {")
    out += [f'    {{"{file.stem}", lines_{number}}},' for number, file in enumerate(files)]
    out += ["    {NULL, NULL}", "};", "", "const char *const *clade_recipe_names(void)", "{",
            "    static const char *const names[] = {"]
    out += [f'        "{file.stem}",' for file in files]
    out += ["        NULL", "    };", "    return names;", "}", ""]
    pathlib.Path(output).write_text("\n".join(out), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
