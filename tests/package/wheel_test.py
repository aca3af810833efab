"""The wheel in a fresh environment: data, training, predictions, history, errors, and the command. Without numpy, and with
it where this Python has it.

usage: wheel_test.py PACKAGE BUILD INCLUDE CC..."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

USE = r'''
import ctypes, subprocess, sys
if sys.argv.pop() == "without":
    sys.modules["numpy"] = None
import clade
from clade import _library

try:
    import numpy
except ImportError:
    numpy = None
images, command, include, *cc = sys.argv[1:]

# the structs are those of the headers
ours = {"(int)CLADE_ECANCELLED": _library.CANCELLED}
for name, struct in _library.STRUCTS.items():
    ours[f"sizeof({name})"] = ctypes.sizeof(struct)
    ours.update({f"offsetof({name}, {field})": getattr(struct, field).offset for field, *_ in struct._fields_})
source = "#include <clade/clade.h>\n" + "".join(f'_Static_assert({c} == {n}, "binding");\n' for c, n in ours.items())
subprocess.run([*cc, "-std=c11", "-fsyntax-only", "-I", include, "-x", "c", "-"], input=source, text=True, check=True)

def fails(kind, text, call, *args, **more):
    try:
        call(*args, **more)
    except kind as error:
        assert text in str(error) and "\n" not in str(error), str(error)
        return error
    raise AssertionError(f"{text}: nothing was raised")

assert clade.devices()[0]["id"] == "cpu"
data = clade.Dataset(images, size=(16, 24))
assert len(data.classes) == 2, data.classes
assert data.shape == (16, 24, 3) and data.count() == 16 and data.count("validation") == 8
assert sorted(set(data.labels("validation"))) == [0, 1] and len(data.names()) == 16
data.close()
fails(ValueError, "this Dataset is closed", data.count)
error = fails(clade.Error, "nowhere", clade.Dataset, "nowhere")
assert error.status == "input/output error", error.status
fails(ValueError, "split is 'exam', expected one of train, validation, test", clade.Dataset(images).count, "exam")

epochs = []
with clade.train("shapes", images, out="run", on_epoch=epochs.append, device="cpu", epochs=3) as classifier:
    assert [e["epoch"] for e in epochs] == [1, 2, 3] and epochs[-1]["epochs"] == 3, epochs
    assert len(classifier.classes) == 2 and "epochs: 3" in classifier.recipe
    shape = classifier.shape
    classifier.save("last.safetensors")
fails(ValueError, "this Classifier is closed", classifier.predict, "some.jpg")
history = clade.history("run")
assert history["epoch"] == [1, 2, 3] and abs(history["val_loss"][2] - epochs[2]["val_loss"]) < 1e-6, history
stopped = []
clade.train("shapes", images, device="cpu", epochs=5, on_epoch=lambda e: stopped.append(e) or len(stopped) < 2).close()
assert len(stopped) == 2, stopped
def raises(epoch):
    raise KeyError("mine")
fails(KeyError, "mine", clade.train, "shapes", images, device="cpu", epochs=2, on_epoch=raises)

given = clade.Dataset(images, size=shape[:2])
with clade.train("shapes", given, device="cpu", epochs=1) as classifier:
    assert classifier.classes == given.classes
path = f"{images}/validation/{given.classes[0]}/{given.names('validation')[0].rsplit('/', 1)[-1]}"
classifier = clade.Classifier("run", device="cpu")
one, two = classifier.predict(path), classifier.predict([path, path])
assert list(two[0]) == list(one) == list(two[1]) and abs(sum(one) - 1) < 1e-5, (one, two)
printed = subprocess.run([command, "predict", "run", path, "--device", "cpu", "--format", "csv"], check=True,
                         capture_output=True, text=True).stdout
best = max(range(2), key=lambda i: one[i])
assert classifier.classes[best] in printed and f"{one[best]:.4f}"[:5] in printed, (printed, list(one))
fails(clade.Error, "no-such.jpg", classifier.predict, "no-such.jpg")
if numpy is None:
    fails(TypeError, "there is no numpy", classifier.predict, b"pixels")
else:
    pixels = given.image(0, "validation")
    assert pixels.shape == shape and pixels.dtype == numpy.uint8
    rows = classifier.predict(numpy.stack([pixels, pixels]))
    assert rows.shape == (2, 2) and rows.dtype == numpy.float32 and (rows[0] == rows[1]).all()
    fails(ValueError, "expected uint8", classifier.predict, pixels.astype(float))
    fails(ValueError, "expected uint8", classifier.predict, pixels[1:])
    fails(IndexError, "there is no 8", given.image, 8, "validation")
fails(clade.Error, "epochs", clade.train, "shapes", images, epochs=-1)
fails(clade.Error, "no-such-recipe", clade.train, "no-such-recipe", images)
fails(clade.Error, "names no data", clade.train, "cifar10")
fails(clade.Error, "not here", clade.Classifier, "run", device="gpu of dreams")
fails(ValueError, "expected 'exact'", clade.Classifier, "run", math="slow")
print("with numpy" if numpy else "without numpy")
'''


def run(*command, **more):
    subprocess.run([str(c) for c in command], check=True, **more)


def main(package, build, include, *cc):
    for tool in ("ldd", "objdump"):
        if not shutil.which(tool):
            print(f"no {tool}")
            return 77
    with tempfile.TemporaryDirectory(prefix="clade-wheel-") as name:
        folder = pathlib.Path(name)
        run(package, "wheel", folder / "dist", build)
        [wheel] = (folder / "dist").glob("clade-*.whl")
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
        here = {"env": environment, "cwd": folder}
        images, venv = folder / "images", folder / "venv"
        if subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv], check=False, **here).returncode:
            print("no venv")
            return 77
        command = venv / "bin/clade"
        run(venv / "bin/python", "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", wheel, **here)
        run(command, "--version", **here)
        run(command, "data", "make", images, "--classes", "2", "--train", "8", "--validation", "4", "--size", "32",
            stdout=subprocess.DEVNULL, **here)
        for numpy in ("with", "without"):  # where this Python has it
            shutil.rmtree(folder / "run", ignore_errors=True)
            run(venv / "bin/python", "-c", USE, images, command, include, *cc, numpy, **here)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
