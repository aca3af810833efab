"""Installs the library into a folder, compiles example.c against that with pkg-config only, and runs it.

usage: installed_test.py MESON BUILD SOURCE CC..."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def main(meson, build, source, *cc):
    if not shutil.which("pkg-config"):
        print("no pkg-config")
        return 77
    with tempfile.TemporaryDirectory(prefix="clade-installed-") as name:
        root = pathlib.Path(name)
        subprocess.run([meson, "install", "--no-rebuild", "--quiet", "-C", build, "--destdir", root], check=True)
        [pc] = root.rglob("clade.pc")
        [library] = root.rglob("libclade.so")
        [clade] = [p for p in root.rglob("clade") if p.parent.name == "bin"]
        prefix = str(pc.parent).removeprefix(str(root))
        environment = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_SYSROOT_DIR=str(root),
                           LD_LIBRARY_PATH=str(library.parent))
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "clade"], env=environment, check=True,
                               capture_output=True, text=True).stdout.split()
        print(f"installed below {prefix}: {' '.join(flags)}")
        subprocess.run([*cc, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", source, *flags, "-o",
                        root / "example"], check=True, env=environment)
        images = root / "images"
        subprocess.run([clade, "data", "make", images, "--classes", "3", "--train", "30", "--validation", "10",
                        "--size", "32"], check=True, env=environment)
        image = sorted(images.rglob("*.jpg"))[0]
        output = subprocess.run([root / "example", images, image], check=True, env=environment, cwd=root,
                                capture_output=True, text=True).stdout
        print(output, end="")
        rows = [line.split() for line in output.splitlines() if not line.startswith("epoch")]
        if len(rows) != 3 or abs(sum(float(p) for _, p in rows) - 1) > 0.01:
            print("expected three classes with probabilities that sum to 1")
            return 1
        told = subprocess.run([clade, "predict", root / "example.safetensors", image, "--device", "cpu"],
                              check=True, env=environment, capture_output=True, text=True).stdout
        best = max(rows, key=lambda row: float(row[1]))[0]
        if f": {best} " not in told:
            print(f"the saved file says {told!r}, expected {best}")
            return 1
        lines = len(pathlib.Path(source).read_text().splitlines())
        if lines >= 80:
            print(f"{source} has {lines} lines")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
