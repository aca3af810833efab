"""Mutants of C and OpenCL C by rule, found in clang's syntax tree.

A mutant replaces one expression or statement of a function. Left alone is what the language wants constant (sizes of
arrays, case labels, initializers of static objects) and what is not written out in one piece (pasted by macros)."""
import bisect
import collections
import functools
import json
import os
import re
import subprocess
import sys

Mutant = collections.namedtuple("Mutant", "file begin end rule text")

COMPARED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
OPPOSITE = {"min": "max", "max": "min"}
OPENCL = {"min", "max", "fmin", "fmax"}  # clang declares its builtins where they are called
CONSTANT = {"ConstantExpr", "UnaryExprOrTypeTraitExpr", "OffsetOfExpr", "StaticAssertDecl", "RecordDecl", "EnumDecl"}
READ = {"LValueToRValue", "ArrayToPointerDecay"}
# the children of a statement that are statements themselves: from the n-th on
BODIES = {"CompoundStmt": 0, "IfStmt": 1, "WhileStmt": 1, "CaseStmt": 1, "DefaultStmt": 0, "LabelStmt": 0}


def syntax_tree(command, directory):
    """What clang makes of a file, each location with the name of its file (clang says it where it changes)."""
    env = {**os.environ, "CCACHE_DISABLE": "1"}  # it keeps no trees
    result = subprocess.run(command + ["-w", "-fsyntax-only", "-Xclang", "-ast-dump=json"], cwd=directory, env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if result.returncode:
        sys.exit(f"mutate: {' '.join(command)}: {result.stderr.decode().strip()}")
    last = [""]

    def locate(node):
        if "offset" in node:
            last[0] = node.setdefault("file", last[0])
        return node

    return json.loads(result.stdout, object_hook=locate)


class Source:
    """A file's bytes, and which of them belong to one #define."""

    def __init__(self, path):
        self.bytes = path.read_bytes()
        self.defines = [m.span() for m in re.finditer(rb"^[ \t]*#(?:[^\n]*\\\r?\n)*[^\n]*", self.bytes, re.M)]
        self.starts = [begin for begin, _ in self.defines]

    def text(self, begin, end):
        return self.bytes[begin:end].decode()

    def define(self, offset):
        """The directive that the offset lies in, or None."""
        i = bisect.bisect(self.starts, offset) - 1
        return i if i >= 0 and offset < self.defines[i][1] else None

    def line(self, offset):
        return self.bytes.count(b"\n", 0, offset) + 1

    def after_call(self, end):
        """Behind the parentheses, if any, that follow the name of a macro."""
        at = end
        while self.bytes[at:at + 1].isspace():
            at += 1
        if self.bytes[at:at + 1] != b"(":
            return end
        depth = 0
        for i in range(at, len(self.bytes)):
            depth += {40: 1, 41: -1}.get(self.bytes[i], 0)
            if not depth:
                return i + 1
        return end


class Finder:
    """Walks a syntax tree and collects the mutants of the files that `name_of` has a name for."""

    def __init__(self, name_of, sources):
        self.name_of, self.sources = name_of, sources
        self.functions = set()
        self.neighbour = {}
        self.found = {}

    # ---- where a node is written ----

    def span(self, node):
        """(file, begin, end) of a node, or None where it is not written in one piece in a file of ours."""
        begin, end = node.get("range", {}).get("begin", {}), node.get("range", {}).get("end", {})
        if "expansionLoc" in begin and "expansionLoc" in end and \
                begin["expansionLoc"].get("offset") == end["expansionLoc"].get("offset"):
            # inside of one macro: in its definition, or in an argument
            return self.checked(begin.get("spellingLoc", {}), end.get("spellingLoc", {}), False)
        return self.checked(begin.get("expansionLoc", begin), end.get("expansionLoc", end), "expansionLoc" in end)

    def checked(self, begin, end, macro):
        name = self.name_of(begin.get("file"))
        if not name or self.name_of(end.get("file")) != name or "offset" not in end:
            return None
        source = self.sources[name]
        first, last = begin["offset"], end["offset"] + end["tokLen"]
        if macro:
            last = source.after_call(last)
        if first >= last or source.define(first) != source.define(last - 1):
            return None
        return name, first, last

    def written(self, node):
        place = self.span(node)
        return place and self.sources[place[0]].text(*place[1:])

    def add(self, node, rule, text):
        place = self.span(node)
        if place and text is not None and text != self.written(node):
            self.found.setdefault((place, text), Mutant(*place, rule, text))

    # ---- the walk ----

    def walk(self, node, parent=None, index=0):
        kind = node.get("kind")
        if kind in CONSTANT or kind == "VarDecl" and node.get("storageClass") in ("static", "extern"):
            return
        rule = getattr(self, kind or "none", None)
        if rule:
            rule(node, parent)
        if parent and self.is_body(parent, index):
            self.drop(node)
        for i, child in enumerate(node.get("inner", [])):
            self.walk(child, node, i)

    @staticmethod
    def is_body(parent, index):
        kind = parent["kind"]
        if kind == "ForStmt":
            return index == len(parent["inner"]) - 1
        if kind == "DoStmt":
            return index == 0
        return kind in BODIES and index >= BODIES[kind]

    def translation_unit(self, tree):
        self.neighbour = neighbours(tree)
        functions = [n for n in tree["inner"] if n.get("kind") == "FunctionDecl"]
        self.functions = {n["name"] for n in functions}
        for function in functions:
            for part in function.get("inner", []):
                if part.get("kind") == "CompoundStmt":
                    self.walk(part)

    # ---- rules ----

    def drop(self, node):
        inner = node
        if node.get("kind") == "CStyleCastExpr" and node.get("castKind") == "ToVoid":
            inner = node["inner"][0]
        kind = inner.get("kind")
        changes = kind in ("CallExpr", "CompoundAssignOperator") or kind == "BinaryOperator" and inner["opcode"] == "=" \
            or kind == "UnaryOperator" and inner["opcode"] in ("++", "--")
        called = callee(inner)
        if changes and called != "free":
            self.add(node, "barrier" if called in ("barrier", "mem_fence") else "drop", "(void)0")

    def BinaryOperator(self, node, parent):
        left, right = (self.written(n) for n in node["inner"])
        op, kinds = node["opcode"], [n.get("kind") for n in node["inner"]]
        if left is None or right is None:
            return
        same = node["inner"][0]["type"] == node["inner"][1]["type"]
        if op in ("-", "/", "%") and same and left != right:
            self.add(node, "swap", f"({right}) {op} ({left})")
        if op in ("+", "-", "*"):
            rule, unit = ("stride", "2") if op == "*" else ("term", "1")  # these are mutants of the constant
            if right != unit and node["inner"][0]["type"] == node["type"]:
                self.add(node, rule, left)
            if op != "-" and left != unit and node["inner"][1]["type"] == node["type"]:
                self.add(node, rule, right)
        if op in COMPARED and not is_choice(parent, node, self.written):
            self.add(node, "compare", f"{left} {COMPARED[op]} {right}")
        if op in ("&&", "||") and "InitListExpr" not in kinds:
            self.add(node, "logic", f"({left}) {'||' if op == '&&' else '&&'} ({right})")

    def CompoundAssignOperator(self, node, parent):
        left, right = (self.written(n) for n in node["inner"])
        if node["opcode"] in ("+=", "|=", "*=") and left and right:
            self.add(node, "accumulate", f"{left} = {right}")

    def CallExpr(self, node, parent):
        called, arguments = callee(node), node["inner"][1:]
        swapped = swapped_name(called)
        place = self.span(node)
        if place and swapped in self.functions | OPENCL:
            text = self.written(node)
            if text.startswith(called):
                self.add(node, "minmax", swapped + text[len(called):])
        for one, two in zip(arguments, arguments[1:]):
            a, b = self.span(one), self.span(two)
            if not (place and a and b and one["type"] == two["type"] and place[1] <= a[1] and a[2] <= b[1] and b[2] <= place[2]):
                continue
            source = self.sources[place[0]]
            self.add(node, "arguments", source.text(place[1], a[1]) + source.text(*b[1:]) + source.text(a[2], b[1])
                     + source.text(*a[1:]) + source.text(b[2], place[2]))

    def another(self, node, whole, identity):
        """In `whole`, which ends with the name of a field, parameter or constant, its neighbour's."""
        text, new = self.written(whole), self.neighbour.get(identity)
        old = node.get("name") or node["referencedDecl"].get("name")
        if new and text and text.endswith(old):
            self.add(whole, "another", text[:-len(old)] + new)

    def MemberExpr(self, node, parent):
        if parent.get("castKind") in READ:
            self.another(node, node, node["referencedMemberDecl"])

    def DeclRefExpr(self, node, parent):
        if parent.get("castKind") in READ or node["referencedDecl"]["kind"] == "EnumConstantDecl":
            self.another(node, node, node["referencedDecl"]["id"])

    def UnaryOperator(self, node, parent):
        inner = node["inner"][0]
        if node["opcode"] == "&" and inner.get("kind") == "MemberExpr":
            self.another(inner, node, inner["referencedMemberDecl"])

    def IntegerLiteral(self, node, parent):
        text = self.written(node)
        if text and parent.get("castKind") != "NullToPointer":
            self.add(node, "constant", f"{text} + 1")
            if node["value"] != "0":
                self.add(node, "constant", f"{text} - 1")

    def FloatingLiteral(self, node, parent):
        text = self.written(node)
        if text:
            suffix = "f" if text[-1] in "fF" else ""
            self.add(node, "float", f"{text} + 0.015625{suffix}" if float(node["value"]) == 0
                     else f"{text} * 1.015625{suffix}")

    def condition(self, node):
        condition = node["inner"][0]
        if condition.get("opcode") not in ("==", "!="):  # these are mutants of the comparison
            text = self.written(condition)
            self.add(condition, "negate", text and f"!({text})")

    def IfStmt(self, node, parent):
        self.condition(node)

    def ConditionalOperator(self, node, parent):
        self.condition(node)


def neighbours(node):
    """{id: name} of what may be taken for a field, parameter or constant: the next one of its type, after the last the
    first."""
    found, lists = {}, collections.defaultdict(list)
    for child in node.get("inner", []):
        kind = child.get("kind")
        if kind in ("RecordDecl", "EnumDecl", "FunctionDecl"):
            found.update(neighbours(child))
        elif kind in ("FieldDecl", "ParmVarDecl", "EnumConstantDecl") and child.get("name"):
            lists[child["type"]["qualType"]].append(child)
    for same in lists.values():
        if len(same) > 1:
            found.update((one["id"], other["name"]) for one, other in zip(same, same[1:] + same[:1]))
    return found


def callee(node):
    """The name of the function that a call calls, else None."""
    while node.get("kind") in ("CallExpr", "ImplicitCastExpr", "ParenExpr"):
        node = node["inner"][0]
    return node.get("referencedDecl", {}).get("name")


def swapped_name(name):
    match = re.search(r"(?:^f?|_|\d)(min|max)(?=$|_|f$|\d)", name or "")
    return match and name[:match.start(1)] + OPPOSITE[match[1]] + name[match.end(1):]


def is_choice(parent, node, written):
    """Whether a comparison takes the smaller or larger of its operands, which with = would be the same."""
    if not parent or parent.get("kind") != "ConditionalOperator" or parent["inner"][0] is not node:
        return False
    return sorted(map(str, map(written, node["inner"]))) == sorted(map(str, map(written, parent["inner"][1:])))


def find(units, root, names):
    """The mutants of these files below root, by place, and the files' text. A unit is a command of clang's and the
    directory to run it in."""
    sys.setrecursionlimit(20000)
    sources = {name: Source(root / name) for name in names}
    found = {}
    for command, directory in units:
        @functools.lru_cache(maxsize=None)
        def name_of(file, directory=directory):
            path = os.path.relpath(os.path.realpath(directory / (file or "?")), root)
            return path if path in sources else None

        finder = Finder(name_of, sources)
        finder.translation_unit(syntax_tree(command, directory))
        for key, mutant in finder.found.items():
            found.setdefault(key, mutant)
    return sorted(found.values(), key=lambda m: (m.file, m.begin, -m.end, m.rule, m.text)), sources


def rewrite(source, mutants, prefix):
    """The text of a file that is every one of its mutants, `mutants` by number, and for each number where its place is
    in that text."""
    places = collections.defaultdict(list)
    for number, mutant in mutants.items():
        drops = mutant.text == "(void)0"
        places[mutant.begin, -mutant.end, not drops].append(number)
    order = sorted(places)
    out, where, length = [], {}, [0]

    def put(text):
        out.append(text)
        length[0] += len(text.encode())

    def render(begin, end, first):
        """Copies source[begin:end], with the places from order[first] on that lie within; returns the next place."""
        at = begin
        while first < len(order):
            start, stop, whole = order[first][0], -order[first][1], order[first][2]
            if start >= end:
                break
            if stop > end or start < at:  # half inside of another: left out
                first += 1
                continue
            put(source.text(at, start))
            numbers = places[order[first]]
            opened = length[0]
            put("(")
            for number in numbers:
                put(f"CLADE_MUTANT({number}) ? ({mutants[number].text}) : ")
            negated = any(mutants[number].rule == "negate" for number in numbers)
            put("(void)(" if not whole else "!!(" if negated else "(")  # of one type with the mutants
            first = render(start, stop, first + 1)
            put("))")
            for number in numbers:
                where[number] = (opened, length[0])
            at = stop
        put(source.text(at, end))
        return first

    put(prefix)
    render(0, len(source.bytes), 0)
    return "".join(out), where
