"""The command, as `clade` in an environment's bin folder."""
import os
import pathlib
import sys


def main():
    command = str(pathlib.Path(__file__).parent / "bin" / "clade")
    os.execv(command, [command, *sys.argv[1:]])
