"""Runs checks in the copy of the tree, with a mutant or with none."""
import collections
import os
import shutil
import signal
import subprocess
import time

Result = collections.namedtuple("Result", "number verdict check")
SKIPPED = 77


class Broken(Exception):
    """A check fails without a mutant."""


class Runner:
    def __init__(self, copy, kernels, count):
        """kernels: whether there are mutants of kernels; count: of all mutants."""
        self.copy, self.kernels, self.count = copy, kernels, count
        self.cache = copy.work / "cache"
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()

    def run(self, check, number=None, reached=None, limit=None):
        """The exit status of a check; None: it took longer than the limit and was killed."""
        env = {**os.environ, **check.env, "XDG_CACHE_HOME": str(self.cache)}
        flag = ""
        if number is not None:
            env["CLADE_MUTANT"], flag = str(number), f" -DCLADE_MUTANT_NUMBER={number}"
        if reached:
            reached.write_bytes(bytes(self.count))
            env["CLADE_MUTANT_REACHED"], flag = str(reached), " -DCLADE_MUTANT_REACHED"
            env["LD_PRELOAD"] = str(self.copy.mapper)
        if self.kernels:  # this folder is the last of the options that Clade gives to the compiler
            env["CLADE_KERNELS"] = str(self.copy.path / "kernels") + flag
        process = subprocess.Popen(check.command, cwd=self.copy.build, env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def reach(self, fitting):
        """Runs every check without a mutant: [(seconds, check, the numbers it reaches)], quickest first."""
        runs = []
        for check in fitting:
            file = self.copy.work / "reached"
            start = time.monotonic()
            status = self.run(check, reached=file)
            if status == SKIPPED:
                continue
            if status:
                raise Broken(f"{check.name} fails without a mutant (exit status {status}); to see why, run it in "
                             f"{self.copy.build}: {' '.join(check.command)}")
            numbers = {i for i, byte in enumerate(file.read_bytes()) if byte}
            runs.append((time.monotonic() - start, check, numbers))
        return sorted(runs, key=lambda r: r[0])

    def judge(self, runs, number):
        """Runs the checks that reach a mutant until one fails."""
        fitting = [(seconds, check) for seconds, check, numbers in runs if number in numbers]
        if not fitting:
            return Result(number, "not reached", "")
        for seconds, check in fitting:
            status = self.run(check, number, limit=10 * seconds + 10)
            if status != 0:
                return Result(number, "hung" if status is None else "caught", check.name)
        return Result(number, "SURVIVED", "")
