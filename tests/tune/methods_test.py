"""Runs `clade tune` with its further methods on small nets: Parzen estimators resume to the same trials, Hyperband has
its brackets, two objectives have a front that every output agrees on, a study goes on from another, and bad input gets
one clear line.

usage: methods_test.py CLADE"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent))
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish
from page import Page
from study_test import RECIPE, Bench, fails


def resumed(bench):
    recipe = bench.recipe("small")
    options = ("--method", "tpe", "--epochs", 1, "--seed", 3)
    whole = bench.run(recipe, "whole", *options, "--trials", 14)
    check(whole.returncode == 0, f"tpe: {whole.stderr}")
    for trials in (4, 11, 14):
        part = bench.run(recipe, "parts", *options, "--trials", trials)
        check(part.returncode == 0, f"tpe, {trials} trials: {part.stderr}")
    check(bench.trials("whole") == bench.trials("parts"), "a study in parts has the same trials as one in a piece")


def brackets(bench):
    run = bench.run(bench.recipe("small"), "hyperband", "--method", "hyperband", "--epochs", 9)
    epochs = [t["epochs"] for t in bench.trials("hyperband")]
    check(run.returncode == 0 and len(epochs) == 17, f"hyperband: a round of 9, 5 and 3 trials: {epochs} {run.stderr}")
    for first, count, expected in ((0, 9, [1] * 6 + [3] * 2 + [9]), (9, 5, [3] * 4 + [9]), (14, 3, [9] * 3)):
        check(sorted(epochs[first:first + count]) == expected, f"hyperband: {epochs[first:first + count]}")
    recipe, page = bench.recipe("small"), (bench.folder / "hyperband" / "study.html").read_text()
    check("Hyperband" in page, "study.html names the method")
    few = bench.run(recipe, "few", "--method", "hyperband", "--epochs", 9, "--trials", 3)
    epochs = sorted(t["epochs"] for t in bench.trials("few"))
    check(few.returncode == 0 and epochs == [1, 1, 9], f"hyperband with three trials: {epochs} {few.stderr}")


def front_of(trials):
    """By the definition: no other is at least as good in both and better in one."""
    done = [(t["trial"], t["objective"], t["cost"]) for t in trials if t["state"] == "done"]
    return {n for n, a, c in done if not any(b >= a and d <= c and (b, d) != (a, c) for _, b, d in done)}


def two_objectives(bench):
    recipe = bench.recipe("small")
    run = bench.run(recipe, "front", "--against", "parameters", "--trials", 9, "--epochs", 1)
    trials = bench.trials("front")
    front = front_of(trials)
    check(run.returncode == 0 and front, f"two objectives: {run.stderr}")
    for trial in trials:
        metrics = json.loads((bench.folder / "front" / "trials" / f"{trial['trial']:04}" / "metrics.json").read_text())
        check(trial["cost"] == sum(metrics["parameters"].values()), f"its cost are its parameters: {trial}")
    best = min((t for t in trials if t["state"] == "done"), key=lambda t: (-t["objective"], t["cost"], t["trial"]))
    lines = run.stdout.splitlines()
    told = [int(line.split()[1].rstrip(",")) for line in lines if line.startswith("  trial ")]
    check(set(told) == front and len(told) == len(front) and told[0] == best["trial"], f"the front is printed, the best first: {lines}")
    check(f"{len(front)} of 9 trials, hypervolume" in run.stdout and
          f"Best by val_accuracy: trial {best['trial']}" in run.stdout, f"which is best is said: {lines[-3:]}")
    listed = subprocess.run([bench.clade, "tune", "--list", bench.folder / "front", "--json"], capture_output=True,
                            text=True)
    listed = [json.loads(line) for line in listed.stdout.splitlines()]
    check({t["trial"] for t in listed if t["front"]} == front and [t["trial"] for t in listed if t["best"]] ==
          [best["trial"]] and all(t["parameters"] > 0 for t in listed), f"--json has the front: {listed}")
    page = Page(bench.folder / "front" / "study.html")
    text = (bench.folder / "front" / "study.html").read_text()
    check(not page.faults and page.count("svg") == 9 and text.count(", front") == len(front),
          f"study.html draws it: {page.faults}, {page.count('svg')}, {text.count(', front')}")
    again = bench.run(recipe, "front", "--against", "parameters", "--trials", 9, "--epochs", 1)
    check(again.returncode == 0 and bench.trials("front") == trials, "nothing left to do")
    for cost in ("flop", "seconds"):
        run = bench.run(recipe, cost, "--against", cost, "--trials", 2, "--epochs", 1, "--method", "tpe")
        check(run.returncode == 0 and all(t["cost"] > 0 for t in bench.trials(cost)), f"{cost}: {run.stderr}")
    # a convolution of 14 x 14 x 4 outputs, dense layers of 196 x 8 and 8 x 4
    check(bench.trials("flop")[0]["cost"] == 2 * (14 * 14 * 4 * 27 + 196 * 8 + 8 * 4), f"{bench.trials('flop')[0]}")


def warm(bench):
    small = bench.recipe("small")
    bench.run(small, "cold", "--method", "tpe", "--trials", 12, "--epochs", 1)
    other = bench.recipe("other", RECIPE.replace("dense: {int: [0, 2]}", "dense: {int: [0, 1]}\n  batch: {int: [4, 8]}"))
    options = ("--method", "tpe", "--epochs", 1, "--from", bench.folder / "cold")
    run = bench.run(other, "warm", *options, "--trials", 2)
    trials = bench.trials("warm")
    prior = json.loads((bench.folder / "warm" / "prior.json").read_text())
    cold = bench.trials("cold")
    check(run.returncode == 0 and [t["trial"] for t in trials] == [1, 2], f"warm: {run.stderr}")
    check("learns from 12 trials of" in run.stderr and "dense (range differs), batch (not in that study)" in run.stderr
          and "lr (" not in run.stderr, f"what does not agree is said: {run.stderr}")
    check([t["objective"] for t in prior["trials"]] == [t["objective"] for t in cold] and
          set(prior["trials"][0]["values"]) == {"lr", "optimizer", "blocks", "kernel"}, f"prior.json: {prior}")
    start = bench.run(other, "start", "--method", "tpe", "--epochs", 1, "--trials", 1)
    check(start.returncode == 0 and bench.trials("start")[0]["values"] != trials[0]["values"],
          "the first trial is proposed, not the recipe's")
    whole = bench.run(other, "warm3", *options, "--trials", 3)
    subprocess.run(["mv", bench.folder / "cold", bench.folder / "moved"], check=True)
    again = bench.run(other, "warm", *options, "--trials", 3)
    check(whole.returncode == again.returncode == 0 and bench.trials("warm") == bench.trials("warm3"),
          f"resumed without the other study, to the same trials: {again.stderr}")
    fails(bench, "without it", "learns from", other, "warm", "--method", "tpe", "--epochs", 1)
    check("learns from 12 trials" in (bench.folder / "warm" / "study.html").read_text(), "study.html says so")


def bad_input(bench):
    small = bench.recipe("small")
    bench.run(small, "study", "--trials", 1, "--epochs", 1)
    from_study = ("--from", bench.folder / "study", "--epochs", 1)
    fails(bench, "unknown method", "'nelder'", small, "bad", "--method", "nelder")
    fails(bench, "unknown cost", "'watts'", small, "bad", "--against", "watts")
    fails(bench, "asha, two", "method asha compares trials by one objective", small, "bad", "--method", "asha", "--against", "flop")
    fails(bench, "random from", "expected gp or tpe", small, "bad", "--method", "random", *from_study)
    fails(bench, "from nothing", "not a study", small, "bad", "--from", bench.folder / "nowhere",
          status=(3,))
    fails(bench, "another objective", "its objective is val_accuracy, this study's val_loss", small, "bad", *from_study,
          "--objective", "val_loss")
    fails(bench, "no such cost", "its second objective is none, this study's flop", small, "bad", *from_study,
          "--against", "flop")
    other = bench.recipe("space", RECIPE.split("tune:")[0] + "tune: {lr: {log: [1e-3, 1e-1]}}\n")
    fails(bench, "another space", "searches another space", other, "bad", *from_study)
    fails(bench, "one more objective", "second objective is none, not parameters", small, "study", "--epochs", 1,
          "--against", "parameters")
    check(not (bench.folder / "bad").exists(), "bad input makes no folder")
    run = bench.run(small, "exploded", "--trials", 1, "--epochs", 1, "--set", "tune={lr: {choice: [1e30, 1e31]}}")
    check(run.returncode == 1 and "No trial has finished" in run.stdout, f"no trial: {run.returncode}, {run.stdout!r}")
    metrics = bench.folder / "study" / "trials" / "0001" / "metrics.json"
    run = bench.run(small, "costs", "--trials", 1, "--epochs", 1, "--against", "parameters")
    check(run.returncode == 0, run.stderr)
    trial = bench.folder / "costs" / "trials" / "0001"
    state = json.loads((trial / "trial.json").read_text())
    (trial / "trial.json").write_text(json.dumps({**state, "state": "running"}))
    (trial / "metrics.json").write_text(metrics.read_text().replace('"parameters"', '"weights"'))
    fails(bench, "a run that does not say", "metrics.json: expected 'parameters'", small, "costs", "--trials", 1,
          "--epochs", 1, "--against", "parameters", status=(1, 2, 3))


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-methods-") as name:
        bench = Bench(clade, pathlib.Path(name))
        for part in (resumed, brackets, two_objectives, warm, bad_input):
            part(bench)
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
