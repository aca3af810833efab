"""`clade conform --reduce`: kernels and a backend with planted faults; the smallest case, the line that repeats it, and
the program that shows it without Clade, which must be content with the right kernel.

usage: reduce_test.py CLADE FAULTY.so KERNELS CC"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish  # noqa: E402

clade, faulty, kernels, *cc = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp(prefix="clade-reduce-"))
kernels = pathlib.Path(kernels)

# (a call, what is planted where instead of what; how it fails and the smallest call; options)
COLUMN = ("upsample2d x=2x3x4x4 size=2,2", "upsample.cl", "j / columns, w, c) + k)",
          "j / columns - (j > 0 && j + 1 == (int)ow), w, c) + k)", "bound", "upsample2d x=1x1x2x1", [])
GROUPS = ("conv2d x=1x3x3x4 w=3x3x2x6 b=6 pad=1,1,1,1 groups=2 act=relu", "conv.cl", "cg * k + group * kg + first",
          "cg * k + group * cg + first", "bound", "conv2d x=1x1x1x4 w=1x1x2x2", [])
BEYOND = ("upsample2d x=2x3x4x4 size=2,2", "upsample.cl", "V_STORE(y + y0 + ((size_t)row * items + item) * VW, v);",
          "V_STORE(y + y0 + ((size_t)row * items + item) * VW, v); if (row + 1 == n * oh && item + 1 == items) "
          "y[y0 + ((size_t)row * items + item) * VW + VW] = 1;", "guard", "upsample2d x=1x1x1x1", [])
BUILD = ("upsample2d x=2x3x4x4 size=2,2", "upsample.cl", "V_STORE(y + y0", "V_STOR(y + y0", "status",
         "upsample2d x=1x1x1x1", [])


def conform(*arguments, code, more={}):
    ended = subprocess.run([clade, "conform", *map(str, arguments)], capture_output=True, text=True, timeout=600,
                           env=os.environ | more)
    check(ended.returncode == code, f"{arguments}: exit status {ended.returncode}, expected {code}:\n"
          f"{ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr


def command_of(said):
    """The arguments of the line that repeats it."""
    lines = [line for line in said.splitlines() if line.startswith("clade conform ")]
    check(len(lines) == 1, f"no line repeats it: {said}")
    return shlex.split(lines[0])[2:] if lines else []


def run_program(out):
    ended = subprocess.run(["./case"], cwd=out, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout


def kernel_fault(name, call, file, right, wrong, kind, smallest, options):
    planted = folder / name
    shutil.copytree(kernels, planted / "kernels")
    shutil.copytree(kernels.parent / "include", planted / "include")
    text = (planted / "kernels" / file).read_text()
    check(text.count(right) == 1, f"{file} has no '{right}'")
    (planted / "kernels" / file).write_text(text.replace(right, wrong))
    more = {"CLADE_KERNELS": str(planted / "kernels"), "POCL_CACHE_DIR": str(planted)}
    out = folder / f"{name}-out"
    device = ["--device", "opencl", *options]
    said = conform(*device, "--reduce", call, "--out", out, code=0, more=more)
    written = (out / "call").read_text()
    check(written.startswith(smallest), f"{name}: the smallest is {written}")
    check(re.search(rf"^{kind}: ", said, re.M), f"{name}: {said}")
    conform(*command_of(said), code=1, more=more)
    conform(*command_of(said), code=0)
    check(not re.search(r"^#include \"", (out / "kernel.cl").read_text(), re.M), "the kernel includes a file")
    subprocess.run([*cc, "-Wall", "-Wextra", "-Werror", "case.c", "-lOpenCL", "-lm", "-o", "case"], cwd=out, check=True)
    code, told = run_program(out)
    check(code == 1 and ("wrong: " in told or "does not build" in told), f"{name}: {code}: {told}")
    source = (out / "kernel.cl").read_text()
    check(wrong in source, f"{name}: the kernel is another")
    (out / "kernel.cl").write_text(source.replace(wrong, right))
    code, told = run_program(out)
    check(code == 0 and told.endswith("right\n"), f"{name}, the right kernel: {code}: {told}")
    return more, out


def opencl():
    more, out = kernel_fault("column", *COLUMN)
    again = folder / "again"
    conform("--device", "opencl", "--reduce", out, "--out", again, code=0, more=more)
    check((again / "call").read_text() == (out / "call").read_text(), "a folder is reduced to another call")
    conform("--device", "opencl", "--repeat", out, code=1, more=more)
    conform("--device", "opencl", "--repeat", out, code=0)
    kernel_fault("groups", *GROUPS)
    kernel_fault("beyond", *BEYOND)
    kernel_fault("build", *BUILD)


def backend():
    """A backend without OpenCL: the case is reduced and its numbers written, without a program."""
    plugin = ["--plugin", faulty, "--threads", "1"]
    out = folder / "unwritten"
    said = conform(*plugin, "--reduce", "ops.concat_dx.channels/accumulate", "--out", out, code=0)
    check("no program: plugin:0 does concat_dx without OpenCL" in said, said)
    check((out / "call").read_text().startswith("concat_dx dy=1x1x1x1 dx=1x1x1x1"), (out / "call").read_text())
    check({p.name for p in out.iterdir()} >= {"call", "dy.in.npy", "dx.out.npy", "dx.bound.npy"}, list(out.iterdir()))
    conform(*command_of(said), code=1)
    said = conform(*plugin, "--op", "copy", "--accumulate", "0", "--reduce", "flatten", code=0)
    check("\ncopy x=1x1x1x1 y=1x1\ncrash: crashed: signal 6 (Aborted)\n" in said, said)
    said = conform(*plugin, "--reduce", "fill y=2x3 value=2", "--timeout", "0.5", code=0)
    check("\nfill y=1x1\ntimeout: timed out after 0.5 s\n" in said, said)


def misuse():
    there = folder / "there"
    there.mkdir()
    cpu = ["--device", "cpu"]
    check("already exists" in conform(*cpu, "--reduce", "ops.copy.same", "--out", there, code=1), "--out")
    check(not list(there.iterdir()), "something was written")
    check("passes: nothing to reduce" in conform(*cpu, "--reduce", "ops.copy.same", code=1), "a pass")
    for what in "ops.copy.sane", "layers.dense", "nothing":
        check("expected a case of mode ops" in conform(*cpu, "--reduce", what, code=1), what)
    check("call: " in conform(*cpu, "--reduce", there, code=1), "a folder without a call")
    check("copi" in conform(*cpu, "--reduce", "copi x=2", code=1), "no op")
    check("--out DIR requires --reduce" in conform(*cpu, "--out", folder / "new", code=2), "--out alone")
    check("--reduce requires mode ops" in conform(*cpu, "--reduce", "x", "--mode", "grad", code=2), "--mode")


misuse()
backend()
devices = subprocess.run([clade, "devices", "--json"], capture_output=True, text=True).stdout
if '"opencl:' in devices:
    opencl()
else:
    print("no OpenCL device: its part is left out")
shutil.rmtree(folder)
sys.exit(finish())
