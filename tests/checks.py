"""Checks that are counted; a failed one is printed."""
failures = 0


def check(good, what):
    global failures
    if not good:
        failures += 1
        print(f"failed: {what}")


def finish():
    """The exit status."""
    print(f"{failures} failures")
    return 1 if failures else 0
