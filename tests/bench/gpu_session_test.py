#!/usr/bin/env python3
"""tools/bench/gpu-session: what it finds lies in one folder, and a part that fails, hangs or crashes costs itself alone.

gpu_session_test.py GPU-SESSION
"""
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

# stands in for clade, which would take minutes: what it answers to is the session's affair
CLADE = """#!/bin/sh
case "$*" in
--version) echo clade 1 ;;
devices*) echo '{"devices": []}' ;;
*--quick*) echo wrong; exit 1 ;;
*cifar10*--profile*) kill -9 $$ ;;
*cifar10*) sleep 600 & echo $! >>"$0.children"; wait ;;
*--profile*) echo a profile ;;
*--model*) echo '{"results": [{"part": "forward", "ms": 1.5}, {"part": "step", "ms": 2.25}]}' ;;
*) echo '{}' ;;
esac
"""
PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
case "$*" in
*mobilenet_v2*) echo no such net >&2; exit 1 ;;
*) echo '{"ms": 4.5}' ;;
esac
"""


def main(session):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for program, text in ("clade", CLADE), ("python", PYTHON):
            (folder / program).write_text(text)
            (folder / program).chmod(0o755)

        def run(out, *more):
            return subprocess.run([session, folder / out, "--clade", folder / "clade", "--python", folder / "python", *more],
                                  capture_output=True, text=True)

        done = run("all", "--limit", "1")
        table = (folder / "all" / "table.md").read_text()
        check(done.returncode == 0 and table in done.stdout, f"status {done.returncode}: {done.stderr}")
        rows = {cells[1].strip(): cells[2].strip() for cells in (line.split("|") for line in table.splitlines()) if len(cells) == 4}
        check(rows["conform"] == "exit status 1", f"conform: {rows['conform']}")
        check(rows["cifar10-32-clade"] == "ended at its limit of 1 s", rows["cifar10-32-clade"])
        check(rows["profile-cifar10"] == "exit status -9", rows["profile-cifar10"])
        check("no such net" in rows["mobilenet_v2-16-torch-tf32"], rows["mobilenet_v2-16-torch-tf32"])
        for part in "devices", "cats-dogs-64-256-clade", "profile-resnet50", "roofline", "tune-device", "conform-full":
            check(rows[part].endswith(" s"), f"{part}: {rows[part]}")
            check(any((folder / "all").glob(f"{part}.*")), f"{part} has no file")
        check("| cats-dogs-64 | 256 | 2.250 | 2.250 | 2.250 | 4.500 | 4.500 | 4.500 | 2.00 |" in table, table)
        check("| resnet50, inference | 16 | 1.500 | 1.500 | 1.500 | 4.500 |" in table, table)
        check("| cifar10 | 32 | – | – | – | 4.500 |" in table, table)
        for child in (folder / "clade.children").read_text().split():
            state = pathlib.Path(f"/proc/{child}/stat")
            check(not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] in "ZX", f"{child} goes on")

        check(run("all").returncode != 0, "a folder with something in it is written into")
        run("some", "--only", "devices,cats-dogs-64-32")
        names = sorted(p.name for p in (folder / "some").iterdir())
        check(len(names) == 9 and "devices.txt" in names and "cats-dogs-64-32-torch-mixed.json" in names, f"some: {names}")
        run("late", "--seconds", "0")
        check("| devices | no time was left |" in (folder / "late" / "table.md").read_text(), "nothing says that time is over")
    return finish()


sys.exit(main(pathlib.Path(sys.argv[1])))
