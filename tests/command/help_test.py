"""The man pages and completions that the build makes say what --help says.

usage: help_test.py CLADE MAN_PAGES BASH ZSH FISH"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def output(*command, text=None):
    return subprocess.run(command, check=True, capture_output=True, text=True, input=text).stdout


def subcommands(clade):
    """[(name, summary)]"""
    lines = output(clade, "--help").split("\n\n")[2].splitlines()
    return [(line[2:18].strip(), line[18:]) for line in lines]


def check_pages(clade, folder):
    names = []
    top = (folder / "clade.1").read_text().replace("\\-", "-")
    for line in output(clade, "--help").split("Exit status:\n\n")[1].split("\n\n")[0].splitlines():
        assert f".TP\n\\fB{line[2:18].strip()}\\fR\n{line[18:]}\n" in top.split(".SH EXIT STATUS\n")[1], line
    for name, summary in subcommands(clade):
        names.append(name)
        told = output(clade, *name.split(), "--help")
        page = (folder / f"clade-{name.replace(' ', '-')}.1").read_text()
        text = page.replace("\\-", "-").replace("\\(ga", "`").replace("\\(aq", "'").replace("\\(ti", "~")
        assert summary in text, (name, summary)
        options = re.findall(r"^  (--[a-z-]+.*?)(?:  .*)?$", told.split("\nFor example:")[0], re.M)
        assert options or "[options]" not in told, name
        for option in options:
            assert f".TP\n\\fB{option}\\fR\n" in text, (name, option)
        example = told.split("For example:\n")[1].splitlines()
        for line in example:
            assert line.strip() in text, (name, line)
        assert f"clade-{name} ".replace(" ", "-", name.count(" ")) in top, name
    pages = sorted(folder.iterdir())
    assert len(pages) == len(names) + 1, (pages, names)
    for page in pages:
        if shutil.which("groff"):
            told = subprocess.run(["groff", "-man", "-ww", "-Tascii", page], capture_output=True, text=True)
            assert not told.returncode and not told.stderr, (page, told.stderr)
        if shutil.which("mandoc"):
            output("mandoc", "-Tlint", "-Werror", page)
    return names


BASH_CASES = [  # words up to the cursor; what must be offered, what must not
    ("clade t", "train tune tune-device", "bench"),
    ("clade data ", "make list", "train"),
    ("clade data make --", "--classes --size --help", "--json"),
    ("clade train c", "cifar10 cats-dogs-64 cats-dogs-dropout", "shapes"),
    ("clade train --ma", "--math", "--data"),
    ("clade train --math ", "exact fast", "--math"),
    ("clade train --math = f", "fast", "exact"),
    ("clade train --math = ", "exact fast", ""),
    ("clade train --epochs ", "", "cifar10 train"),
    ("clade train --data l", "library.zip", "--data"),
    ("clade tune-device --", "--device", "--trials"),
    ("clade inspect x.zip --recipe sh", "shapes", "cifar10"),
    ("clade evaluate ", "library.zip", "cifar10"),
]


def check_bash(script, folder):
    (folder / "library.zip").touch()
    (folder / "a folder").mkdir()
    for line, expected, unexpected in BASH_CASES:
        words = line.split(" ")
        listing = " ".join(f"'{w}'" for w in words)
        offered = subprocess.run(
            ["bash", "-uc", f"source {script}; COMP_WORDS=({listing}); COMP_CWORD={len(words) - 1}; _clade; "
             "printf '%s\\n' \"${COMPREPLY[@]-}\""],
            check=True, capture_output=True, text=True, cwd=folder).stdout.splitlines()
        assert set(expected.split()) <= set(offered), (line, offered)
        assert not set(unexpected.split()) & set(offered), (line, offered)
    assert "a folder" in offered, offered


def check_fish(script):
    output("fish", "-n", script)
    for line, expected, unexpected in BASH_CASES:
        if "=" in line or "library" in expected:
            continue
        offered = output("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
        offered = {row.split("\t")[0] for row in offered.splitlines()}
        assert set(expected.split()) <= offered, (line, offered)
        assert not set(unexpected.split()) & offered, (line, offered)


def main(*paths):
    clade, pages, bash, zsh, fish = (pathlib.Path(path).resolve() for path in paths)
    names = check_pages(clade, pages)
    with tempfile.TemporaryDirectory(prefix="clade-completion-") as folder:
        check_bash(bash, pathlib.Path(folder))
    tried = ["bash"]
    if shutil.which("zsh"):
        output("zsh", "-n", zsh)
        tried.append("zsh")
    if shutil.which("fish"):
        check_fish(fish)
        tried.append("fish")
    print(f"{len(names)} subcommands; completions of {', '.join(tried)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
