"""tools/mutate: which mutants its rules make, and which of a small project's a weak and a strong check catch."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent), sys.argv[1]]
from checks import check, finish  # noqa: E402
from mutation import mutants, tree  # noqa: E402
from mutation.checks import Check  # noqa: E402
from mutation.run import Runner  # noqa: E402

SNIPPET = r"""
enum { size = 4 };
static const int table[] = {1, 2};
int min_of(int a, int b);
int max_of(int a, int b);
void note(int a);
#define TWICE(x) ((x) + (x))
#define BODY(k) \
    {           \
        s -= k; \
    }
struct size {
    int height, width;
    struct size *next;
};
enum side { left, right };
int g(struct size *s, enum side from)
{
    s->height = s->width;
    return from == left ? *&s->height : s->next != 0;
}
int f(int a, int b, float *p)
{
    int s = 0, row[3];
    for (int i = 0; i < a; i++) s += a * b;
    if (a && !b) note(TWICE(a / b));
    (void)min_of(a, b);
    p[1] = p[0] > p[2] ? p[0] : p[2];
    BODY(a - b)
    *p = 0.5f * p[1];
    p = 0;
    return s + (int)sizeof row + table[0];
}
"""
EXPECTED = """
7 term: (x) + (x) -> (x)
19 drop: s->height = s->width -> (void)0
19 another: s->width -> s->height
20 compare: from == left -> from != left
20 another: left -> right
20 another: &s->height -> &s->width
20 compare: s->next != 0 -> s->next == 0
24 constant: 0 -> 0 + 1
25 constant: 0 -> 0 + 1
25 compare: i < a -> i <= a
25 another: a -> b
25 accumulate: s += a * b -> s = a * b
25 drop: s += a * b -> (void)0
25 stride: a * b -> a
25 stride: a * b -> b
25 another: a -> b
25 another: b -> a
26 logic: a && !b -> (a) || (!b)
26 negate: a && !b -> !(a && !b)
26 another: a -> b
26 another: b -> a
26 drop: note(TWICE(a / b)) -> (void)0
26 swap: a / b -> (b) / (a)
26 another: a -> b
26 another: b -> a
27 drop: (void)min_of(a, b) -> (void)0
27 arguments: min_of(a, b) -> min_of(b, a)
27 minmax: min_of(a, b) -> max_of(a, b)
27 another: a -> b
27 another: b -> a
28 drop: p[1] = p[0] > p[2] ? p[0] : p[2] -> (void)0
28 constant: 1 -> 1 + 1
28 constant: 1 -> 1 - 1
28 negate: p[0] > p[2] -> !(p[0] > p[2])
28 constant: 0 -> 0 + 1
28 constant: 2 -> 2 + 1
28 constant: 2 -> 2 - 1
28 constant: 0 -> 0 + 1
28 constant: 2 -> 2 + 1
28 constant: 2 -> 2 - 1
29 swap: a - b -> (b) - (a)
29 term: a - b -> a
29 another: a -> b
29 another: b -> a
30 drop: *p = 0.5f * p[1] -> (void)0
30 stride: 0.5f * p[1] -> 0.5f
30 stride: 0.5f * p[1] -> p[1]
30 float: 0.5f -> 0.5f * 1.015625f
30 constant: 1 -> 1 + 1
30 constant: 1 -> 1 - 1
31 drop: p = 0 -> (void)0
32 term: s + (int)sizeof row + table[0] -> s + (int)sizeof row
32 term: s + (int)sizeof row + table[0] -> table[0]
32 term: s + (int)sizeof row -> (int)sizeof row
32 term: s + (int)sizeof row -> s
32 constant: 0 -> 0 + 1
"""

KERNEL = """
kernel void sum(global const float *x, global float *y, local float *part, int n)
{
    float s = 0.0f;
    for (int i = get_local_id(0); i < n; i += get_local_size(0)) s += x[i];
    part[get_local_id(0)] = s;
    barrier(CLK_LOCAL_MEM_FENCE);
    y[get_global_id(0)] = fmax(part[0], part[1]);
}
"""

TOY = r"""
static int sum(const int *x, int n)
{
    int s = 0;
    for (int i = 0; i < n; i++) s += x[i];
    return s;
}

static int scale(int a, int b)
{
    return a * b;
}

static int never(int a)
{
    return a - 3;
}

#define ROOM 4
static int room[ROOM];

static int second(void)
{
    room[1] = ROOM;
    return room[1];
}

