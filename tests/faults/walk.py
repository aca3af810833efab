"""Runs a command again and again, each time with another fault: the first call of a kind fails, then the second, until
there is no such call any more. Each time it must end by itself, in order: with the result that it has undisturbed, or
with a message and a status that is not zero, and what it has saved must go on to the same bits. The layers that make
calls fail are beside this file; each says how.

usage: walk.py memory|files|opencl CLADE LAYER.so [--all] [--scenario NAME] [--kind NAME] [--first N] [--jobs N]

Without --all it walks a part: the first calls of each kind, and some of the rest at equal distances."""
import argparse
import concurrent.futures
import os
import pathlib
import struct
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
import scenarios
from bench import Bench
from faults import FAULTS

LAST = 2**63
EXIT_SKIP = 77


class Walk:
    """Of one scenario and one fault, over n."""

    def __init__(self, bench, scenario, fault, options):
        self.bench, self.scenario, self.fault, self.options = bench, scenario, fault, options
        self.walked = self.failed = 0
        self.bad = []

    def run(self, n):
        """The counts of calls and of failed ones, and what is wrong, with the n-th call and, where the fault lasts, all
        later ones failing."""
        with tempfile.TemporaryDirectory(dir=self.bench.folder, prefix="fault-", ignore_cleanup_errors=True) as name:
            folder = pathlib.Path(name)
            counts = folder / "counts"
            counts.write_bytes(bytes(16))
            environment = dict(self.fault.environment, FAULT_COUNT=str(counts), FAULT_FIRST=str(n),
                               FAULT_LAST=str(LAST if self.fault.lasts else n), FAULT_LEAKS=str(folder / "leaks"))
            case = self.scenario(self.bench, folder)
            ended = case.run(environment)
            calls, failed = struct.unpack("QQ", counts.read_bytes())
            wrong = self.fault.judge(case, ended) if failed else []
            leaks = folder / "leaks"
            if leaks.exists() and leaks.stat().st_size:
                wrong.append("leaks:\n" + self.bench.where(leaks.read_text()))
            return calls, failed, wrong, ended

    def numbers(self, calls):
        """The calls to fail, of as many as there were undisturbed."""
        if self.options.first or self.fault.once:
            return [self.options.first or 1][:calls]
        if self.options.all:
            return range(1, calls + 1)
        few, some = (max(1, n // self.scenario.cost) for n in self.fault.few)
        step = max(1, (calls - few) // some)
        return sorted({*range(1, min(few, calls) + 1), *range(few + step, calls + 1, step)})

    def note(self, n, result):
        _, failed, wrong, ended = result
        self.walked += 1
        self.failed += ended.code != 0
        if wrong:
            self.bad.append(n)
            print(f"failed: {self} --first {n}: status {ended.code}: " + "; ".join(wrong), flush=True)
            for line in ended.errors.splitlines()[-3:]:
                print(f"    {line}")
        return failed

    def __str__(self):
        return f"--scenario {self.scenario.name} --kind {self.fault.name}"

    def go(self, pool):
        calls, _, _, ended = self.run(0)
        if ended.code != 0:
            print(f"failed: {self}: undisturbed: status {ended.code}\n{ended.errors}")
            self.bad.append(0)
            return
        for n, result in zip(self.numbers(calls), pool.map(self.run, self.numbers(calls))):
            self.note(n, result)
        n = calls + 1
        # threads make the number vary
        while self.options.all and not self.options.first and not self.fault.once and calls and self.note(n, self.run(n)):
            n += 1
        if not self.fault.enough(self.failed, self.walked):
            print(f"failed: {self}: {self.failed} of {self.walked} are noticed")
            self.bad.append(0)
        if calls:
            print(f"{self}: {calls} calls, {self.walked} walked, {self.failed} ended with an error, "
                  f"{len(self.bad)} bad", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("layer", choices=FAULTS)
    parser.add_argument("clade")
    parser.add_argument("module")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--scenario")
    parser.add_argument("--kind")
    parser.add_argument("--first", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sanitized", action="store_true", help="Clade is built with sanitizers")
    options = parser.parse_args()
    if options.sanitized and options.layer != "opencl":
        print("skipped: sanitizers take these calls themselves")
        return EXIT_SKIP
    faults = [f for f in FAULTS[options.layer](os.path.abspath(options.module))
              if options.kind in (None, f.name)]
    chosen = [s for s in scenarios.of(options.layer) if options.scenario in (None, s.name)]
    if not chosen:
        print(f"skipped: no scenario '{options.scenario}' here")
        return EXIT_SKIP
    walks = []
    with tempfile.TemporaryDirectory(prefix="clade-faults-") as name, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        bench = Bench(os.path.abspath(options.clade), pathlib.Path(name), options.layer)
        if options.layer == "opencl" and bench.run("evaluate", bench.folder / "whole", "--device", "opencl").code:
            print("skipped: there is no OpenCL device")
            return EXIT_SKIP
        bench.check_layer(options.layer, faults[0].environment)
        for scenario in chosen:
            for fault in faults:
                if not fault.suits(scenario.name):
                    continue
                walks.append(Walk(bench, scenario, fault, options))
                walks[-1].go(pool)
    bad = sum(len(w.bad) for w in walks)
    print(f"{options.layer}: {sum(w.walked for w in walks)} faults, {bad} bad")
    return 1 if bad or not any(w.walked for w in walks) else 0


if __name__ == "__main__":
    sys.exit(main())
