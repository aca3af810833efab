"""launches_test.py CLADE RECORDER: how many kernels a training step of 32 images launches on a GPU of 128 compute units,
in either math; RECORDER makes an OpenCL device of the CPU say that it is one, and runs nothing. Fewer than here is
good news, and goes in here."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from checks import check, finish

LAUNCHES = {"exact": {"horses-or-humans": 132, "cats-dogs-64": 24, "cifar10": 27, "cats-dogs-dropout": 78},
            "fast": {"horses-or-humans": 134, "cats-dogs-64": 25, "cifar10": 29, "cats-dogs-dropout": 80}}


def main():
    clade, recorder = sys.argv[1:]
    if '"opencl:' not in subprocess.run([clade, "devices", "--json"], capture_output=True, text=True).stdout:
        print("needs an OpenCL driver")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, OPENCL_LAYERS=recorder, RECORDED=folder, XDG_CACHE_HOME=folder)
        for math, expected in LAUNCHES.items():
            command = [clade, "bench", "--profile", "--json", "--device", "opencl", "--math", math, "--batch", "32",
                       "--repeat", "1"]
            for net in expected:
                command += ["--model", net]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            check(not done.returncode, done.stderr)
            found = {p["name"]: p["launches"] for p in json.loads(done.stdout)["profiles"]} if not done.returncode else {}
            for net, launches in expected.items():
                check(found.get(net) == launches, f"{net}, {math}: {found.get(net)} launches, expected {launches}")
    return finish()


sys.exit(main())
