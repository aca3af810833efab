#!/usr/bin/python3
"""Runs ONNX's own node tests against Clade's ops: a judgement by others' data and formulas.

Every node test of the installed onnx package whose one operator has a mapping (map_*.py) is brought
to our layout, run by op_runner on the given device and compared with ONNX's expected output within
the tolerance that ONNX's own tests use, or a smaller one. A test that asks for what our ops do not
do does not apply; the reasons are counted. Needs onnx and numpy; without them or the device the exit
status is 77.

With --faults each parameter and each operand of each op is made wrong in turn, and some test has to
notice: a check on this suite rather than on the ops."""
import argparse
import collections
import json
import sys
import warnings

try:
    import numpy as np
    import onnx
    from onnx.backend.test.case import node as onnx_nodes
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)

sys.dont_write_bytecode = True  # the source folder stays clean

import map_spatial  # noqa: F401, fills OPERATORS
import map_tensor  # noqa: F401
from common import OPERATORS, Call, Unmapped
from runner import NoDevice, OpError, Runner, RunnerDied

# Node tests whose node leaves out an attribute that their expected values rest on: test -> attribute,
# value. Given where the installed version still leaves it out, and reported.
CORRECTED = {"test_adam_multiple": ("epsilon", 0.01)}
# A stricter bound where the node tests' numbers barely depend on what is tested: factor of theirs. LRN's
# alpha moves values by 1e-4, a tenth of the usual tolerance.
STRICTER = {"LRN": 0.01}
DOMAINS = ("", "ai.onnx", "ai.onnx.preview.training")

Case = collections.namedtuple("Case", "name node inputs expected rtol atol")


