"""The Python side of net_runner: one model of the library, its weights, batches and training steps."""
import subprocess

import numpy as np


class NetError(Exception):
    """The library refused a request, or the program ended; the text says why."""


class NoDevice(Exception):
    """The device does not exist here."""


class Runner:
    """One open net_runner process. `command` is the program with its arguments."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ready = self.process.stdout.readline().decode()
        if not ready.startswith("ready "):
            text = self.process.stderr.read().decode().strip()
            raise (NoDevice if self.process.wait() == 77 else NetError)(text or "no answer")
        self.device = ready[len("ready "):].strip()

    def ask(self, request, data=b""):
        """Sends one request and returns the tensors of its reply, name -> array. Errors: NetError."""
        try:
            self.process.stdin.write(request.encode() + b"\n" + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        tensors = {}
        while True:
            words = self.process.stdout.readline().decode().split()
            if not words:
                raise self._ended()
            if words[0] == "ok":
                return tensors
            if words[0] == "error":
                raise NetError("%s: %s" % (request, " ".join(words[1:])))
            shape = tuple(map(int, words[3:]))
            size = 4 * int(np.prod(shape, dtype=np.int64))
            bytes_read = self.process.stdout.read(size)
            if len(bytes_read) != size:
                raise self._ended()
            tensors[words[1]] = np.frombuffer(bytes_read, np.float32).reshape(shape)

    def write(self, name, array):
        self.ask("write " + name, np.ascontiguousarray(array).tobytes())

    def _ended(self):
        text = self.process.stderr.read().decode().strip().splitlines()
        return NetError("net_runner ended with %d: %s" % (self.process.wait(), text[-1:]))

    def close(self):
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return self.process.wait()
