"""Makes the wheel of an installed Clade: the binding, the library and the command. For tools/package.

usage: make_wheel.py PREFIX VERSION FOLDER

Where the library was linked with an RPATH, which its libraries inherit, all that it needs but what every Linux has is put
inside with its licences, and the wheel is for any Linux of this glibc (manylinux). Else it is for systems like this one."""
import base64
import hashlib
import pathlib
import re
import subprocess
import sys
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).parent
# what every system has (PEP 600)
EVERYWHERE = re.compile(r"(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libz|ld-linux[-\w]*)\.so\.\d+$")


def dump(path):
    return subprocess.run(["objdump", "-p", path], check=True, capture_output=True, text=True).stdout


def find_libraries(path):
    """All that a file needs but what every system has: name to path."""
    text = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    return {name: pathlib.Path(found) for name, found in re.findall(r"^\s*(\S+) => (/\S+)", text, re.M)
            if not EVERYWHERE.match(name)}


def licence_of(path):
    """What Debian's package of a library says of its licence: the package, and the text."""
    found = subprocess.run(["dpkg", "-S", f"*/{path.resolve().name}"], check=True, capture_output=True, text=True)
    owner = found.stdout.split(":")[0]
    return owner, pathlib.Path("/usr/share/doc", owner, "copyright").read_bytes()


def collect(prefix):
    """The files of the wheel by their names in it, and its platform."""
    command = prefix / "bin" / "clade"
    [library] = prefix.rglob("libclade.so.0")
    files = {f"clade/{path.name}": path.read_bytes() for path in sorted((HERE / "clade").glob("*.py"))}
    files["clade/bin/clade"] = command.read_bytes()
    place = pathlib.Path("clade") / library.parent.relative_to(prefix)  # where the command looks for it
    files[f"{place}/libclade.so.0"] = library.read_bytes()
    machine = sysconfig.get_platform().split("-", 1)[1].replace("-", "_")
    needed = find_libraries(library) | find_libraries(command)
    needed.pop("libclade.so.0", None)
    if not re.search(r"^ +RPATH ", dump(library), re.M):
        print(f"the system must have these: {', '.join(sorted(needed))}", file=sys.stderr)
        return files, f"linux_{machine}"
    for name, path in sorted(needed.items()):
        files[f"{place}/{name}"] = path.read_bytes()
        owner, text = licence_of(path)
        files[f"clade/licenses/{owner}"] = text
    versions = re.findall(r"\bGLIBC_2\.(\d+)", "".join(map(dump, [command, library, *needed.values()])))
    return files, f"manylinux_2_{max(map(int, versions))}_{machine}"


def main(prefix, version, folder):
    files, platform = collect(pathlib.Path(prefix))
    tag = f"py3-none-{platform}"
    info = f"clade-{version}.dist-info"
    root = HERE.parents[1]
    files["clade/_version.py"] = f'version = "{version}"\n'.encode()
    files[f"{info}/METADATA"] = f"""\
Metadata-Version: 2.1
Name: clade
Version: {version}
Summary: Trains image classifiers on any OpenCL device and on a plain CPU
License: Apache-2.0
Requires-Python: >=3.9
Provides-Extra: numpy
Requires-Dist: numpy; extra == "numpy"
Description-Content-Type: text/markdown

""".encode() + (root / "README.md").read_bytes()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: clade\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nclade = clade._command:main\n"
    files[f"{info}/LICENSE"] = (root / "LICENSE").read_bytes()
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = pathlib.Path(folder) / f"clade-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name == "clade/bin/clade" else 0o100644) << 16
            archive.writestr(entry, content)
    print(wheel)


if __name__ == "__main__":
    main(*sys.argv[1:])
