#!/usr/bin/env python3
"""Checks that the rooms of src/ stand on each other in one order: by symbols, not by #include lines.

rooms_test.py NM BUILD/src ROOM...

ROOMs are given from the lowest up. An object that needs a symbol of a room above its own is a fault, named with the
file and the symbol. Exits 0 if there is none.
"""
import collections
import pathlib
import re
import subprocess
import sys


def room_of(path):
    """The room of an object file, or None: objects of the library are called ROOM_FILE.c.o, those of the families that
    are compiled several times lie in a folder of their own, and what the build makes names its room's folder."""
    folder = path.parent.name
    if folder.startswith(("libop-reference", "libop-oracle")):
        return "op"
    if folder.startswith("libcpu-"):
        return "cpu"
    match = re.match(r"(?:meson-generated_\.\._)?([a-z]+)[_.].*\.o$", path.name)
    return match[1] if match else None


def symbols(nm, paths):
    """{object: (defined, needed)}"""
    found = {path: (set(), set()) for path in paths}
    listing = subprocess.run([nm, "--print-file-name", "--format=posix", *paths], check=True, capture_output=True, text=True)
    for line in listing.stdout.splitlines():
        path, _, rest = line.partition(": ")
        name, kind = rest.split()[:2]
        if kind == "U":
            found[pathlib.Path(path)][1].add(name)
        elif kind.isupper():
            found[pathlib.Path(path)][0].add(name)
    return found


def main(nm, build, *rooms):
    rank = {room: i for i, room in enumerate(rooms)}
    paths = [path for path in sorted(pathlib.Path(build).rglob("*.o")) if room_of(path) in rank]
    objects = {path: (room_of(path), *found) for path, found in symbols(nm, paths).items()}
    home = {name: room for room, defined, _ in objects.values() for name in defined}
    arrows, faults = collections.Counter(), set()
    for path, (room, _, needed) in objects.items():
        for name in needed & home.keys():
            arrows[room, home[name]] += room != home[name]
            if rank[home[name]] > rank[room]:
                faults.add(f"{room}: {path.name[:-2]} needs {name} of {home[name]}, which is above it")
    found = {room for room, _, _ in objects.values()}
    for room in rooms:
        if room not in found and room != "opencl":
            faults.add(f"{room}: no object of this room was found in {build}")
    if sum(arrows.values()) < 100:
        faults.add(f"only {sum(arrows.values())} symbols cross rooms: the objects were not understood")
    for fault in sorted(faults):
        print(fault)
    print(f"{len(objects)} objects, {sum(1 for a in arrows.values() if a)} pairs of rooms, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
