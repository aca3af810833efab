"""The Python side of op_runner: runs single Clade ops on numpy arrays."""
import subprocess

import numpy as np

NAMES = {np.dtype(np.float32): "f32", np.dtype(np.uint8): "u8", np.dtype(np.int32): "i32"}
DTYPES = {name: dtype for dtype, name in NAMES.items()}


class OpError(Exception):
    """The library refused a call; the text is its error text."""


class RunnerDied(Exception):
    """op_runner ended in mid-request."""


class NoDevice(Exception):
    """The device does not exist here."""


def _number(value):
    return "%.9g" % value if isinstance(value, float) else str(int(value))


class Runner:
    """One open op_runner process. `command` is the program with its arguments."""

    def __init__(self, command):
        self.command = command
        self.calls = {}  # op name -> calls so far
        self._start()

    def _start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ready = self.process.stdout.readline().decode()
        if not ready.startswith("ready "):
            text = self.process.stderr.read().decode().strip()
            if self.process.wait() == 77:
                raise NoDevice(text)
            raise RunnerDied(text or "no answer")
        self.device = ready[len("ready "):].strip()

    def _died(self):
        self.process.stdin = None
        text = self.process.stderr.read().decode().strip().splitlines()
        status = self.process.wait()
        self._start()
        return RunnerDied("op_runner ended with %d: %s" % (status, text[-1] if text else ""))

    def run(self, op, tensors, params=None, outputs=None):
        """Runs `op`; tensors: slot -> array; params: name -> number or numbers; outputs: slot ->
        (dtype, shape) for those whose shape is the caller's to give. Returns slot -> array for all
        that the op writes. Errors: OpError, RunnerDied (the next call starts a new process)."""
        self.calls[op] = self.calls.get(op, 0) + 1
        message = ["op %s\n" % op]
        for name, value in (params or {}).items():
            values = value if isinstance(value, (list, tuple)) else [value]
            message.append("param %s %s\n" % (name, " ".join(map(_number, values))))
        for name, (dtype, shape) in (outputs or {}).items():
            message.append(self._shape("output", name, np.dtype(dtype), shape))
        message = [m.encode() for m in message]
        for name, array in tensors.items():
            array = np.ascontiguousarray(array)
            message += [self._shape("tensor", name, array.dtype, array.shape).encode(),
                        array.tobytes()]
        try:
            self.process.stdin.write(b"".join(message) + b"run\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        return self._reply()

    @staticmethod
    def _shape(word, name, dtype, shape):
        return "%s %s %s %d %s\n" % (word, name, NAMES[dtype], len(shape), " ".join(map(str, shape)))

    def _reply(self):
        source = self.process.stdout
        results = {}
        while True:
            words = source.readline().decode().split()
            if not words:
                raise self._died()
            if words[0] == "error":
                raise OpError(" ".join(words[1:]))
            if words[0] == "end":
                return results
            if words[0] == "tensor":
                dtype, shape = DTYPES[words[2]], tuple(map(int, words[4:]))
                size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
                data = source.read(size)
                if len(data) != size:
                    raise self._died()
                results[words[1]] = np.frombuffer(data, dtype).reshape(shape)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.wait()
