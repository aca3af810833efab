"""Ranks under the MPI launchers that are there: the bits of one process, on any number of ranks and after a resume on
another; what does not fit is refused before the first step; ranks that die or hang end the others, and the run resumes.

usage: ranks_test.py CLADE"""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import launchers
from checks import check, finish

RECIPE = """
name: ranks
input: {size: 16, rescale: 1/255}
augment: {rotation: 20, horizontal_flip: true, random_erasing: {}, color_jitter: {contrast: 0.4, hue: 0.2},
  mixup: {}, cutmix: {}}
model:
  - conv2d: {filters: 8, kernel: 3}
  - batchnorm: {momentum: 0.9}
  - activation: relu
  - flatten
  - dense: {units: 256, activation: relu}  # 400,000 weights: gradients in several buckets
  - dropout: 0.3
  - dense: {units: classes, activation: softmax}
train:
  loss: sparse_categorical_crossentropy
  optimizer: adam
  schedule: {plateau: {patience: 1}}
  batch: 10
  shard: 1
  epochs: 3
"""
LIMIT = 120


def digest(run):
    path = run / "last.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def history(run):
    """The epochs without what they took."""
    return [line.rsplit(",", 2)[0] for line in (run / "history.csv").read_text().splitlines()]


class Bench:
    def __init__(self, clade, folder, launcher):
        self.clade, self.folder, self.launcher = clade, folder, launcher
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"), HOME=str(folder))
        self.images, self.recipe = folder / "images", folder / "ranks.yaml"
        self.count = 0

    def new(self):
        self.count += 1
        return self.folder / f"run-{self.count}"

    def train(self, *more):
        return [self.clade, "train", self.recipe, "--data", self.images, "--math", "exact", "--device", "cpu", *more]

    def resume(self, run, *more):
        return [self.clade, "train", "--resume", run, "--device", "cpu", *more]

    def on(self, ranks, command):
        return [*self.launcher, "-n", ranks, *command]

    def run(self, command, environment=None):
        command = [str(word) for word in command]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=self.folder,
                              env=dict(self.environment, **(environment or {})))

    def start(self, command):
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, cwd=self.folder, env=self.environment)


def ends_well(bench, command, what):
    ended = bench.run(command)
    check(ended.returncode == 0, f"{what}: status {ended.returncode}: {ended.stderr}")
    return ended


def check_bits(bench, whole):
    for ranks in (2, 3, 4, 8):
        run = bench.new()
        ended = ends_well(bench, bench.on(ranks, bench.train("--out", run)), f"{ranks} ranks")
        check(digest(run) == digest(whole), f"{ranks} ranks: other weights")
        check(history(run) == history(whole), f"{ranks} ranks: another history")
        check(ended.stdout.count("3/3 - ") == 1, f"{ranks} ranks: not one of them tells")
        check("beside the backward pass" in ended.stdout, f"{ranks} ranks: no exchange is told of")
    for first, then in ((4, 1), (1, 3)):
        run = bench.new()
        begin, go_on = bench.train("--out", run, "--pause", 1), bench.resume(run)
        ends_well(bench, bench.on(first, begin) if first > 1 else begin, "a pause")
        ends_well(bench, bench.on(then, go_on) if then > 1 else go_on, "a resume")
        check(digest(run) == digest(whole), f"{first} ranks, then {then}: other weights")
        check(history(run) == history(whole), f"{first} ranks, then {then}: another history")


def check_synced(bench):
    """Batch statistics over all shards, which several ranks compute."""
    synced = ("--set", "train.sync_batchnorm=true", "--batch", 9, "--shard", 2, "--epochs", 2)
    whole, plain = bench.new(), bench.new()
    ends_well(bench, bench.train("--out", whole, *synced), "one process, synced")
    ends_well(bench, bench.train("--out", plain, *synced[2:]), "one process")
    check(digest(whole) != digest(plain), "synced: the weights of shards on their own")
    for ranks, more in ((2, ()), (3, ()), (2, ("--device", "cpu,cpu"))):
        run = bench.new()
        ends_well(bench, bench.on(ranks, bench.train("--out", run, *synced, *more)), f"{ranks} ranks, synced")
        check(digest(run) == digest(whole), f"{ranks} ranks, synced, {more}: other weights")
        check(history(run) == history(whole), f"{ranks} ranks, synced: another history")


