"""The copy of the tree that carries the mutants, and its build."""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

from mutation import mutants

# The address at which every process, kernels on the CPU included, notes which mutants' places it has reached.
REACHED = 0x200000000000

HEADER = f"""/* Which mutant runs: from the environment in C, an option of the compiler in OpenCL C. */
#ifndef CLADE_MUTANT
#ifdef __OPENCL_C_VERSION__
#ifdef CLADE_MUTANT_REACHED
static inline int clade_mutant_note(int n)
{{
    ((volatile __global uchar *){REACHED:#x}UL)[n] = 1;
    return 0;
}}
#define CLADE_MUTANT(n) clade_mutant_note(n)
#elif defined(CLADE_MUTANT_NUMBER)
#define CLADE_MUTANT(n) ((n) == CLADE_MUTANT_NUMBER)
#else
#define CLADE_MUTANT(n) 0
#endif
#else
extern char *getenv(const char *);
extern int atoi(const char *);
static int clade_mutant_number = -1;
static volatile unsigned char *clade_mutant_reached;
__attribute__((constructor)) static void clade_mutant_read(void)
{{
    const char *number = getenv("CLADE_MUTANT");
    if (number) clade_mutant_number = atoi(number);
    if (getenv("CLADE_MUTANT_REACHED")) clade_mutant_reached = (unsigned char *){REACHED:#x}UL;
}}
static inline __attribute__((always_inline, unused)) int clade_mutant_is(int n)
{{
    if (clade_mutant_reached) clade_mutant_reached[n] = 1;
    return n == clade_mutant_number;
}}
#define CLADE_MUTANT(n) clade_mutant_is(n)
#endif
#endif
"""

