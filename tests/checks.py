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