int main(int argc, char **argv)
{
    static const int x[] = {1, 2, 3, 4};
    if (argc > 4) return never(argc);
    if (second() != 4) return 1;
    if (sum(x, 3) != 6) return 1;
    return argc > 1 && argv[1][0] == 's' ? scale(3, 2) != 6 : scale(3, 1) != 3;
}
"""
TOY_BUILD = """
project('toy', 'c', default_options: 'c_std=gnu11')
executable('toy', 'src/toy.c')
"""


def lines(found, source):
    return [f"{source.line(m.begin)} {m.rule}: {source.text(m.begin, m.end)} -> {m.text}" for m in found]


def rules(folder):
    (folder / "snippet.c").write_text(SNIPPET, encoding="utf-8")
    found, sources = mutants.find([(["clang", "-std=c11", "snippet.c"], folder)], folder, ["snippet.c"])
    made, expected = lines(found, sources["snippet.c"]), EXPECTED.strip().split("\n")
    for line in expected:
        check(line in made, f"a mutant is missing: {line}")
    for line in made:
        check(line in expected, f"a mutant that is not expected: {line}")
    check(len(made) == len(expected), f"{len(made)} mutants, expected {len(expected)}")


def kernel(folder):
    """A kernel with all its mutants compiles, whichever of them is chosen."""
    command = ["clang", "-x", "cl", "-cl-std=CL1.2", "-Xclang", "-finclude-default-header", "-target",
               "spir64-unknown-unknown", "sum.cl"]
    (folder / "sum.cl").write_text(KERNEL, encoding="utf-8")
    found, sources = mutants.find([(command, folder)], folder, ["sum.cl"])
    made = lines(found, sources["sum.cl"])
    for line in ("7 barrier: barrier(CLK_LOCAL_MEM_FENCE) -> (void)0",
                 "8 minmax: fmax(part[0], part[1]) -> fmin(part[0], part[1])"):
        check(line in made, f"a mutant is missing: {line}")
    text, where = mutants.rewrite(sources["sum.cl"], dict(enumerate(found)), tree.HEADER)
    check(len(where) == len(found), f"{len(where)} of {len(found)} mutants are in the text")
    (folder / "sum.cl").write_text(text, encoding="utf-8")
    for option in ("-DCLADE_MUTANT_NUMBER=3", "-DCLADE_MUTANT_REACHED", "-DNEITHER"):
        done = subprocess.run(command + ["-fsyntax-only", "-Werror", option], cwd=folder, check=False)
        check(not done.returncode, f"the kernel does not compile with {option}")


def end_to_end(folder):
    """What a weak check misses a strong one catches; what neither runs is told apart."""
    root = folder / "toy"
    (root / "src").mkdir(parents=True)
    (root / "src/toy.c").write_text(TOY, encoding="utf-8")
    (root / "meson.build").write_text(TOY_BUILD, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    copy = tree.Tree(root, folder / "work", 2)
    copy.copy()
    name = "src/toy.c"
    found, sources = mutants.find(copy.units([name]), copy.path, [name])
    chosen = dict(enumerate(found))
    weak = Check("weak", [str(copy.build / "toy")], {})
    strong = Check("strong", [str(copy.build / "toy"), "strong"], {})
    targets = copy.needed([weak, strong], [name])
    check(targets == ["toy"], f"to be built: {targets}, expected the toy")
    refused = copy.put_in(chosen, sources, targets)
    dropped = sorted(chosen[n].text for n in refused)
    check(dropped == ["4 + 1", "4 - 1"], f"the compiler refuses {dropped}, expected the two of the array's size")
    check((root / name).read_text(encoding="utf-8") == TOY, "the original is changed")
    runner = Runner(copy, False, len(found))
    first, both = runner.reach([weak]), runner.reach([weak, strong])

    def verdict(original, mutant, runs):
        number = next(n for n, m in chosen.items() if m.text == mutant
                      and sources[name].text(m.begin, m.end) == original)
        return runner.judge(runs, number)[1:]

    for original, mutant, by_weak, by_both in (
            ("a * b", "b", ("caught", "weak"), None),
            ("a * b", "a", ("SURVIVED", ""), ("caught", "strong")),
            ("i < n", "i <= n", ("caught", "weak"), None),
            ("a - 3", "a", ("not reached", ""), ("not reached", ""))):
        for runs, expected in ((first, by_weak), (both, by_both)):
            if expected:
                got = verdict(original, mutant, runs)
                check(got == expected, f"{original} -> {mutant}: {got}, expected {expected}")


if not all(map(shutil.which, ("clang", "meson", "ninja", "git", "cc"))):
    sys.exit(77)
with tempfile.TemporaryDirectory() as made_here:
    for part in (rules, kernel, end_to_end):
        place = pathlib.Path(made_here).resolve() / part.__name__
        place.mkdir()
        part(place)
sys.exit(finish())
