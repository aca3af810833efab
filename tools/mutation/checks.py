"""Which checks fit which file."""
import collections
import fnmatch
import json
import re
import subprocess

Check = collections.namedtuple("Check", "name command env")

# runs of `clade conform`, once for each family of ops
CPU = ["--device cpu --mode ops --strict", "--device cpu --mode ops --math fast --seed 5"]
OPENCL = ["--device opencl --mode ops --strict --kernels cpu", "--device opencl --mode ops --strict --kernels gpu",
          "--device opencl --mode ops --math fast --seed 5"]
# tensors of 16 bits, which quick cases leave out
HALVES = ["conform-opencl-16-bits", "conform-opencl-16-bits-gpu-kernels"]
CPU_HALVES = ["conform-cpu-16-bits", "conform-cpu-fast-16-bits-dense", "conform-cpu-fast-16-bits-conv"]
# products by emulated matrix units
MATRIX = ["conform-opencl-" + name for name in
          ("mma-tf32", "mma-float16", "wmma-gfx11-bfloat16", "wmma-gfx12-float16", "mfma-tf32", "xmx-8-bfloat16",
           "xmx-16-float16", "xmx-16-tf32", "matrix-pooled")] + ["opencl-units"]
# and with all of them
GRADIENTS = ["--device cpu --mode grad"]
NETS = ["--device opencl --mode nets"]
LAYERS = ["--device cpu --mode layers", "--device cpu --mode nets"]

# pattern, conform by family, conform, suites or tests of meson's; the first that matches counts
FITTING = [
    ("kernels/*matrix*", OPENCL, [], MATRIX),
    ("kernels/*.clh", CPU + OPENCL, [], ["op", *CPU_HALVES, *HALVES]),
    ("kernels/*", OPENCL, [], HALVES),
    ("src/cpu/*", CPU, [], CPU_HALVES),
    ("src/opencl/*matrix*", OPENCL, [], ["opencl", *MATRIX]),
    ("src/opencl/*", OPENCL, NETS, ["opencl", *HALVES]),
    ("src/op/*", CPU, GRADIENTS, ["op"]),
    ("src/nn/*", [], LAYERS, ["nn", "train-semantics", "train-transfer", "recipe"]),
    ("src/train/*", [], [], ["train", "command-evaluate", "command-labels", "command-lr-find", "command-tasks"]),
    ("src/dist/*", [], [], ["train"]),
    ("src/dev/*", CPU, LAYERS, ["nn", "train", "op", "plugin", "opencl", "faults-verify", "conform-opened"]),
    ("src/data/*", [], [], ["data", "train-semantics", "fuzz-dataset", "fuzz-image"]),
    ("src/recipe/*", [], [], ["recipe", "train-semantics", "fuzz-recipe", "fuzz-yaml"]),
    ("src/onnx/*", [], [], ["onnx", "fuzz-onnx"]),
    ("src/weights/*", [], [], ["weights", "train-transfer", "c-export", "onnx-int8", "fuzz-hdf5", "fuzz-safetensors",
                               "fuzz-weights"]),
    ("src/base/*", [], [], ["base", "data", "weights"]),
    ("src/search/*", [], [], ["tune"]),
    ("src/tune/*", [], [], ["tune"]),
    ("src/report/*", [], [], ["report"]),
    ("src/bench/*", [], [], ["bench"]),
    ("src/conform/*", [], [], ["conform-self-test", "conform-cpu", "conform-command", "conform-ci", "conform-api",
                                "conform-guard", "conform-opened", "conform-reduce"]),
    ("tools/clade/*", [], [], ["command"]),
]


def families(tree):
    text = (tree / "include/clade/ops.def").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"^CLADE_OP\(\w+, *(\w+)", text, re.M)))


def of_file(stem, names):
    """The families that a file serves: the one it is named for, else any."""
    for name in names:
        if stem == name or stem.startswith(name + "_"):
            return [name]
    return names


def fitting(files, tree, build):
    """The checks of these files, in a built tree."""
    clade = [str(build / "tools/clade/clade"), "conform", "--quick"]
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", str(build)], stdout=subprocess.PIPE,
                                      check=True).stdout)
    checks = {}
    for file in files:
        entry = next((e for e in FITTING if fnmatch.fnmatch(file, e[0])), None)
        if not entry:
            raise ValueError(f"{file}: no check fits; tools/mutation/checks.py has the list")
        _, by_family, whole, suites = entry
        stem = file.rsplit("/", 1)[-1].split(".")[0]
        runs = [f"{options} --op {name}" for options in by_family for name in of_file(stem, families(tree))] + whole
        for options in runs:
            checks[options] = Check("conform " + options, clade + options.split(), {})
        for test in tests:
            if test["name"] in suites or test["suite"][0].split(":")[-1] in suites:
                checks[test["name"]] = Check(test["name"], test["cmd"], test["env"])
    return list(checks.values())