def segments_of(process):
    """How many ranks' segments a process maps."""
    lines = pathlib.Path(f"/proc/{process}/maps").read_text().splitlines()
    return len({line.split()[4] for line in lines if "/memfd:clade" in line})  # by inode


def bytes_of_segments(processes):
    """What is in memory of their segments: of each the most that one of them has touched."""
    most = {}
    for process in processes:
        inode = None
        for line in pathlib.Path(f"/proc/{process}/smaps").read_text().splitlines():
            words = line.split()
            if "-" in words[0]:
                inode = words[4] if "/memfd:clade" in line else None
            elif inode and words[0] == "Rss:":
                most[inode] = max(most.get(inode, 0), 1024 * int(words[1]))
    return sum(most.values())


def check_one_copy(bench):
    """Ranks have the weights once, and with an average each for itself."""
    weights, taken = 4 * 400_000, []
    for more in ((), ("--set", "train.ema={decay: 0.5}")):
        run = bench.new()
        job = bench.start(bench.on(3, bench.train("--out", run, "--epochs", 1000, *more)))
        check(wait_for_epoch(run), "no epoch of three ranks")
        taken.append(bytes_of_segments(ranks_of(job, run)))
        job.terminate()
        job.communicate(timeout=LIMIT)
    check(1.5 * weights < taken[1] - taken[0] < 2.5 * weights, f"segments of one copy, and of three: {taken}")


def check_checkpoint(bench):
    """A rank that has no shard of a small batch writes the weights that it had when the epoch ended: the others wait for it,
    however long that takes. Here it is stopped once it has written them for the first of two times."""
    images, run = bench.folder / "few", bench.new()
    ends_well(bench, [bench.clade, "data", "make", images, "--classes", "2", "--train", "2", "--validation", "2", "--size", "16"],
              "few images")
    job = bench.start(bench.on(5, bench.train("--out", run, "--data", images, "--epochs", 1000, "--set",
                                              "model.4.dense.units=4096")))
    end = time.monotonic() + LIMIT
    while not (run / "best.safetensors").exists() and time.monotonic() < end:
        pass
    first, *others = ranks_of(job, run)
    os.kill(first, signal.SIGSTOP)
    time.sleep(2)
    for other in others:
        os.kill(other, signal.SIGSTOP)
    os.kill(first, signal.SIGCONT)
    while not (run / "state").exists() and time.monotonic() < end:
        time.sleep(0.05)
    best, last = ((run / name).read_bytes() for name in ("best.safetensors", "last.safetensors"))
    check(best == last, "others trained on while the first rank wrote its weights")
    for process in (first, *others):
        os.kill(process, signal.SIGKILL)
    job.communicate(timeout=LIMIT)


