"""Checks that are counted; a failed one is printed."""
import contextlib
import fcntl
import os

failures = 0


def check(good, what):
    global failures
    if not good:
        failures += 1
        print(f"failed: {what}")


def watched(*names):
    """An environment without the user's: these variables, and what sanitizers and tools/mutate need to watch a program."""
    return {name: value for name, value in os.environ.items()
            if name in names or name.endswith("SAN_OPTIONS") or name.startswith("CLADE_MUTANT") or name == "LD_PRELOAD"}


@contextlib.contextmanager
def taken(folder):
    """Meanwhile somebody trains in the folder."""
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield
    os.close(lock)


def finish():
    """The exit status."""
    print(f"{failures} failures")
    return 1 if failures else 0
