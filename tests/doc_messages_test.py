#!/usr/bin/env python3
"""What the documentation says that Clade says stands in its sources.

doc_messages_test.py TREE
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parent))
from checks import check, finish


def strings(tree):
    """All string literals, those that the compiler joins as one, and OpenCL's names of errors."""
    found = []
    for path in [*tree.glob("src/**/*.c"), *tree.glob("tools/clade/*.[ch]")]:
        text = re.sub(r'"\s*\\?\n\s*"', "", path.read_text())
        text = re.sub(r'" PRI[a-zX0-9]+ "|" PRI[a-zX0-9]+', "d", text)
        found += re.findall(r'"((?:[^"\\\n]|\\.)*)"', text) + re.findall(r"CL_\w+", text)
    return "\n".join(found).replace('\\"', '"')


def main(tree):
    sources = strings(tree)
    for page in "troubleshooting", "drivers":
        quoted = 0
        rows = re.findall(r"^\| (`.*?) \|", (tree / "docs" / f"{page}.md").read_text(), re.M)
        for message in [m for row in rows for m in re.findall(r"`([^`]*)`", row)]:
            quoted += 1
            for piece in re.split("…|: ", message):
                check(piece.strip(" ") in sources, f"docs/{page}.md: Clade never says '{piece}' (of '{message}')")
        check(quoted > 4, f"docs/{page}.md: only {quoted} messages")
    return finish()


sys.exit(main(pathlib.Path(sys.argv[1])))
