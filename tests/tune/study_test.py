"""Runs `clade tune` on small nets: a study that is killed over and over comes to the same as one that is not,
processes share a study, crashes and impossible settings cost one trial, and bad input gets one clear line.

usage: study_test.py CLADE"""
import fcntl
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish
from page import Page

RECIPE = """
name: small
input: {size: 16, rescale: 1/255}
vars: {blocks: 1, kernel: 3, dense: 1}
model:
  - repeat:
      times: $blocks
      with: {filters: [4, 8]}
      layers:
        - conv2d: {filters: $filters, kernel: $kernel, activation: relu}
        - maxpool2d: 2
  - flatten
  - repeat: {times: $dense, layers: [dense: {units: 8, activation: relu}]}
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 8, epochs: 2}
tune:
  lr: {log: [1e-4, 1e-1]}
  optimizer: {choice: [adam, sgd]}
  blocks: {int: [1, 2]}
  kernel: {choice: [3, 5]}
  dense: {int: [0, 2]}
"""


class Bench:
    def __init__(self, clade, folder):
        self.clade, self.folder = clade, folder
        self.images = folder / "images"
        subprocess.run([clade, "data", "make", self.images, "--train", "24", "--validation", "8", "--size", "16"],
                       check=True)

    def recipe(self, name, text=RECIPE):
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        return path

    def command(self, recipe, study, *more):
        return [str(c) for c in (self.clade, "tune", recipe, "--data", self.images, "--out", self.folder / study,
                                 "--device", "cpu", "--threads", "1", *more)]

    def run(self, recipe, study, *more):
        return subprocess.run(self.command(recipe, study, *more), capture_output=True, text=True, timeout=120)

    def trials(self, study):
        """What every trial came to, without times."""
        found = []
        for path in sorted((self.folder / study / "trials").glob("*/trial.json")):
            trial = json.loads(path.read_text())
            del trial["seconds"]
            found.append(trial)
        return found


def fails(bench, what, expected, *args, status=(1, 2), **more):
    run = bench.run(*args, **more)
    lines = run.stderr.strip().splitlines()
    check(run.returncode in status and len(lines) == 1 and expected in lines[0],
          f"{what}: status {run.returncode}, said {run.stderr!r}, expected {expected!r}")


def look_at_page(path):
    page = Page(path)
    check(not page.faults, f"study.html: {page.faults}")
    # by trial, parallel coordinates, importance, a slice for each of five; a row per trial and the head's
    check(page.count("svg") == 8 and page.count("tr") == 10, f"study.html: {page.count('svg')}, {page.count('tr')}")


