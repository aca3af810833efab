"""The ways in which `clade conform` opens a device: a mistake that shows in one of them alone is seen, and said to be of it.

usage: opened_test.py CLADE OPENED.so"""
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish  # noqa: E402

clade, opened = sys.argv[1:]


def judge(device, way, *arguments):
    """(check, text) of the failures of a case of dense."""
    options = {"threads": 0, "group_size": 0, "algorithm": "", "limits": ""} | way
    os.environ["CLADE_TEST_DEVICE"] = device
    os.environ["CLADE_TEST_WRONG"] = " ".join(f"{key}={value}" for key, value in options.items())
    ended = subprocess.run([clade, "conform", "--plugin", opened, "--mode", "ops", "--case", "dense x=3x5 w=5x7", *arguments,
                            "--format", "json"], capture_output=True, text=True, timeout=120)
    check(ended.returncode in (0, 1), f"{device} {way}: exit status {ended.returncode}: {ended.stderr}")
    return [(r["check"], r["text"]) for r in json.loads(ended.stdout)["results"] if r["verdict"] == "FAIL"]


# how it is opened, by which arguments, which check sees it, and what it says
CPU = [
    ({}, [], "bound", ""),
    ({"limits": "tiny"}, [], "limits", "with tiny limits"),
    ({"limits": "tiny"}, ["--limits", "tiny"], "bound", ""),
    ({"threads": 1}, [], "threads", "with 1 thread"),
    ({"threads": 2}, ["--quick"], "threads", "with 2 threads"),
    ({"threads": 3}, ["--quick"], "threads", "with 3 threads"),
    ({"threads": 1}, ["--quick"], None, ""),
]
OPENCL = [
    ({"group_size": 64}, [], "group size", "with another work-group size"),
    ({"group_size": 32}, ["--group-size", "64"], "group size", "with another work-group size"),
    ({"limits": "tiny"}, [], "limits", "with tiny limits"),
    ({"algorithm": "direct"}, [], "algorithm", "by direct kernels"),
    ({"algorithm": "direct", "limits": "tiny"}, [], "limits", "by direct kernels with tiny limits"),
    ({"algorithm": "implicit"}, [], "algorithm", "by implicit products"),
    ({"algorithm": "gemm"}, ["--math", "fast"], "bound", "with CLBlast's products"),
    ({"algorithm": "gemm", "limits": "tiny"}, ["--math", "fast"], "bound", "with CLBlast's products and tiny limits"),
    ({"algorithm": "gemm"}, [], None, ""),
]
for device, ways in ("plugin:0", CPU), ("opencl:0.0", OPENCL):
    check(not judge(device, {"threads": 7}), f"{device}: fails without a mistake")
    for way, arguments, expected, text in ways:
        found = judge(device, way, *arguments)
        check(len(found) == (expected is not None) and all(c == expected and text in t for c, t in found),
              f"{device} {way} {arguments}: {found}, expected {expected}: {text}")
sys.exit(finish())