def check_hosts(bench, whole):
    """Ranks of one host map each other's memory, those of another none of theirs: with host names of their own, in one tree."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        print("no hosts: that needs root and unshare")
        return
    elsewhere = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', "elsewhere"]
    synced = ("--set", "train.sync_batchnorm=true")
    few = bench.new()
    ends_well(bench, bench.train("--out", few, *synced), "one process, synced")
    for here, there in ((2, 1), (1, 2), (2, 2), (7, 3)):
        for same, more in ((whole, ()), (few, synced)):
            run = bench.new()
            train = bench.train("--out", run, *more)
            ends_well(bench, [*bench.launcher, "-n", here, *train, ":", "-n", there, *elsewhere, *train],
                      f"{here} ranks and {there} elsewhere")
            check(digest(run) == digest(same), f"{here} ranks and {there} elsewhere, {more}: other weights")
    run = bench.new()
    train = bench.train("--out", run, "--epochs", 1000)
    job = bench.start([*bench.launcher, "-n", 2, *train, ":", "-n", 1, *elsewhere, *train])
    check(wait_for_epoch(run), "no epoch on two hosts")
    found = sorted(segments_of(process) for process in ranks_of(job, run))
    check(found == [0, 2, 2], f"segments that three ranks on two hosts map: {found}")
    job.terminate()
    job.communicate(timeout=LIMIT)


def check_optimizers(bench):
    """Steps that ranks take for their slices, and those that need the norm of all; an average; more ranks than send straight
    to everyone, and a number of them that is no power of two."""
    few = ("--batch", 12, "--shard", 1, "--epochs", 2, "--threads", 1)
    average = "train.ema={decay: 0.75}"
    groups = "train.optimizer={adamw: {lr: 0.01, decay: weights, lr_scale: {kernel: 0.5}}}"
    cases = {
        "groups": ((2, 3, 12), ("--set", groups, "--set", average)),
        "velocity": ((3,), ("--set", "train.optimizer={sgd: {lr: 0.01, momentum: 0.9, nesterov: true}}")),
        "a norm": ((3,), ("--set", "train.optimizer={adam: {lr: 0.01}}", "--set", "train.clip_norm=0.1", "--set", average)),
        "LAMB": ((2,), ("--set", "train.optimizer=lamb")),
        "synced": ((3, 12), ("--set", "train.sync_batchnorm=true", "--set", average)),
    }
    for name, (counts, more) in cases.items():
        whole = bench.new()
        ends_well(bench, bench.train("--out", whole, *few, *more), f"{name}, one process")
        for ranks in counts:
            run = bench.new()
            ends_well(bench, bench.on(ranks, bench.train("--out", run, *few, *more)), f"{name}, {ranks} ranks")
            check(digest(run) == digest(whole), f"{name}, {ranks} ranks: other weights")
            check(history(run) == history(whole), f"{name}, {ranks} ranks: another history")
        run = bench.new()
        ends_well(bench, bench.on(3, bench.train("--out", run, *few, *more, "--pause", 1)), f"{name}, a pause")
        ends_well(bench, bench.on(2, bench.resume(run)), f"{name}, a resume")
        check(digest(run) == digest(whole), f"{name}, 3 ranks, then 2: other weights")
        ends_well(bench, bench.on(2, bench.resume(run, "--epochs", 3)), f"{name}, an epoch more")
        ends_well(bench, bench.resume(whole, "--epochs", 3), f"{name}, an epoch more of one process")
        check(digest(run) == digest(whole), f"{name}, an epoch more: other weights")


def check_opencl(bench):
    """Moments in memory that is not the host's: after a pause they are whole on every rank."""
    if '"opencl:' not in bench.run([bench.clade, "devices", "--json"]).stdout:
        return
    few = ("--device", "opencl", "--shard", 5, "--epochs", 2, "--set", "augment={}")
    whole, run = bench.new(), bench.new()
    ends_well(bench, bench.train("--out", whole, *few), "opencl, one process")
    ends_well(bench, bench.on(2, bench.train("--out", run, *few, "--pause", 1)), "opencl, a pause")
    ends_well(bench, bench.on(2, bench.resume(run, "--device", "opencl")), "opencl, a resume")
    check(digest(run) == digest(whole), "opencl, 2 ranks: other weights")


def check_tasks(bench):
    """Numbers and classes that have an order, activations in 16 bits, float16's first steps skipped."""
    numbers = bench.folder / "numbers.csv"
    if not numbers.exists():
        files = sorted(path.relative_to(bench.images) for path in bench.images.rglob("*.jpg"))
        numbers.write_text("file,near,far\n" + "".join(f"{f},{i * 37 % 101},{1000 + i * 53 % 97}\n" for i, f in enumerate(files)))
    plain = ("--set", "augment={horizontal_flip: true}", "--epochs", 2)
    head = "--set", "model.6.dense.activation=linear"
    tasks = {
        "numbers": ("--labels", numbers, *head, "--set", "train.loss=mse", "--set", "data={task: regression, validation_split: 0.25}",
                    "--precision", "mixed_float16"),
        "an order": ("--set", "model.6.dense={units: steps, activation: sigmoid}", "--set", "train.loss=ordinal_crossentropy",
                     "--set", "data.task=ordinal", "--precision", "mixed_bfloat16"),
    }
    for name, more in tasks.items():
        whole, run = bench.new(), bench.new()
        ends_well(bench, bench.train("--out", whole, *plain, *more), f"{name}, one process")
        ends_well(bench, bench.on(3, bench.train("--out", run, *plain, *more)), f"{name}, 3 ranks")
        check(digest(run) == digest(whole), f"{name}, 3 ranks: other weights")


