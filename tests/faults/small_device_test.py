"""`clade tune-device` on a device whose buffers are too small for a recipe's batch: it measures on as much of the batch as
fits, and says what is missing where not one image does.

usage: small_device_test.py CLADE LAYER.so"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from checks import check, finish

EXIT_SKIP = 77
LARGEST_BUFFER = 0x1010  # CL_DEVICE_MAX_MEM_ALLOC_SIZE


def main():
    clade, layer = map(os.path.abspath, sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="clade-small-") as name:
        folder = pathlib.Path(name)
        counts = folder / "counts"
        counts.write_bytes(bytes(16))

        def tune(bytes_of_a_buffer):
            layers = dict(OPENCL_LAYERS=layer, FAULT_KIND="clGetDeviceInfo", FAULT_HOW="2", FAULT_FIRST="1", FAULT_LAST=str(2**63),
                          FAULT_LIMIT=str(LARGEST_BUFFER), FAULT_VALUE=str(bytes_of_a_buffer), FAULT_COUNT=str(counts))
            environment = dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"), **layers)
            return subprocess.run([clade, "tune-device", "shapes", "--device", "opencl", "--limit", "0.1", "--total", "20",
                                   "--no-products"], capture_output=True, text=True, env=environment)

        if b'"opencl:' not in subprocess.run([clade, "devices", "--json"], capture_output=True).stdout:
            print("skipped: there is no OpenCL device")
            return EXIT_SKIP
        part = tune(1 << 20)
        check("chose algorithms for" in part.stdout and "in one buffer" not in part.stderr, f"a part of the batch: {part}")
        none = tune(1 << 18)
        check(none.returncode == 1 and "activations for 1 images" in none.stderr, f"no image fits: {none}")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