MAPPER = f"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
__attribute__((constructor)) static void map(void)
{{
    const char *name = getenv("CLADE_MUTANT_REACHED");
    int file = name ? open(name, O_RDWR) : -1;
    if (file < 0) return;
    off_t size = lseek(file, 0, SEEK_END);
    void *to = (void *){REACHED:#x}UL;
    if (mmap(to, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) != to) abort();
    close(file);
}}
"""


def tracked(root):
    result = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, check=True)
    return [name for name in result.stdout.decode().split("\0") if name and (root / name).is_file()]


def write(path, data):
    """Leaves alone what is the same, so that it is not built again."""
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Tree:
    def __init__(self, root, work, jobs):
        self.root, self.work, self.jobs = root, work, jobs
        self.path, self.build = work / "tree", work / "tree/build"
        self.mapper = work / "mapper.so"

    def copy(self):
        names = tracked(self.root)
        if self.path.exists():  # a file that is gone
            for name in set(tracked(self.path)) - set(names):
                (self.path / name).unlink()
        else:
            self.path.mkdir(parents=True)
            subprocess.run(["git", "init", "-q", str(self.path)], check=True)
            (self.path / ".git/info/exclude").write_text("/build/\n", encoding="utf-8")
        for name in names:
            write(self.path / name, (self.root / name).read_bytes())
            (self.path / name).chmod((self.root / name).stat().st_mode)
        write(self.path / "kernels/mutant.clh", HEADER.encode())
        if not (self.build / "build.ninja").exists():
            subprocess.run(["meson", "setup", str(self.build), str(self.path), "--buildtype=debugoptimized"],
                           stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", str(self.mapper)], input=MAPPER.encode(), check=True)

        # headers that the build makes
        made = subprocess.run(["ninja", "-C", str(self.build), "-t", "targets", "rule", "CUSTOM_COMMAND"],
                              stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
        self.ninja([name for name in made if name.endswith(".h")])

    def ninja(self, arguments):
        return subprocess.run(["ninja", "-j", str(self.jobs), "-C", str(self.build), *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)

    def units(self, names):
        """How clang compiles what these files are part of: (command, directory)."""
        units, seen = [], set()
        compiled = json.loads((self.build / "compile_commands.json").read_text(encoding="utf-8"))
        headers = [name for name in names if name.endswith(".h")]
        for entry in compiled:
            file = str((pathlib.Path(entry["directory"]) / entry["file"]).resolve().relative_to(self.path))
            if file in seen or file.startswith("build/") or not (file in names or self.includes(file, headers)):
                continue
            seen.add(file)
            words = shlex.split(entry["command"])
            flags = [word for before, word in zip(words, words[1:])
                     if re.match("-[IDm]|-std=|-isystem", word) or before == "-isystem"]
            units.append((["clang", *flags, entry["file"]], pathlib.Path(entry["directory"])))
        for kernel in sorted((self.path / "kernels").glob("*.cl")):
            file = f"kernels/{kernel.name}"
            if file in names or self.includes(file, [n for n in names if n.endswith(".clh")]):
                units.append((["clang", "-x", "cl", "-cl-std=CL1.2", "-Xclang", "-finclude-default-header", "-target",
                               "spir64-unknown-unknown", kernel.name], self.path / "kernels"))
        return units

    def includes(self, file, headers, seen=()):
        """Whether a file includes one of the headers, by way of others too."""
        text = (self.path / file).read_text(encoding="utf-8")
        for name in re.findall(r'^#include "([^"]+)"', text, re.M):
            for folder in ((self.path / file).parent, self.path / "src", self.path / "tools/clade"):
                if not (folder / name).is_file():
                    continue
                found = str((folder / name).resolve().relative_to(self.path))
                if found in headers or found not in seen and headers and self.includes(found, headers, (*seen, found)):
                    return True
                break
        return False

    def needed(self, checks, names):
        """What is to be built: the programs of these checks, and kernels as the build checks them."""
        known = {line.rsplit(":", 1)[0] for line in self.ninja(["-t", "targets", "all"]).stdout.decode().split("\n")}
        words = {os.path.relpath(self.build / word, self.build) for check in checks for word in check.command}
        if any(name.startswith("kernels/") for name in names):
            words |= {name for name in known if name.endswith(".checked")}
        return sorted(words & known)

    def put_in(self, chosen, sources, targets):
        """Builds the targets with mutants by number; those that the compiler refuses are dropped. Returns them."""
        refused = set()
        while True:
            where = {}
            for name, source in sources.items():
                here = {n: m for n, m in chosen.items() if m.file == name and n not in refused}
                folder = "" if name.startswith("kernels/") else "../" * name.count("/") + "kernels/"
                prefix = f'#include "{folder}mutant.clh"\n' if here else ""
                text, where[name] = mutants.rewrite(source, here, prefix)
                refused |= set(here) - set(where[name])
                write(self.path / name, text.encode())
            result = self.ninja(["-k", "0", *targets])
            more = self.blamed(result.stdout.decode(), where)
            if not more and not result.returncode:
                return refused
            if not more:  # a macro that something constant uses
                more = {n for n, m in chosen.items() if n not in refused and sources[m.file].define(m.begin) is not None}
            if not more:
                sys.exit(f"mutate: the copy does not build:\n{result.stdout.decode()[-4000:]}")
            refused |= more

    def blamed(self, log, where):
        """The mutants that the compiler's errors point at, and its warnings that a mutant is of another type."""
        found = set()
        log = re.sub(r"\x1b\[[0-9;]*[mK]", "", log)
        for file, line, column in re.findall(r"^([^\s:]+):(\d+):(\d+): (?:error:|warning: pointer.* mismatch)", log, re.M):
            name = next((n for n in where if n == file or file.endswith("/" + n.rsplit("/", 1)[-1])
                         or file == n.rsplit("/", 1)[-1]), None)
            if not name:
                continue
            lines = (self.path / name).read_bytes().split(b"\n")
            offset = sum(len(text) + 1 for text in lines[:int(line) - 1]) + int(column) - 1
            around = [(end - begin, number) for number, (begin, end) in where[name].items() if begin <= offset < end]
            if around:
                size = min(around)[0]
                found |= {number for length, number in around if length == size}
        return found
