"""What is run with faults: commands on a small recipe and a few images, each with what it must leave behind."""
import json
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import launchers
from bench import digest, history, timeless
from faults import CALLERS


TRANSFER = """
name: transfer
input: {size: 8, rescale: 1/255}
backbone: {file: whole/last.safetensors, output: batch_normalization, preprocessing: input}
model:
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: adam, batch: 8, epochs: 2}
"""


class Case:
    """A scenario in a folder of its own."""
    name = ""
    cost = 1  # how many times as long as others it takes; the part that is walked without --all is so much smaller

    def __init__(self, bench, folder):
        self.bench, self.folder = bench, folder

    def place(self):
        return ["--device", self.bench.device, "--math", "exact", "--threads", "1"]

    def command(self, place=None):
        """Its words; on another place than the layer's where that is given."""
        raise NotImplementedError

    def result(self, ended):
        """What it has done, to be compared."""
        return timeless(ended.output)

    def run(self, environment):
        ended = self.bench.run(*self.command(), environment=environment)
        if self.name not in self.bench.results:
            self.bench.results[self.name] = self.result(ended)
        return ended

    def is_right(self, ended):
        return self.result(ended) == self.bench.results[self.name]

    def said(self, ended):
        """Where it says what went wrong."""
        return ended.errors

    def may_go_on(self, ended):
        """With another result, after a fault that it has told of."""
        return False

    def recover(self):
        """What is wrong with what a failed command has left."""
        return []

    def repeat(self):
        """What is wrong with the same command without faults."""
        ended = self.bench.run(*self.command(self.bench.place))
        if ended.code:
            return [f"does not go on: {ended.errors.strip()}"]
        return [] if self.is_right(ended) else [f"goes on to something else: {self.result(ended)}"]


class Train(Case):
    name = "train"

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self.out, self.begin = folder / "run", bench.begin

    def command(self, place=None):
        return [*self.begin, *(place or self.place()), "--out", self.out]

    def result(self, ended):
        return digest(self.out / "last.safetensors"), digest(self.out / "best.safetensors"), history(self.out)

    def recover(self):
        again = ["train", "--resume", self.out, *self.bench.place]
        if not (self.out / "recipe.yaml").exists():
            again = self.command(self.bench.place)
        ended = self.bench.run(*again)
        if ended.code:
            return [f"does not go on: {ended.errors.strip()}"]
        wrong = [f"left over: {p.name}" for p in self.out.glob("*.tmp")]
        return wrong if self.is_right(ended) else wrong + [f"goes on to something else: {self.result(ended)}"]


class Mixed(Train):
    """In 16 bits, with a scaled loss; the recipe that is resumed says so."""
    name = "mixed"

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self.begin = [*bench.begin, "--precision", "mixed_float16"]


class Together(Train):
    """An OpenCL device, which holds the weights, and the processor share each batch: what the first one fails to do
    the other does."""
    name = "together"

    def command(self, place=None):
        return [*self.bench.begin, "--shard", "2", "--device", f"{self.bench.device},cpu", "--math", "exact", "--threads",
                "1", "--out", self.out]

    def run(self, environment):
        self.ended = super().run(environment)
        return self.ended

    def recover(self):
        if "Run folder:" in self.ended.output:
            return ["ends, though a device was left"]
        shutil.rmtree(self.out, ignore_errors=True)
        return [] if self.run({}).code == 0 and self.is_right(self.ended) else ["does not begin again"]


class Transfer(Train):
    """A head on another run's first layers, whose features are computed once and kept for other runs."""
    name = "transfer"
    cost = 2

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        recipe = bench.folder / "transfer.yaml"
        recipe.write_text(TRANSFER)
        self.begin = ["train", recipe, "--data", bench.images]

    def run(self, environment):
        return super().run(dict(environment, CLADE_FEATURE_CACHE="1M", XDG_CACHE_HOME=str(self.folder / "cache")))


class Ranks(Train):
    """Two ranks; any number of them goes on to the same bits. Of the calls Clade's own fail, not the MPI library's."""
    name = "ranks"
    cost = 4

    def command(self, place=None):
        return [*self.begin, *(place or self.place()), "--shard", "4", "--rank-timeout", "20", "--out", self.out]

    def run(self, environment):
        launcher = next(iter(launchers.there().values()))
        ended = self.bench.run(*self.command(), environment=dict(environment, FAULT_CALLERS=CALLERS),
                               launcher=[*launcher, "-n", "2"])
        self.bench.results.setdefault(self.name, self.result(ended))
        return ended


class Resume(Train):
    name = "resume"

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        shutil.copytree(bench.folder / "paused", self.out)

    def command(self, place=None):
        return ["train", "--resume", self.out, *(place or self.place())]

    def recover(self):
        lost = [] if len(history(self.out)) > 0 and (self.out / "state").exists() else ["an epoch is lost"]
        return lost + super().recover()


class Evaluate(Case):
    name = "evaluate"

    def command(self, place=None):
        return ["evaluate", self.bench.folder / "whole", "--data", self.bench.images, *(place or self.place())]


class Ensemble(Evaluate):
    """The mean of two models' probabilities."""
    name = "ensemble"

    def command(self, place=None):
        return [*super().command(place), "--with", self.bench.folder / "paused"]


class Inspect(Case):
    """Its JSON is whole or not there."""
    name = "inspect"

    def command(self, place=None):
        return ["inspect", self.bench.images, "--json", "--threads", "1"]


class Import(Case):
    """An ONNX file with class names and preprocessing."""
    name = "import"

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self.net = bench.folder / "net.onnx"
        if not self.net.exists():
            bench.quiet("export", bench.folder / "whole", "--out", self.net)

    def command(self, place=None):
        return ["import", self.net, "--json"]


