"""`clade conform` in a driver's continuous integration: names and lists of them, parts of a run, crashes, hangs and
flakes of a driver, files of results, frozen vectors, and googletest's form, driven as deqp-runner drives it.

usage: ci_test.py CLADE FAULTY.so"""
import ast
import collections
import csv
import hashlib
import math
import os
import pathlib
import re
import select
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish  # noqa: E402

clade, faulty = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp(prefix="clade-ci-"))

# Of seconds that a case may take. Those here take milliseconds; the one that hangs takes for ever.
LIMIT = 5

# cases of the faulty backend that come out so
HANGS, CRASHES, FLAKES = "ops.fill.value", "ops.copy.flatten", "ops.concat.channels"
FAILS = ["ops.concat_dx.channels", "ops.concat_dx.channels/accumulate", "ops.concat_dx.channels-first",
         "ops.concat_dx.channels-first/accumulate", "ops.concat_dx.one", "ops.concat_dx.one/accumulate"]
SMALL = ["--mode", "ops", "--quick"]


def conform(*arguments, code, text=None):
    """What it prints; the exit status must be `code`."""
    ended = subprocess.run([clade, "conform", *map(str, arguments)], capture_output=True, text=True, input=text,
                           timeout=120)
    check(ended.returncode == code, f"{arguments}: exit status {ended.returncode}, expected {code}:\n"
          f"{ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr


def write(name, *lines):
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return path


def verdicts(path):
    with open(path, newline="") as file:
        return {row["name_v1"]: row["verdict"] for row in csv.DictReader(file)}


def names(*arguments):
    first, *rest = conform("--list", *arguments, code=0).splitlines()
    check(first == "# names of version 1", first)
    return rest


def lists_and_shards():
    everything = names(*SMALL)
    check(len(everything) == len(set(everything)) > 300, "names are not unique")
    check("ops.dense_dw.small/accumulate" in everything, "a name is another")
    parts = [names(*SMALL, "--shard", f"{i}/3") for i in (1, 2, 3)]
    check(sorted(sum(parts, [])) == sorted(everything), "shards are not all there is")
    check(max(map(len, parts)) - min(map(len, parts)) <= 1, "shards are not of one size")
    check(parts[1] == names(*SMALL, "--shard", "2/3"), "a shard is another each time")

    some = write("cases", "# a comment", "", "ops.dense_d?.small*  # two ops", "ops.copy.same\r", "ops.copy.same")
    chosen = [name for name in everything
              if re.fullmatch(r"ops\.dense_d.\.small.*|ops\.copy\.same", name)]
    check(len(chosen) == 5 and names(*SMALL, "--cases", some) == chosen, "--cases chooses others")
    text = some.read_text()
    check(conform("--list", *SMALL, "--cases", "-", code=0, text=text).splitlines()[1:] == chosen, "--cases -")
    left = write("skip", "ops.dense_dx*")
    check(names(*SMALL, "--cases", some, "--skip", left) == [n for n in chosen if "dense_dx" not in n], "--skip")
    results = folder / "some.csv"
    conform(*SMALL, "--device", "cpu", "--cases", some, "--skip", left, "--csv", results, code=0)
    told = verdicts(results)
    check(list(told) == chosen, "others are judged than are listed")
    check({n for n, v in told.items() if v == "skip"} == {n for n in chosen if "dense_dx" in n}, "others are skipped")
    # a list is what a list was made of
    listed = write("listed", *names(*SMALL, "--cases", some))
    check(names(*SMALL, "--cases", listed) == chosen, "--list is no list of cases")

    bad = write("bad", "ops.copy.same", "ops.copy.sane")
    check(f"{bad}:2: the other options select no case 'ops.copy.sane'" in conform(*SMALL, "--cases", bad, code=1), "unknown name")
    words = write("words", "", "ops.copy.same pass")
    check(f"{words}:2: 'ops.copy.same pass': expected one name" in conform("--skip", words, code=1), "two words")
    check("no/such" in conform("--expect", "no/such", code=1), "a list that is not there")
    check("names no case" in conform("--cases", write("empty", "# none"), code=1), "an empty list")
    check("shard 3 of 9 has no case" in conform("--op", "fill", "--quick", "--mode", "ops", "--shard", "3/9", code=1),
          "an empty shard")
    for shard in "0/2", "3/2", "1", "1/2x", "a/b":
        check("expected I/N" in conform("--shard", shard, code=2), shard)
    untouched = write("untouched", "kept")
    conform(*SMALL, "--device", "cpu", "--cases", bad, "--csv", untouched, code=1)
    conform(*SMALL, "--device", "nothing", "--csv", untouched, "--junit", untouched, code=1)
    check(untouched.read_text() == "kept\n", "a run that judged nothing cost a file")


def drawn():
    """Cases drawn at random: others for each seed, the same for the same, near where code takes another path."""
    random = ["--mode", "ops", "--op", "dense", "--random", 60]
    one, two = names(*random, "--seed", 1), names(*random, "--seed", 2)
    check(one == names(*random, "--seed", 1), "another list for the same seed")
    check(len(set(one) & set(two)) * 4 < len(one), f"{len(set(one) & set(two))} of {len(one)} cases are of both seeds")
    cases = [name for name in one + two if name.startswith("ops.dense.")]
    check(len(cases) == len(one + two) // 5 == 120, f"{len(cases)} cases")
    sizes = {int(n) for name in cases for n in re.findall(r"[=x](\d+)", name.split("_b=")[0])}
    for edge in 16, 64, 128:
        check({edge - 1, edge + 1} & sizes, f"no size beside {edge}")
    check({1, 2, 3} < sizes and max(sizes) > 1000, sizes)
    for key in "act", "products":
        values = {value for name in cases for value in re.findall(rf"_{key}=([a-z0-9_]+?)(?:_products|$)", name)}
        check(len(values) >= 3, f"{key} is always one of {values}")


def faults():
    """Each fault is the verdict of its own case; the other cases come out as they do without faults."""
    cases = write("faulty", HANGS, "ops.copy.*", "ops.concat*", "ops.pad*")
    one = ["--plugin", faulty, *SMALL, "--cases", cases, "--timeout", LIMIT]
    os.environ["CLADE_TEST_FLAKE"] = str(folder / "flake-1")
    said = conform(*one, "--jobs", 2, "--csv", folder / "two.csv", "--junit", folder / "two.xml", code=1)
    told = verdicts(folder / "two.csv")
    expected = collections.defaultdict(lambda: "pass", {HANGS: "TIMEOUT", CRASHES: "CRASH"})
    expected.update(dict.fromkeys(FAILS + [FLAKES], "FAIL"))
    check(list(told) == names("--plugin", faulty, *SMALL, "--cases", cases), "the order is another")
    check(len(told) == 23 and told == {name: expected[name] for name in told}, told)
    check(f"CRASH {CRASHES}: crash: crashed: signal 6" in said, said)
    check(f"TIMEOUT {HANGS}: timeout: timed out after {LIMIT} s" in said, said)
    check("14 passed, 9 failed, 0 skipped, 1 crashed, 1 timed out;" in said, said)
    check(f"clade conform --plugin {faulty} --mode ops --op copy --case flatten --accumulate 0" in said,
          "no command repeats the crash")
    root = xml.etree.ElementTree.parse(folder / "two.xml").getroot()
    check([root.get(k) for k in ("tests", "failures", "errors", "skipped")] == ["23", "7", "2", "0"], root.attrib)
    found = {f"{c.get('classname')}.{c.get('name')}": [e.tag for e in c] for c in root.iter("testcase")}
    tags = {"pass": [], "FAIL": ["failure"], "CRASH": ["error"], "TIMEOUT": ["error"]}
    check(found == {name: tags[verdict] for name, verdict in told.items()}, found)

    # the same, by one process at a time, and with lists that say so: only what is not expected counts
    os.environ["CLADE_TEST_FLAKE"] = str(folder / "flake-2")
    fails = write("expect", HANGS, CRASHES, "ops.concat_dx.*")
    flakes = write("flakes", "ops.concat.*", CRASHES)
    lists = ["--expect", fails, "--flakes", flakes, "--retries", 1]
    said = conform(*one, *lists, "--csv", folder / "one.csv", "--junit", folder / "one.xml", code=0)
    told = verdicts(folder / "one.csv")
    expected = collections.defaultdict(lambda: "pass", {FLAKES: "flake"})
    expected.update(dict.fromkeys(FAILS + [HANGS, CRASHES], "expected-fail"))
    check(told == {name: expected[name] for name in told}, told)
    check("15 passed, 0 failed, 0 skipped, 8 failed as expected, 1 flake;" in said, said)
    check(f"flake {FLAKES}: " in said and "passed when run again (1 of 1); before: bound: " in said, said)
    root = xml.etree.ElementTree.parse(folder / "one.xml").getroot()
    check([root.get(k) for k in ("tests", "failures", "errors", "skipped")] == ["23", "0", "0", "8"], root.attrib)
    check([c.get("name") for c in root.iter("testcase") if c.find("flakyFailure") is not None] == ["channels"], "flaky")

    # what passes although it is expected to fail
    fails = write("unexpected", "ops.pad.around", *FAILS)
    pads = write("pads", "ops.pad.*")
    said = conform("--plugin", faulty, *SMALL, "--cases", pads, "--expect", fails, code=1)
    check(f"UNEXPECTED-PASS ops.pad.around: {fails}:1 expects it to fail" in said, said)
    check("2 passed, 1 failed, 0 skipped, 1 passed unexpectedly;" in said, said)
    # a flake that is none fails still
    flakes = write("no-flakes", CRASHES)
    said = conform("--plugin", faulty, *SMALL, "--op", "cop?", "--flakes", flakes, "--retries", 2, code=1)
    check(f"CRASH {CRASHES}" in said and "3 passed, 1 failed" in said, said)
    said = conform("--plugin", faulty, *SMALL, "--op", "split", code=1)
    check("0 passed, 4 failed" in said and "threads: y[" in said and "with 3 threads" in said, said)
    check("--strict forbids the reference" in conform("--plugin", faulty, *SMALL, "--op", "dense", "--strict", code=1), "--strict")
    support = folder / "support.csv"
    conform("--plugin", faulty, "--mode", "support", "--op", "dense", "--strict", "--csv", support, code=1)
    check(set(verdicts(support).values()) == {"FAIL"}, "--mode support --strict")
    # every case skipped: nothing was tested
    check("nothing was tested" in conform("--plugin", faulty, *SMALL, "--op", "fill", "--skip",
                                          write("all", "*"), code=1), "all skipped")


def comparison():
    columns = "name_v1,verdict,text\n"

    def results(name, **verdict):
        path = folder / name
        path.write_text(columns + "".join(f'ops.x.{k},{v.replace("_", "-")},"a ""b"", c"\n' for k, v in
                                          verdict.items()))
        return path

    old = results("old", a="pass", b="FAIL", c="CRASH", d="pass", e="pass", g="skip", h="expected_fail")
    new = results("new", a="flake", b="pass", c="FAIL", d="TIMEOUT", f="FAIL", g="pass", h="UNEXPECTED_PASS")
    said = conform("--compare", old, new, code=1)
    check(said.splitlines() == [
        "fixed    ops.x.b: FAIL, now pass", "broken   ops.x.d: pass, now TIMEOUT", "missing  ops.x.e: was pass",
        "new      ops.x.f: FAIL", "new      ops.x.g: pass", "fixed    ops.x.h: expected-fail, now UNEXPECTED-PASS",
        "2 fixed, 1 broken, 2 new, 1 missing, 2 unchanged"], said)
    check("1 fixed, 0 broken" in conform("--compare", new, results("newer", d="pass"), code=0), "only fixed")
    one, two = folder / "one.csv", folder / "two.csv"
    check("1 broken" in conform("--compare", one, two, code=1), "two runs")
    check("23 unchanged" in conform("--compare", one, one, code=0), "a run and itself")
    check("to compare results, use --compare OLD.csv NEW.csv" in conform("--compare", old, code=2), "one file")
    check("to compare results, use --compare OLD.csv NEW.csv" in conform(new, code=2), "no --compare")
    check("no/such" in conform("--compare", old, "no/such", code=1), "no file")
    for text, why in (("name_v2,verdict\nx,pass\n", "expected the columns name_v1,verdict"),
                      (columns + "ops.x.a,good,\n", "worse:2: verdict 'good'"),
                      (columns + "ops.x.a,pass,\nops.x.a,pass,\n", "'ops.x.a' appears twice"),
                      (columns, ": no cases"), ("", ": no cases"), ("\0", "not CSV")):
        (folder / "worse").write_text(text)
        check(why in conform("--compare", old, folder / "worse", code=1), why)


def array(path):
    """The numbers in a file of NumPy's, as NumPy reads them."""
    data = path.read_bytes()
    check(data[:8] == b"\x93NUMPY\1\0", f"{path} is no array")
    length = struct.unpack("<H", data[8:10])[0]
    head = ast.literal_eval(data[10:10 + length].decode())
    check((10 + length) % 64 == 0 and data[9 + length] == 10 and not head["fortran_order"], head)
    form = {"<f4": "f", "<f8": "d", "<i4": "i", "|u1": "B"}[head["descr"]]
    return head["shape"], struct.unpack(f"<{math.prod(head['shape'])}{form}", data[10 + length:])


def refreeze(case, name, change):
    """Changes a file of a case and its digest."""
    path = case / name
    path.write_bytes(change(path.read_bytes()))
    sums = case / "SHA256SUMS"
    sums.write_text(re.sub(f".*  {re.escape(name)}", f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}",
                           sums.read_text()))


def vectors():
    frozen = folder / "vectors"
    one = ["--quick", "--op", "dense*"]
    said = conform("--vectors", frozen, *one, "--jobs", 2, code=0)
    check("0 failed" in said and (frozen / "vectors.dense_dw.small").is_dir(), said)
    cases = sorted(frozen.iterdir())
    for case in cases:
        sums = [line.split("  ") for line in (case / "SHA256SUMS").read_text().splitlines()]
        for digest, name in sums:
            check(hashlib.sha256((case / name).read_bytes()).hexdigest() == digest, f"{case}: {name}")
        files = {str(f.relative_to(case)) for f in case.rglob("*") if f.is_file()}
        check(files == {name for _, name in sums} | {"SHA256SUMS"}, f"{case}: {files}")
    for kind, exact in ("integers", True), ("random", False):
        at = frozen / "vectors.dense_dw.small" / kind
        (n, rows), x = array(at / "x.in.npy")
        (_, columns), dy = array(at / "dy.in.npy")
        shape, dw = array(at / "dw.out.npy")
        _, bound = array(at / "dw.bound.npy")
        check(shape == (rows, columns), shape)
        for i in range(rows):
            for k in range(columns):
                value = math.fsum(x[b * rows + i] * dy[b * columns + k] for b in range(n))
                error = abs(value - dw[i * columns + k])
                check(error == 0 if exact else error <= 1e-6 * bound[i * columns + k], f"{kind} dw[{i}, {k}]")

    said = conform("--vectors-check", frozen, *one, code=0)
    check(f"{len(cases)} passed, 0 failed, 0 skipped" in said, said)
    check("1 skipped" in conform("--vectors-check", frozen, "--quick", "--op", "fill", code=1), "new")
    check("already exists" in conform("--vectors", frozen, *one, code=1), "written over")
    for case, name, change, why in (
            ("vectors.dense.one", "random/y.out.npy", None, "digest: random/y.out.npy has another SHA-256"),
            ("vectors.dense.small", "random/y.out.npy", lambda b: b[:-2] + bytes([b[-2] ^ 1]) + b[-1:],
             "oracle: y at element"),
            ("vectors.dense_dw.one", "call", lambda b: b"dense_dw x=1x2", "call: it was frozen as 'dense_dw x=1x2'"),
            ("vectors.dense_dx.one", "integers/w.in.npy", lambda b: b[:-1], "w.in.npy: expected {'descr': '<f4'")):
        if change:
            refreeze(frozen / case, name, change)
        else:
            path = frozen / case / name
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        said = conform("--vectors-check", frozen, *one, code=1)
        check(f"FAIL {case}: " in said and why in said, said)
    check("4 failed" in conform("--vectors-check", frozen, *one, code=1), "others failed, too")
    sums = frozen / "vectors.dense_dw.small" / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    for text, why in (("", "digest: call has another SHA-256"), ("".join(lines[:-1]), "has another SHA-256"),
                      ("".join([*lines, lines[0]]), "digest: SHA256SUMS has more files than were frozen")):
        sums.write_text(text)
        said = conform("--vectors-check", frozen, "--quick", "--op", "dense_dw", "--case", "small", code=1)
        check(why in said, said)
    one = ["--quick", "--op", "maxpool2d", "--case", "two"]
    conform("--vectors", frozen, *one, code=0)
    refreeze(frozen / "vectors.maxpool2d.two", "random/index.out.npy", lambda b: b[:-1] + bytes([b[-1] ^ 1]))
    said = conform("--vectors-check", frozen, *one, code=1)
    check("bits: index differs" in said, said)
    check("--vectors and --vectors-check cannot be combined" in conform("--vectors", frozen, "--mode", "grad", code=2), "a mode")


class Runner:
    """deqp-runner with `gtest`: its arguments, and what it looks for in lines (src/gtest_command.rs, 2023)."""
    GROUP, TEST = re.compile(r"(\S*\.)"), re.compile(r"\s+(\S+)")
    RUN, STATUS = re.compile(r"\[\sRUN\s*\]\s(.*)"), re.compile(r"\[\s*(\S*)\s*\]\s(\S*)")
    WORDS = {"OK": "Pass", "FAILED": "Fail", "SKIPPED": "Skip"}

    def __init__(self, *arguments):
        self.command = [clade, *map(str, arguments)]

    def list(self):
        group, tests = None, []
        for line in subprocess.run([*self.command, "--gtest_list_tests"], check=True, capture_output=True,
                                   text=True).stdout.splitlines():
            if found := self.GROUP.search(line):
                group = found[1]
            else:
                tests.append(group + self.TEST.search(line)[1])
        return tests

    def run(self, tests):
        """{test: status}; a process that ends early or says nothing for too long costs the test that it was at."""
        told, left = {}, list(tests)
        while left:
            at, ended = None, "Crash"
            process = subprocess.Popen([*self.command, "--gtest_filter=" + ":".join(left)], stdout=subprocess.PIPE,
                                       bufsize=0)  # what is read ahead would be hidden from select
            while ended == "Crash":
                if not select.select([process.stdout], [], [], LIMIT)[0]:
                    process.kill()
                    ended = "Timeout"
                elif not (line := process.stdout.readline().decode()):
                    break
                elif at and (found := self.STATUS.search(line)):
                    told[at], at = self.WORDS[found[1]], None
                elif found := self.RUN.search(line):
                    at = found[1]
            process.wait()
            process.stdout.close()
            if at:
                told[at] = ended
            missing = [test for test in left if test not in told]
            check(len(missing) < len(left), f"nothing was run of {left}")
            if len(missing) == len(left):
                break
            left = missing
        return told


def googletest():
    os.environ["CLADE_TEST_FLAKE"] = str(folder / "flake-3")
    runner = Runner("conform", "--plugin", faulty, *SMALL)
    tests = runner.list()
    check(tests == names(*SMALL), "googletest's list is another")
    chosen = [test for test in tests if test.split(".")[1] in ("fill", "copy", "concat", "concat_dx", "pad", "lrn")]
    expected = collections.defaultdict(lambda: "Pass", {HANGS: "Timeout", CRASHES: "Crash"})
    expected.update(dict.fromkeys(FAILS + [FLAKES], "Fail"))
    told = runner.run(chosen)
    check(told == {test: expected[test] for test in chosen} and len(told) > 12, told)

    def filtered(pattern):
        return set(Runner("conform", *SMALL, f"--gtest_filter={pattern}").list())

    two = {t for t in tests if t.startswith(("ops.dense.", "ops.fill."))}
    check(filtered("ops.dense.*:ops.fill.*") == two, "two patterns")
    check(filtered("ops.dense*-ops.dense_d*:*one") == {t for t in tests if t.startswith("ops.dense.") and
                                                       not t.endswith("one")}, "patterns to leave out")
    check(filtered("-ops.c*") == {t for t in tests if not t.startswith("ops.c")}, "only patterns to leave out")
    check(filtered("ops.concat.channels-first") == {"ops.concat.channels-first"}, "a name with a dash")
    left = write("left", "ops.pad.crop")
    said = conform("--device", "cpu", *SMALL, "--gtest_filter=ops.pad.*", "--skip", left, code=0)
    check("[  SKIPPED ] ops.pad.crop" in said and "[  PASSED  ] 2 tests." in said, said)
    check("no case matches the filter 'ops.nothing'" in conform("--gtest_filter=ops.nothing", code=1), "nothing fits")
    for more in ("--jobs=2", "--timeout=1", f"--expect={left}", f"--csv={folder}/x.csv", "--list"):
        check("--gtest_filter cannot be combined" in conform("--gtest_filter=*", more, code=2), more)


lists_and_shards()
drawn()
faults()
comparison()
vectors()
googletest()
sys.exit(finish())