def check_predict(bench, whole):
    """The same bytes as without ranks, in the order of the files, with those that cannot be read named."""
    broken = bench.folder / "many/c/broken.png"
    if not broken.exists():
        photos = sorted(bench.images.rglob("*.jpg"))
        for part in "abcdef":  # more than two ranks take at a time
            (bench.folder / "many" / part).mkdir(parents=True)
            for i, photo in enumerate(photos):
                shutil.copy(photo, bench.folder / "many" / part / f"{i:03}.jpg")
        broken.write_bytes(b"no image")
    for more in ((), ("--json",)):
        command = [bench.clade, "predict", whole, bench.folder / "many", "--device", "cpu", *more]
        alone = bench.run(command)
        check(alone.returncode == 1 and alone.stderr.count("broken.png") == 1, f"predict: {alone.stderr}")
        for ranks in (2, 3):
            ended = bench.run(bench.on(ranks, command))
            check(ended.stdout == alone.stdout, f"predict on {ranks} ranks, {more}: {ended.stdout[:200]}")
            check(ended.returncode != 0 and ended.stderr.count("clade predict: ") == 1,
                  f"predict on {ranks} ranks: status {ended.returncode}, {ended.stderr}")
    ended = bench.run(bench.on(2, [bench.clade, "predict", whole, bench.folder / "nowhere.jpg", "--device", "cpu"]))
    check(ended.returncode != 0 and ended.stderr.count("clade predict: ") == 1, f"predict of nothing: {ended.stderr}")


def check_refusals(bench):
    """One line, before the first step."""
    other = bench.folder / "other"
    if not other.exists():
        shutil.copytree(bench.images, other)
        first, second = sorted(other.rglob("*.jpg"))[:2]
        first.write_bytes(second.read_bytes())
    run = bench.new()
    one = bench.train("--out", run)
    cases = {
        "another recipe": [*one, "--set", "train.label_smoothing=0.1"],
        "another kind of math": [*one, "--math", "fast"],
        "images of other content": [*one, "--data", other],
    }
    for words, two in cases.items():
        ended = bench.run([*bench.launcher, "-n", 1, *one, ":", "-n", 1, *two])
        check(ended.returncode != 0 and ended.stderr.count(f"rank 1 has {words}") == 1, f"{words}: {ended.stderr}")
    ended = bench.run(bench.on(12, one))
    check(ended.returncode != 0 and ended.stderr.count("train.shard") == 1, f"12 ranks: {ended.stderr}")
    check(not (run / "history.csv").exists(), "a run that was refused has a history")


def check_alone(bench):
    """What ranks would all do is refused, once."""
    ended = bench.run(bench.on(3, [bench.clade, "inspect", bench.images]))
    check(ended.returncode != 0 and not ended.stdout and ended.stderr.count("started it 3 times, expected once") == 1,
          f"inspect on 3 ranks: {ended.stderr}")
    ends_well(bench, bench.on(1, [bench.clade, "inspect", bench.images]), "inspect on one rank")


