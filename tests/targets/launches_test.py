"""launches_test.py CLADE RECORDER: how many kernels a training step of 32 images launches on a GPU of 128 compute units,
in either math and in 16 bits, with and without a matrix unit; RECORDER makes an OpenCL device of the CPU say that it is
one, and runs nothing. Fewer than here is good news, and goes in here."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from checks import check, finish

NETS = "horses-or-humans", "cats-dogs-64", "cifar10", "cats-dogs-dropout"
# by math, precision and CLADE_MATRIX_UNIT
LAUNCHES = {("exact", "float32", "none"): (127, 22, 25, 74),
            ("fast", "float32", "none"): (64, 17, 20, 75),
            ("fast", "mixed_bfloat16", "none"): (76, 23, 24, 85),
            ("fast", "mixed_bfloat16", "emulated-mma"): (41, 23, 24, 37)}


def main():
    clade, recorder = sys.argv[1:]
    if '"opencl:' not in subprocess.run([clade, "devices", "--json"], capture_output=True, text=True).stdout:
        print("needs an OpenCL driver")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        for (math, precision, unit), expected in LAUNCHES.items():
            environment = dict(os.environ, OPENCL_LAYERS=recorder, RECORDED=folder, XDG_CACHE_HOME=folder,
                               CLADE_MATRIX_UNIT=unit)
            command = [clade, "bench", "--profile", "--json", "--device", "opencl", "--math", math, "--batch", "32",
                       "--repeat", "1", "--precision", precision]
            for net in NETS:
                command += ["--model", net]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            check(not done.returncode, done.stderr)
            found = {p["name"]: p["launches"] for p in json.loads(done.stdout)["profiles"]} if not done.returncode else {}
            for net, launches in zip(NETS, expected):
                check(found.get(net) == launches,
                      f"{net}, {math}, {precision}, unit {unit}: {found.get(net)} launches, expected {launches}")
    return finish()


sys.exit(main())
