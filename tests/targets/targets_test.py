"""targets_test.py CLADE RECORDER [TARGET...] [--write FILE]: what training builds on a GPU, compiled for GPUs that are not
here. No kernel may keep registers or arrays in memory, but those of STACK below.

The programs are those of the built-in recipes' training steps and of all ops at the sizes that `clade bench` takes, in
exact and in fast math, those of steps in 16 bits, and those of the steps for matrix units, which are recorded as emulated
ones and compiled for the targets that have them; RECORDER makes an OpenCL device of the CPU say that it is a GPU and
writes them down. clang and
libclc of LLVM 19 compile them; for NVIDIA, ptxas, where there is one, makes machine code of clang's PTX. --write makes
docs/gpu-kernels.md, which the test asks for all kernels that there are."""
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from checks import check, finish

AMD = ["gfx803", "gfx906", "gfx90a", "gfx942", "gfx1030", "gfx1100", "gfx1201"]
NVIDIA = ["sm_75", "sm_80", "sm_90"]
PAGE = ["gfx906", "gfx1030", "sm_80"]  # of the page's first table
# the targets that have a matrix unit, by its number in kernels/matrix_layout.clh; the precisions that it is recorded in
MATRIX = {1: ["sm_80", "sm_90"], 2: ["gfx1100"], 4: ["gfx90a", "gfx942"]}
PRECISIONS = {"mma": ["tf32", "mixed_bfloat16", "mixed_float16"], "wmma-gfx11": ["mixed_bfloat16", "mixed_float16"],
              "mfma": ["tf32", "mixed_bfloat16", "mixed_float16"]}
NETS = ["horses-or-humans", "cats-dogs-64", "cifar10", "cats-dogs-dropout"]
HALVES = [*NETS, "shapes", "cifar10-94"]  # nets in 16 bits without matrix units: some with batch normalisation
CLANG, LIBCLC = "clang-19", pathlib.Path("/usr/lib/clc")
TABLE = pathlib.Path(__file__).resolve().parents[2] / "docs/gpu-kernels.md"
STACK = {"image_adjust"}  # what it knows of an image for each of a recipe's steps, however many there are

Kernel = collections.namedtuple("Kernel", "name registers local stack")  # of a work-item, bytes, bytes


def bench(clade, recorder, folder, name, unit, *more):
    into = pathlib.Path(folder) / name
    into.mkdir()
    environment = dict(os.environ, OPENCL_LAYERS=recorder, RECORDED=str(into), XDG_CACHE_HOME=str(folder),
                       CLADE_MATRIX_UNIT=unit)
    done = subprocess.run([clade, "bench", "--device", "opencl", "--batch", "32", "--repeat", "1", *more],
                          env=environment, capture_output=True, text=True)
    check(not done.returncode, f"recording: {done.stderr}")


def record(clade, recorder, folder):
    for math in "exact", "fast":
        bench(clade, recorder, folder, math, "none", "--math", math)
    for precision in "mixed_bfloat16", "mixed_float16":
        bench(clade, recorder, folder, precision, "none", "--math", "fast", "--precision", precision,
              *(word for net in HALVES for word in ("--model", net)))
    for unit, precisions in PRECISIONS.items():
        for precision in precisions:
            bench(clade, recorder, folder, f"{unit}-{precision}", f"emulated-{unit}", "--math", "fast", "--precision", precision,
                  *(word for net in NETS for word in ("--model", net)))
    programs = [p for p in pathlib.Path(folder).glob("*/*.cl") if p.with_suffix(".kernels").exists()]
    return sorted({p.read_text() + p.with_suffix(".kernels").read_text(): p for p in programs}.values())


def options(program):
    """The compiler's, as Clade gave them, but for the emulation of a matrix unit."""
    with open(program) as f:
        return [word for word in f.readline()[3:].split() if word != "-DMATRIX_EMULATED"]


def is_for(target, program):
    """Has the target the program's matrix unit, if it is for one?"""
    units = [int(word.split("=")[1]) for word in options(program) if word.startswith("-DMATRIX_UNIT=")]
    return all(target in MATRIX[unit] for unit in units)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def compile_to(target, program, out):
    triple, library = (("amdgcn-amd-amdhsa", "amdgcn--amdhsa.bc") if target in AMD else
                       ("nvptx64-nvidia-nvcl", "nvptx64--nvidiacl.bc"))
    return run([CLANG, "-x", "cl", "-target", triple, "-Xclang", "-target-cpu", "-Xclang", target, "-nogpulib", "-O3",
                "-Xclang", "-finclude-default-header", "-Xclang", "-mlink-builtin-bitcode", "-Xclang",
                str(LIBCLC / library), *options(program), "-S", "-o", out, str(program)])