class Tune(Case):
    """Goes on with a study of one trial. A trial that fails is one of the study's results."""
    name = "tune"
    cost = 2

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self.out = folder / "study"
        shutil.copytree(bench.folder / "study", self.out)
        self.done = self.out / "trials" / "0001" / "history.csv"
        self.inode = self.done.stat().st_ino

    def is_kept(self):
        """The trial that was done before has not been run again."""
        return self.done.exists() and self.done.stat().st_ino == self.inode

    def is_right(self, ended):
        return self.is_kept() and super().is_right(ended)

    def command(self, place=None):
        return ["tune", self.bench.recipe, "--data", self.bench.images, "--out", self.out, "--trials", "2",
                "--epochs", "1", *(place or self.place())]

    def result(self, ended):
        best = self.out / "best.yaml"
        return re.sub("path: .*", "", best.read_text()) if best.exists() else None

    def said(self, ended):
        return ended.errors + ended.output

    def trials(self):
        """The states of the trials."""
        return [json.loads(p.read_text())["state"] for p in sorted(self.out.glob("trials/*/trial.json"))]

    def may_go_on(self, ended):
        return self.is_kept() and len(self.trials()) == 2 and "failed" in self.trials()

    def recover(self):
        done = self.trials().count("done")
        ended = self.bench.run(*self.command(self.bench.place))
        wrong = [] if self.is_kept() and self.trials().count("done") >= done else ["a trial is lost"]
        if "failed" in self.trials():
            return wrong
        if ended.code or not self.is_right(ended):
            wrong.append(f"does not go on: {ended.errors.strip()}")
        return wrong


class From(Tune):
    """A new study that learns from another's trial and weighs what its own cost."""
    name = "from"
    cost = 4

    def __init__(self, bench, folder):
        Case.__init__(self, bench, folder)
        self.out, self.other = folder / "study", bench.folder / "weighed"
        self.search = ["tune", bench.recipe, "--data", bench.images, "--epochs", "1", "--against", "parameters"]
        if not self.other.exists():
            bench.quiet(*self.search, *bench.place, "--trials", "1", "--out", self.other)

    def is_kept(self):
        return True

    def command(self, place=None):
        return [*self.search, "--from", self.other, "--out", self.out, "--trials", "2", *(place or self.place())]


class CrossValidate(Case):
    """The same command goes on."""
    name = "cross-validate"
    cost = 4

    def command(self, place=None):
        return ["cross-validate", self.bench.recipe, "--data", self.bench.images, "--folds", "2", "--epochs", "1",
                "--out", self.folder / "folds", *(place or self.place())]

    def result(self, ended):
        folds = self.folder / "folds"
        runs = [(digest(folds / run / "last.safetensors"), history(folds / run)) for run in ("fold-1", "fold-2")]
        found = folds / "cross-validation.json"
        scores = json.loads(found.read_text()) if found.exists() else {}
        return runs, digest(folds / "predictions.csv"), scores.get("mean"), scores.get("pooled")

    def recover(self):
        return self.repeat()


class Calibrate(Case):
    """The model has a temperature afterwards, or is as it was."""
    name = "calibrate"

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        learnt = bench.folder / "learnt"  # better than chance on the images that it has seen
        if not learnt.exists():
            bench.quiet(*bench.begin, *bench.place, "--epochs", "6", "--lr", "0.01", "--out", learnt)
        self.run_folder = folder / "run"
        shutil.copytree(learnt, self.run_folder)
        self.before = self.files()

    def files(self):
        return {p.name: digest(p) for p in self.run_folder.iterdir()}

    def command(self, place=None):
        seen = self.bench.images / "train"
        return ["calibrate", self.run_folder, "--data", seen, "--validation", seen, *(place or self.place())]

    def result(self, ended):
        return self.files()

    def recover(self):
        whole = self.files() == self.before or self.is_right(None)
        return self.repeat() if whole else [f"the run is another: {self.files()}"]


class LrFind(Case):
    """Writes two files, or none, and replaces none."""
    name = "lr-find"
    cost = 2

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self.out = folder / "out"
        self.out.mkdir()

    def command(self, place=None):
        return ["lr-find", self.bench.recipe, "--data", self.bench.images, "--steps", "10", "--out", self.out / "rates",
                *(place or self.place())]

    def result(self, ended):
        return {p.name: digest(p) for p in self.out.iterdir()}

    def recover(self):
        left = [f"left over: {name}" for name in self.result(None)]
        return left or self.repeat()


class Export(LrFind):
    """A net of 8 bits as C."""
    name = "export"

    def command(self, place=None):
        return ["export", self.bench.folder / "whole", "--int8", "--format", "c", "--out", self.out / "net.c",
                *(place or self.place())]


class Conform(Case):
    """Cases that fail say why where the results are."""
    name = "conform"

    def command(self, place=None):
        return ["conform", "--quick", "--op", "add", "--mode", "ops", "--device", self.bench.device, "--threads", "1"]

    def result(self, ended):
        return re.findall("[0-9]+ passed, [0-9]+ failed", ended.output)

    def said(self, ended):
        return ended.errors + ended.output


def of(layer):
    """Those for a layer. `inspect` lists files that cannot be read, which is no error."""
    more = {"memory": [Inspect, Import], "opencl": [Together]}.get(layer, []) + ([Ranks] if launchers.there() else [])
    return [Train, Mixed, Transfer, Resume, Evaluate, Ensemble, Tune, From, CrossValidate, Calibrate, LrFind, Export,
            Conform, *more]