def wait_for_children(study):
    """A killed process' child dies a moment after it, and its lock with it."""
    for path in (study / "trials").glob("*/trial.lock"):
        with open(path, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def killed_and_resumed(bench):
    recipe = bench.recipe("small")
    begun = time.monotonic()
    whole = bench.run(recipe, "whole", "--trials", 9, "--epochs", 3, "--seed", 5)
    took = time.monotonic() - begun
    check(whole.returncode == 0, f"whole study: {whole.stderr}")
    check(whole.stdout.count("\n") == 11 and "best:" in whole.stdout, f"one line per trial: {whole.stdout}")
    moments, kills, killed = random.Random(2), 0, bench.folder / "killed"
    for _ in range(60):
        command = bench.command(recipe, "killed", "--trials", 9, "--epochs", 3, "--seed", 5)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            # as its trials begin, one after the other, so that the study is not done by then; later ones may finish
            while kills < 6 and process.poll() is None and len(list(killed.glob("trials/*"))) < kills:
                time.sleep(0.002)
            share = moments.uniform(0, 0.1) if kills < 6 else moments.uniform(0.3, 2)
            _, errors = process.communicate(timeout=share * took)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            wait_for_children(killed)
            listed = subprocess.run([bench.clade, "tune", "--list", killed], capture_output=True, text=True)
            begun = (killed / "study.json").exists()
            check(listed.returncode == 0 or not begun, f"a killed study can be read: {listed.stderr}")
            continue
        check(process.returncode == 0, f"resumed study: {errors}")
        break
    check(kills >= 2, f"killed {kills} times")
    check(bench.trials("killed") == bench.trials("whole"), "a killed and resumed study has the same trials")
    best = [(bench.folder / s / "best.yaml").read_text() for s in ("whole", "killed")]
    check(best[0] == best[1] and "repeat" not in best[0] and "tune:" not in best[0] and "epochs: 2" in best[0],
          "best.yaml is the same, resolved, and has the recipe's epochs")
    values = [json.dumps(t["values"]) for t in bench.trials("whole")]
    check(len(set(values)) == 9, "no settings twice")
    first = bench.trials("whole")[0]["values"]
    check(first["optimizer"] == "adam" and first["blocks"] == 1, f"the first trial is the recipe itself: {first}")
    (bench.folder / "whole" / "best.yaml").unlink()  # as if killed before it was written
    again = bench.run(recipe, "whole", "--trials", 9, "--epochs", 3, "--seed", 5)
    check(again.returncode == 0 and "Trial" not in again.stdout.replace("trial", ""), "nothing left to do")
    check((bench.folder / "whole" / "best.yaml").exists(), "best.yaml is made up for")
    trained = subprocess.run([bench.clade, "train", bench.folder / "whole" / "best.yaml", "--epochs", "1", "--out",
                              bench.folder / "best"], capture_output=True, text=True)
    check(trained.returncode == 0, f"best.yaml trains: {trained.stderr}")
    listed = subprocess.run([bench.clade, "tune", "--list", bench.folder / "whole", "--json"], capture_output=True,
                            text=True)
    check(len([json.loads(line) for line in listed.stdout.splitlines()]) == 9, "--list --json")
    look_at_page(bench.folder / "whole" / "study.html")


def shared(bench):
    recipe = bench.recipe("small")
    commands = [bench.command(recipe, "shared", "--trials", 8, "--epochs", 1) for _ in range(3)]
    processes = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    outputs = [p.communicate(timeout=120) for p in processes]
    check(all(p.returncode == 0 for p in processes), f"three processes: {outputs}")
    trials = bench.trials("shared")
    check([t["trial"] for t in trials] == list(range(1, 9)), "three processes make eight trials")
    check(all(t["state"] != "running" for t in trials), "three processes end all trials")
    check(len({json.dumps(t["values"]) for t in trials}) == 8, "three processes try different settings")


def child_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def crashed(bench):
    recipe = bench.recipe("small")
    process = subprocess.Popen(bench.command(recipe, "crashed", "--trials", 2, "--epochs", 40),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    history = bench.folder / "crashed" / "trials" / "0001" / "history.csv"
    while not history.exists() and process.poll() is None:
        time.sleep(0.01)
    os.kill(child_of(process.pid), signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    trials = bench.trials("crashed")
    check(process.returncode == 0 and trials[0]["state"] == "failed" and "signal 9" in trials[0]["error"] and
          trials[1]["state"] == "done", f"a crash costs one trial: {output} {errors}")


def stopped(bench):
    recipe = bench.recipe("small")
    process = subprocess.Popen(bench.command(recipe, "stopped", "--trials", 1, "--epochs", 100000),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    history = bench.folder / "stopped" / "trials" / "0001" / "history.csv"
    while not history.exists() and process.poll() is None:
        time.sleep(0.01)
    writer = subprocess.run([bench.clade, "train", "--resume", history.parent], capture_output=True, text=True)
    check(writer.returncode == 1 and "another process" in writer.stderr, f"two writers: {writer.stderr}")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    check(process.returncode == 130 and "the same command continues" in errors, f"Ctrl-C: {process.returncode} {errors}")
    check(bench.trials("stopped")[0]["state"] == "running", "Ctrl-C leaves the trial to be resumed")
    limited = bench.run(recipe, "stopped", "--trials", 1, "--epochs", 100000, "--time-limit", "0.5s")
    check(limited.returncode == 0 and "stopped" in limited.stderr, f"--time-limit: {limited.stderr}")


def halved(bench):
    recipe = bench.recipe("small")
    run = bench.run(recipe, "asha", "--method", "asha", "--trials", 9, "--epochs", 9)
    epochs = sorted(t["epochs"] for t in bench.trials("asha") if t["state"] == "done")
    check(run.returncode == 0 and set(epochs) == {1, 3, 9} and len(epochs) == 9, f"asha: {epochs} {run.stderr}")


def seeded(bench):
    recipe = bench.recipe("small")
    run = bench.run(recipe, "seeds", "--trials", 1, "--seeds-per-trial", 2)
    runs = [bench.folder / "seeds" / "trials" / "0001" / part / "history.csv" for part in (".", "seed-2")]
    bests = [max(float(line.split(",")[4]) for line in r.read_text().splitlines()[1:]) for r in runs]
    check(run.returncode == 0 and abs(bench.trials("seeds")[0]["objective"] - sum(bests) / 2) < 1e-6,
          f"two seeds: {bests} {run.stderr}")


def scaled(bench):
    run = bench.run(bench.recipe("small"), "scaled", "--trials", 1, "--precision", "mixed_float16")
    history = (bench.folder / "scaled" / "trials" / "0001" / "history.csv").read_text()
    trial = bench.trials("scaled")[0]
    check(history.splitlines()[0].endswith(",skipped") and run.returncode == 0 and trial["state"] == "done" and
          trial["epochs"] == 2, f"a history with a column of skipped steps: {trial} {run.stderr}")


def bad_input(bench):
    small = bench.recipe("small")
    bench.run(small, "study", "--trials", 1, "--epochs", 1)
    fails(bench, "no tune", "no section 'tune'", bench.recipe("none", RECIPE.split("tune:")[0]), "none")
    for what, entry, expected in [
            ("wrong way round", "lr: {log: [1e-1, 1e-4]}", ":17: tune: lr: the range is the wrong way round"),
            ("log of 0", "lr: {log: [0, 1]}", "greater than 0"),
            ("unknown key", "augment.zom: {range: [0, 1]}", "did you mean 'zoom'"),
            ("line of it", "augment.zom: {range: [0, 1]}", ":17: tune: no value of 'augment.zom'"),
            ("unknown variable", "bloks: {int: [1, 2]}", ":17: tune: no value of 'bloks'"),
            ("unknown word", "lr: {rang: [0, 1]}", "did you mean 'range'"),
            ("two kinds", "lr: {range: [0, 1], int: [0, 1]}", "expected one of"),
            ("half", "blocks: {int: [0.5, 1]}", "whole numbers"),
            ("no choices", "kernel: {choice: []}", "expected values"),
            ("wrong when", "kernel: {choice: [3], when: {nix: 1}}", "nothing above is named 'nix'"),
    ]:
        fails(bench, what, expected, bench.recipe("bad", RECIPE.split("tune:")[0] + "tune:\n  " + entry + "\n"), "bad")
    fails(bench, "no device", "device 'nosuch' is not here", small, "bad", "--device", "nosuch")
    check(not (bench.folder / "bad" / "study.json").exists(), "a bad recipe or device makes no study")
    fails(bench, "misspelt variable", "did you mean '$kernel'", bench.recipe("v", RECIPE.replace("$kernel", "$kernle")),
          "v")
    fails(bench, "another recipe", "another recipe", bench.recipe("other", RECIPE.replace("units: 8", "units: 9")),
          "study", "--epochs", 1)
    fails(bench, "another objective", "objective is val_accuracy", small, "study", "--epochs", 1, "--objective",
          "val_loss")
    (bench.folder / "full").mkdir()
    (bench.folder / "full" / "photo.jpg").write_text("")
    fails(bench, "no study", "not empty and not a study", small, "full")
    check(os.listdir(bench.folder / "full") == ["photo.jpg"], "a folder with other things is left alone")
    diverges = bench.recipe("nan", RECIPE.split("tune:")[0].replace("adam", "{sgd: {lr: 1e30}}") +
                            "tune: {kernel: {choice: [1, 2, 3, 4, 5]}, dense: {int: [0, 2]}}\n")
    fails(bench, "all fail", "all of 5 trials failed; the last: the loss became", diverges, "nan")
    check(len(bench.trials("nan")) == 5, "five trials that fail are enough")


def main(clade):
    with tempfile.TemporaryDirectory(prefix="clade-tune-") as name:
        bench = Bench(clade, pathlib.Path(name))
        for part in (killed_and_resumed, shared, crashed, stopped, halved, seeded, scaled, bad_input):
            started = time.monotonic()
            part(bench)
            print(f"{part.__name__}: {time.monotonic() - started:.1f} s")
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
