"""docs/getting-started.md: its commands run, one after the other, and print what the page shows, but for numbers; they train
for fewer epochs.

usage: started_test.py CLADE PAGE"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish, watched


def steps(page):
    """[(command, lines that it prints)] of the blocks that are called console."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def shape(line):
    """A line without its numbers, what comes of their width, and the classes that are named by how probable they are."""
    bare = re.sub(r"\s+", " ", re.sub(r"[\d.,]*\d|█+", "0", line)).strip()
    return re.sub(r"\b(circle|ring|square|star|triangle) (?=0(,|$))", "CLASS ", bare)


def shortened(command):
    """What trains, with few epochs."""
    if not command.startswith("clade train"):
        return command
    return re.sub(r" --epochs \d+", "", command) + (" --epochs 3" if "--resume" in command else " --epochs 2")


def fits(shown, printed):
    """Are these the lines, where … stands for any number of them?"""
    if not shown:
        return not printed
    if shown[0] == "…":
        return any(fits(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and shape(shown[0]) == shape(printed[0]) and fits(shown[1:], printed[1:])


def main(clade, page):
    done = 0
    with tempfile.TemporaryDirectory(prefix="clade-started-") as name:
        folder = pathlib.Path(name).resolve()
        (folder / "bin").mkdir()
        (folder / "work").mkdir()
        (folder / "bin/clade").symlink_to(os.path.abspath(clade))
        env = watched("OCL_ICD_VENDORS")
        env.update(HOME=str(folder), PATH=f"{folder / 'bin'}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
        for command, shown in steps(pathlib.Path(page).read_text()):
            run = subprocess.run(shortened(command), shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
                                 cwd=folder / "work", timeout=120)
            printed = run.stdout.replace(str(folder / "work"), "/data").replace(str(folder), "/data").splitlines()
            check(run.returncode == 0, f"{command}: status {run.returncode}: {run.stdout}")
            check(fits([line for line in shown if line], [line for line in printed if line]),
                  f"{command}: prints\n{run.stdout}\nshown is\n" + "\n".join(shown))
            done += 1
    check(done >= 8, f"only {done} commands on the page")
    return finish()


sys.exit(main(*sys.argv[1:]))
