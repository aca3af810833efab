"""Guard zones of `clade conform`: a backend that takes more memory than it was given is caught, and the command that
repeats a failure repeats it in a process of its own.

usage: guard_test.py CLADE GREEDY.so"""
import json
import pathlib
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish  # noqa: E402

clade, greedy = sys.argv[1:]


# the element behind x; the one behind the workspace; what the workspace held
CALLS = {"copy": "x=2x3", "fill": "y=2x3 value=2", "mul": "a=2x3 b=2x3"}
EXPECTED = {"copy": {"bound", "integers"}, "fill": {"workspace"}, "mul": {"bound", "integers"}}


def failures(*arguments):
    """(name, check) of each failure, and the command that repeats it."""
    ended = subprocess.run([clade, *arguments, "--format", "json"], capture_output=True, text=True, timeout=120)
    check(ended.returncode in (0, 1), f"{arguments}: exit status {ended.returncode}: {ended.stderr}")
    results = json.loads(ended.stdout)["results"]
    return {(r["name"], r["check"]): r["reproduce"] for r in results if r["verdict"] in ("FAIL", "CRASH")}


for op, expected in EXPECTED.items():
    found = failures("conform", "--plugin", greedy, "--mode", "ops", "--op", op, "--quick", "--threads", "3")
    found |= failures("conform", "--plugin", greedy, "--op", op, "--random", "3", "--seed", "4", "--limits", "tiny")
    found = {at: command for at, command in found.items() if at[0].split(".")[1] == op}
    found |= failures("conform", "--plugin", greedy, "--mode", "ops", "--case", f"{op} {CALLS[op]}")
    check(len(found) > 1, f"{op}: caught {list(found)}")
    for (name, which), command in found.items():
        # where an address sanitizer looks on, it ends the process
        check(which in expected | {"crash"}, f"{name}: {which}, expected one of {expected}")
        program, *arguments = shlex.split(command)
        check(program == "clade", command)
        check((name, which) in failures(*arguments), f"not repeated by {command}")
sys.exit(finish())
