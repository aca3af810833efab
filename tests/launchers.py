"""How ranks are started, by the MPI library that they load."""
import shutil

LAUNCHERS = {
    "Open MPI": ["mpirun.openmpi", "--oversubscribe", "--allow-run-as-root"],
    "MPICH": ["mpirun.mpich"],
}


def there():
    """Those that are installed."""
    return {name: words for name, words in LAUNCHERS.items() if shutil.which(words[0])}