def check_others(bench, whole):
    """evaluate gives what one process gives; tune does each trial once; what is told at the end has the weights."""
    ends_well(bench, bench.on(2, bench.train("--out", bench.new(), "--tensorboard")), "--tensorboard")
    alone = ends_well(bench, [bench.clade, "evaluate", whole, "--device", "cpu", "--json"], "evaluate")
    three = ends_well(bench, bench.on(3, [bench.clade, "evaluate", whole, "--device", "cpu", "--json"]), "evaluate")
    check(three.stdout == alone.stdout, f"evaluate on 3 ranks: {three.stdout}")
    study, recipe = bench.folder / "study", bench.folder / "tune.yaml"
    recipe.write_text(RECIPE + "tune: {train.batch: {choice: [4, 5, 6, 7, 8, 9, 10]}}\n")
    tune = [bench.clade, "tune", recipe, "--data", bench.images, "--device", "cpu", "--epochs", 1, "--trials", 5]
    ends_well(bench, bench.on(2, [*tune, "--out", study]), "tune")
    lines = bench.run([bench.clade, "tune", "--list", study]).stdout.splitlines()[1:]
    check(len(lines) == 5 and all(line.split()[1] == "done" for line in lines), f"tune: {lines}")


def wait_for_epoch(run):
    """Until the first epochs are done."""
    for _ in range(LIMIT * 20):
        if (run / "history.csv").exists() and len(history(run)) > 3:
            return True
        time.sleep(0.05)
    return False


def ranks_of(job, folder):
    """The processes that train in the folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if entry.name.isdigit() and len(words) > 1 and words[1] == b"train" and os.fsencode(folder) in words:
            found.append(int(entry.name))
    return sorted(found)


def check_faults(bench):
    """A rank that dies, and one that hangs: the others end, and the run goes on to the same bits."""
    for how in (signal.SIGKILL, signal.SIGSTOP):
        run = bench.new()
        # so many epochs that it cannot be over
        job = bench.start(bench.on(3, bench.train("--out", run, "--epochs", 1000, "--rank-timeout", 3)))
        check(wait_for_epoch(run), "no epoch before the fault")
        ranks = ranks_of(job, run)
        check(len(ranks) == 3, f"{len(ranks)} processes train")
        os.kill(ranks[-1], how)
        try:
            _, errors = job.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            job.kill()
            check(False, f"{how.name}: the others hang")
            continue
        check(job.returncode != 0, f"{how.name}: success")
        if how == signal.SIGSTOP:
            check(errors.count("has not answered for") == 1, f"{how.name}: {errors}")
        for _ in range(100):  # the launcher ends them
            if not ranks_of(job, run):
                break
            time.sleep(0.1)
        check(not ranks_of(job, run), f"{how.name}: ranks are left")
        done = len(history(run)) - 1
        ends_well(bench, bench.on(2, bench.resume(run, "--epochs", done + 1)), f"a resume after {how.name}")
        other = bench.new()
        ends_well(bench, bench.train("--out", other, "--epochs", done + 1), "without a fault")
        check(digest(run) == digest(other), f"{how.name}: other weights after a resume")


def main(clade):
    if not launchers.there():
        print("no MPI launcher is there")
        return 77
    with tempfile.TemporaryDirectory(prefix="clade-ranks-") as name:
        folder = pathlib.Path(name)
        for launcher, words in launchers.there().items():
            print(launcher)
            bench = Bench(os.path.abspath(clade), folder / words[0], words)
            bench.folder.mkdir()
            bench.recipe.write_text(RECIPE)
            ends_well(bench, [bench.clade, "data", "make", bench.images, "--train", "6", "--validation", "5", "--size", "16"],
                      "images")
            whole = bench.new()
            ends_well(bench, bench.train("--out", whole), "one process")
            check_bits(bench, whole)
            check_one_copy(bench)
            check_checkpoint(bench)
            check_hosts(bench, whole)
            check_synced(bench)
            check_optimizers(bench)
            check_opencl(bench)
            check_tasks(bench)
            check_predict(bench, whole)
            check_refusals(bench)
            check_alone(bench)
            check_others(bench, whole)
            check_faults(bench)
    # a launcher whose library is not there
    missing = {"PMI_SIZE": "2", "PMI_RANK": "0"} if "MPICH" not in launchers.there() else (
        {"OMPI_COMM_WORLD_SIZE": "2"} if "Open MPI" not in launchers.there() else None)
    if missing:
        ended = subprocess.run([clade, "train"], capture_output=True, text=True, env=dict(os.environ, **missing))
        check(ended.returncode == 1 and "Debian" in ended.stderr, f"no library: {ended.stderr}")
    return finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