def collect():
    """All node tests. Older ones use names that newer numpy has dropped."""
    for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object)):
        if name not in vars(np):
            setattr(np, name, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return onnx_nodes.collect_testcases(None)


def sort(tests):
    """Cases by operator; counts of tests made of several nodes and of operators without a mapping;
    what was corrected."""
    cases, composed, others = collections.defaultdict(list), 0, collections.Counter()
    corrected = []
    for test in tests:
        nodes = test.model.graph.node
        if len(nodes) != 1:
            composed += 1
        elif nodes[0].op_type not in OPERATORS or nodes[0].domain not in DOMAINS:
            others[nodes[0].op_type] += 1
        else:
            name, value = CORRECTED.get(test.name, (None, None))
            if name and all(a.name != name for a in nodes[0].attribute):
                nodes[0].attribute.append(onnx.helper.make_attribute(name, value))
                corrected.append("%s of %s: %g" % (name, test.name, value))
            for inputs, expected in test.data_sets:
                factor = STRICTER.get(nodes[0].op_type, 1.0)
                cases[nodes[0].op_type].append(Case(
                    test.name, nodes[0], inputs, expected, factor * getattr(test, "rtol", 1e-3),
                    factor * getattr(test, "atol", 1e-7)))
    return cases, composed, others, corrected


def compare(case, results):
    """Largest error over bound, and what is wrong or None."""
    worst, wrong = 0.0, None
    if len(results) != len(case.expected):
        return worst, "%d outputs, expected %d" % (len(results), len(case.expected))
    for i, (got, want) in enumerate(zip(results, case.expected)):
        got, want = np.asarray(got), np.asarray(want)
        if got.shape != want.shape:
            return worst, "output %d has shape %s, expected %s" % (i, got.shape, want.shape)
        got, want = got.astype(np.float64), want.astype(np.float64)
        with np.errstate(invalid="ignore"):
            error = np.where(got == want, 0.0, np.abs(got - want))
            ratio = error / (case.atol + case.rtol * np.abs(want))
        bad = ~(ratio <= 1)
        if bad.any() and wrong is None:
            at = np.unravel_index(np.argmax(np.where(np.isnan(ratio), np.inf, ratio)), ratio.shape)
            wrong = "output %d: %d of %d wrong, worst at %s: %.9g, expected %.9g (error %.3g)" % (
                i, bad.sum(), bad.size, list(map(int, at)), got[at], want[at], error[at])
        worst = max(worst, float(np.max(ratio, initial=0.0)))
    return worst, wrong


def judge(case, run):
    """("pass", error over bound) or ("fail", text) or ("unmapped", reason)."""
    try:
        worst, wrong = compare(case, OPERATORS[case.node.op_type](Call(case.node, case.inputs), run))
    except Unmapped as reason:
        return "unmapped", str(reason)
    except (OpError, RunnerDied) as error:
        return "fail", str(error)
    return ("fail", wrong) if wrong else ("pass", worst)


def run_all(cases, run):
    """A summary by operator, and the failures as (test, text)."""
    summary, failures = {}, []
    for name in sorted(cases):
        row = {"tests": len(cases[name]), "apply": 0, "pass": 0, "fail": 0, "worst": 0.0,
               "unmapped": collections.Counter()}
        for case in cases[name]:
            result, detail = judge(case, run)
            if result == "unmapped":
                row["unmapped"][detail] += 1
                continue
            row["apply"] += 1
            row[result] += 1
            if result == "pass":
                row["worst"] = max(row["worst"], detail)
            else:
                failures.append((case.name, detail))
        summary[name] = row
    return summary, failures


def print_summary(summary, failures, composed, others):
    print("%-26s %5s %5s %5s %5s %10s  %s" % (
        "operator", "tests", "apply", "pass", "fail", "err/bound", "does not apply"))
    for name, row in summary.items():
        print("%-26s %5d %5d %5d %5d %10.2g  %s" % (
            name, row["tests"], row["apply"], row["pass"], row["fail"], row["worst"],
            "; ".join("%d %s" % (n, why) for why, n in row["unmapped"].most_common())))
    total = {k: sum(row[k] for row in summary.values()) for k in ("tests", "apply", "pass", "fail")}
    print("%-26s %5d %5d %5d %5d" % (
        "total", total["tests"], total["apply"], total["pass"], total["fail"]))
    print("not ours: %d tests of %d operators; made of several nodes: %d tests" % (
        sum(others.values()), len(others), composed))
    for name, text in failures:
        print("FAIL %s: %s" % (name, text))
    return total


# ---- the check on the check ----

FLAGS = ("nesterov", "of_gradients", "mean", "count_pad", "nearest")
# what the node tests cannot tell apart: (op, slot or parameter, element)
BLIND = {
    ("norm_clip", "limit", 0): "only the norm is compared",
    ("affine_sample", "index", -1): "one image only",
    ("concat", "y", -1): "written by the calls that follow",
    ("affine_sample", "scale", 1): "images of one channel",
    ("affine_sample", "scale", 2): "images of one channel",
    ("affine_sample", "scale", 3): "images of one channel",
}


def changed(name, value):
    """A wrong value for a parameter, one that is still in its range."""
    if isinstance(value, float):
        return value * 0.5 + 0.125
    return 1 - value if name in FLAGS else value + 1


class Faulty:
    """Calls of a runner with one thing wrong in those of one op: an element of a parameter, or (with
    the element -1) the last element of a tensor."""

    def __init__(self, run, op, name, element):
        self.run, self.op, self.name, self.element = run, op, name, element

    def __call__(self, op, tensors, params=None, outputs=None):
        if op == self.op and self.name in tensors:
            tensor = np.array(tensors[self.name])
            tensor.flat[-1] += 1
            tensors = dict(tensors, **{self.name: tensor})
        elif op == self.op and self.name in (params or {}):
            value = params[self.name]
            values = list(value) if isinstance(value, (list, tuple)) else [value]
            values[self.element] = changed(self.name, values[self.element])
            params = dict(params, **{self.name: values})
        return self.run(op, tensors, params, outputs)


class Recorder:
    """Calls of a runner, noting every fault that could be planted in them."""

    def __init__(self, run):
        self.run, self.seen = run, set()

    def __call__(self, op, tensors, params=None, outputs=None):
        self.seen.update((op, name, -1) for name in tensors)
        for name, value in (params or {}).items():
            count = len(value) if isinstance(value, (list, tuple)) else 1
            self.seen.update((op, name, i) for i in range(count))
        return self.run(op, tensors, params, outputs)


def plant_faults(cases, runner):
    """Plants every fault in the tests that pass and prints those that no test notices. Returns
    whether all were noticed."""
    used = collections.defaultdict(list)
    for name in sorted(cases):
        for case in cases[name]:
            recorder = Recorder(runner.run)
            if judge(case, recorder)[0] == "pass":
                for fault in recorder.seen:
                    used[fault].append(case)
    wrong, refused, missed = 0, 0, 0
    for fault in sorted(set(used) - set(BLIND)):
        results = [judge(case, Faulty(runner.run, *fault)) for case in used[fault]]
        texts = [text for result, text in results if result == "fail"]
        if any(text.startswith("output ") for text in texts):
            wrong += 1
        elif texts:
            refused += 1
            print("refused: %s %s[%d]: %s" % (fault + (texts[0],)))
        else:
            missed += 1
            print("NOT NOTICED: %s %s[%d]" % fault)
    print("%d faults: %d gave wrong results, %d were refused by the library, %d were not noticed" % (
        wrong + refused + missed, wrong, refused, missed))
    return wrong > 0 and not missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", required=True, help="the op_runner program")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--math", default="exact", choices=("exact", "fast"))
    parser.add_argument("--strict", action="store_true", help="nothing may run on the reference")
    parser.add_argument("--operator", help="this ONNX operator only")
    parser.add_argument("--json", metavar="FILE", help="write a summary for programs")
    parser.add_argument("--faults", action="store_true", help="check the suite, not the ops")
    options = parser.parse_args()

    command = [options.runner, "--math", options.math] + ["--strict"] * options.strict
    try:
        runner = Runner(command + [options.device])
    except NoDevice as error:
        print("skipped: %s" % error)
        return 77
    cases, composed, others, corrected = sort(collect())
    if options.operator:
        cases = {name: c for name, c in cases.items() if name == options.operator}
    print("onnx %s on %s, %s" % (onnx.__version__, runner.device, options.math))
    if options.faults:
        noticed = plant_faults(cases, runner)
        runner.close()
        return 0 if noticed else 1
    summary, failures = run_all(cases, runner.run)
    total = print_summary(summary, failures, composed, others)
    print("calls: %s" % ", ".join("%s %d" % item for item in sorted(runner.calls.items())))
    for text in corrected:
        print("added what the test leaves out: %s" % text)
    status = runner.close()
    if status:
        print("op_runner ended with %d" % status)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"onnx": onnx.__version__, "device": runner.device, "math": options.math,
                       "total": total, "operators": summary, "calls": runner.calls,
                       "corrected": corrected,
                       "failures": [{"test": n, "text": t} for n, t in failures]}, file, indent=1)
    return 1 if status or failures or not total["apply"] else 0


if __name__ == "__main__":
    sys.exit(main())
