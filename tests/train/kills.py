#!/usr/bin/env python3
"""Kills runs of several ranks at random moments, and looks that nothing hangs and that each goes on to the same bits.

usage: kills.py CLADE [--kills N] [--seed N]

In turn: kill -9 of a rank, kill -9 of mpirun (both under each launcher that is there), and, as root with iproute2, the
network of a host that goes down (network namespaces, tools/bench/hosts.py). After each, all ranks must end within the
limit of --rank-timeout and ten seconds; then another number of ranks resumes the run. Run by hand: minutes."""
import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent / "tools" / "bench")]
import hosts as namespaces
import launchers
from ranks_test import RECIPE, Bench, digest, history, ranks_of, wait_for_epoch

RANKS, TIMEOUT, GRACE = 3, 3, 10


def kill_rank(job, run):
    os.kill(random.choice(ranks_of(job, run)), signal.SIGKILL)


def kill_launcher(job, _):
    job.kill()


def wait_for_end(job, run):
    """Seconds until no rank is left; None: some hang, and are killed."""
    begun = time.monotonic()
    while ranks_of(job, run):
        if time.monotonic() - begun > TIMEOUT + GRACE:
            for rank in ranks_of(job, run):
                os.kill(rank, signal.SIGKILL)
            return None
        time.sleep(0.05)
    return time.monotonic() - begun


def one(bench, fault):
    """What came of a fault, as text, and whether it is as it should be."""
    run, other = bench.new(), bench.new()
    job = bench.start(bench.begin(bench.train("--out", run, "--epochs", 100000, "--rank-timeout", TIMEOUT)))
    if not wait_for_epoch(run):
        job.kill()
        return "no epoch before the fault", False
    time.sleep(random.uniform(0, 1))
    fault(job, run)
    seconds = wait_for_end(job, run)
    job.kill()
    _, errors = job.communicate()
    ended = "ranks hang" if seconds is None else f"all ended after {seconds:.1f} s"
    said = [line.strip() for line in errors.splitlines() if "clade" in line and "rank" in line]
    ended += f" ({said[0]})" if said else ""
    epochs = len(history(run))
    resumed = bench.run(bench.on(2, bench.resume(run, "--epochs", epochs)))
    if resumed.returncode:
        return f"{ended}, no resume: {resumed.stderr.strip()}", False
    bench.run(bench.train("--out", other, "--epochs", epochs))
    same = digest(run) == digest(other)
    return f"{ended}, epoch {epochs} {'the same' if same else 'NOT the same'} bits", same and seconds is not None


class OnHosts(Bench):
    """One rank on each host."""

    def __init__(self, clade, folder, hosts):
        super().__init__(clade, folder, launchers.LAUNCHERS["Open MPI"])
        self.hosts = hosts

    def begin(self, command):
        return [*self.hosts.mpirun(RANKS), *command]

    def cut(self, *_):
        self.victim = random.choice(self.hosts.names)
        self.hosts.cut(self.victim)


class OnOneHost(Bench):
    def begin(self, command):
        return self.on(RANKS, command)


def prepare(bench):
    bench.folder.mkdir()
    bench.recipe.write_text(RECIPE)
    bench.run([bench.clade, "data", "make", bench.images, "--train", "6", "--validation", "5", "--size", "16"])
    return bench


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clade", type=os.path.abspath)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    args = parser.parse_args()
    random.seed(args.seed)
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory(prefix="clade-kills-") as name:
        folder, faults = pathlib.Path(name), []
        for launcher, words in launchers.there().items():
            bench = prepare(OnOneHost(args.clade, folder / words[0], words))
            faults += [(f"{launcher}, a rank", bench, kill_rank), (f"{launcher}, mpirun", bench, kill_launcher)]
        why_not = namespaces.missing()
        if why_not:
            print(f"no hosts: {why_not}")
            return kill_all(args, faults)
        with namespaces.Hosts(RANKS) as hosts:
            bench = prepare(OnHosts(args.clade, folder / "hosts", hosts))
            return kill_all(args, faults + [("a host's network", bench, bench.cut)])


def kill_all(args, faults):
    good = 0
    for i in range(args.kills):
        name, bench, fault = faults[i % len(faults)]
        text, fine = one(bench, fault)
        if isinstance(bench, OnHosts):
            bench.hosts.cut(bench.victim, up=True)
        good += fine
        print(f"{i + 1:3} {'ok ' if fine else 'BAD'} {name}: {text}", flush=True)
    print(f"{good} of {args.kills}")
    return good != args.kills


if __name__ == "__main__":
    sys.exit(main())