def amd_kernels(assembly):
    """Of the metadata at the assembly's end, a block per kernel."""
    for block in re.split(r"\n  - \.a", assembly[assembly.index("amdhsa.kernels:"):])[1:]:
        def number(key):
            return int(re.search(rf"\.{key}: +(\d+)", block)[1])
        yield Kernel(re.search(r"\n    \.name: +(\S+)", block)[1], number("vgpr_count"),
                     number("group_segment_fixed_size"), number("private_segment_fixed_size"))


def nvidia_kernels(text):
    """Of what ptxas -v prints."""
    for block in text.split("Compiling entry function '")[1:]:
        def number(pattern):
            found = re.search(pattern, block)
            return int(found[1]) if found else 0
        yield Kernel(block[:block.index("'")], number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"),
                     number(r"(\d+) bytes stack frame"))


def look(target, program, folder):
    """The program's kernels that are used, on the target, or the compiler's words."""
    out = f"{folder}/{target}-{program.parent.name}-{program.stem}"
    failed, text = compile_to(target, program, out)
    if failed:
        return text
    assembly = pathlib.Path(out).read_text()
    used = set(program.with_suffix(".kernels").read_text().split())
    if target in AMD:
        return [k for k in amd_kernels(assembly) if k.name in used]
    ptxas = shutil.which("ptxas") or shutil.which("/usr/local/cuda/bin/ptxas")
    if not ptxas:
        return [Kernel(name, 0, 0, 0) for name in re.findall(r"\.entry (\w+)", assembly) if name in used]
    failed, text = run([ptxas, "-v", f"-arch={target}", out, "-o", out + ".cubin"])
    return text if failed else [k for k in nvidia_kernels(text) if k.name in used]


def judge(target, program, kernels):
    named = f"{target}: {' '.join(options(program))}"
    if isinstance(kernels, str):
        check(False, f"{named}: {kernels}")
        return
    check(kernels, f"{named}: no kernels")
    for k in kernels:
        check(not k.stack or k.name in STACK, f"{named}: {k.name} keeps {k.stack} bytes in memory")


def write(path, found):
    """Of each kernel the most registers, and local memory, that a program of it takes."""
    lines = ["# Kernels on GPUs", "",
             "Registers of a work-item and bytes of local memory that each kernel takes at most, of all programs that the",
             "built-in recipes' training steps, in float32 and in 16 bits, and the ops of `clade bench` need, exact and fast, compiled",
             "by clang 19 with libclc and, for NVIDIA, ptxas. None but `image_adjust` keeps registers or arrays in memory, which the suite",
             "`targets` checks for more targets than these. `tests/targets/targets_test.py CLADE RECORDER TARGET... --write",
             "docs/gpu-kernels.md` makes this page.", ""]
    by_units = {name for name in found if name.startswith("conv_matrix")}
    lines += table(set(found) - by_units, PAGE, found)
    lines += ["", "## Matrix units", "",
              "The same of the kernels for matrix units, in the precisions that each has, on targets that have one.", ""]
    lines += table(by_units, [t for ts in MATRIX.values() for t in ts], found)
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def table(names, targets, found):
    lines = ["| kernel | programs | local memory | " + " | ".join(targets) + " |",
             "|---|--:|--:|" + "--:|" * len(targets)]
    for name in sorted(names):
        row = [max((k.registers for k in found[name][t]), default="") for t in targets]
        local = max(k.local for t in targets for k in found[name][t])
        lines.append(f"| `{name}` | {max(len(found[name][t]) for t in targets)} | {local} | "
                     + " | ".join(map(str, row)) + " |")
    return lines


def main():
    clade, recorder, *rest = sys.argv[1:]
    page = rest.pop(rest.index("--write") + 1) if "--write" in rest else None
    targets = [t for t in rest if t != "--write"] or AMD + NVIDIA
    if not shutil.which(CLANG) or not LIBCLC.is_dir():
        print(f"needs {CLANG} and libclc-19")
        return 77
    if '"opencl:' not in run([clade, "devices", "--json"])[1]:
        print("needs an OpenCL driver")
        return 77
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = record(clade, recorder, folder)
        check(programs, "the layer has recorded nothing: is OPENCL_LAYERS known to the loader?")
        work = [(target, program) for target in targets for program in programs if is_for(target, program)]
        for (target, program), kernels in zip(work, pool.map(lambda w: look(*w, folder), work)):
            judge(target, program, kernels)
            for k in kernels if isinstance(kernels, list) else []:
                found[k.name][target].append(k)
        print(f"{len(programs)} programs, {len(found)} kernels, for {' '.join(targets)}")
    if page:
        write(page, found)
    table = TABLE.read_text()
    for name in found:
        check(f"| `{name}` |" in table, f"{TABLE.name} lacks {name}: --write makes it")
    return finish()


sys.exit(main())
