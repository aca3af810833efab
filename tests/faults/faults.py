"""The faults of each layer, and what a command must make of them."""
import errno


class Fault:
    """Calls of a kind that fail: one of them, or all from then on."""

    def __init__(self, name, environment, words, lasts=False, few=(20, 30), once=False):
        """words: one of them must be in the message. few: without --all the first so many, and about so many of the
        rest. once: only from the first call on."""
        self.name, self.environment, self.words, self.lasts = name, environment, words, lasts
        self.few, self.once = few, once

    def suits(self, scenario):
        return True

    def judge(self, case, ended):
        """What is wrong with how a command ended."""
        if ended.code is None:
            return ["hangs"]
        if ended.code < 0 or ended.code > 128:
            return ["crashes"]
        if "Sanitizer" in ended.errors or "runtime error:" in ended.errors:
            return ["a sanitizer's finding:\n" + ended.errors]
        said = any(word in case.said(ended) for word in self.words)
        if ended.code == 0:
            good = case.is_right(ended) or (said and case.may_go_on(ended))
            return [] if good else [f"succeeds with another result: {case.result(ended)}"]
        return ([] if said else ["does not say why"]) + case.recover()

    def enough(self, failed, walked):
        """May so many of a walk have ended with an error, and no more?"""
        return True


class Flip(Fault):
    """A bit that is another in what is copied, which must be noticed where all is compared. One that is written where
    an op's results go does nothing."""

    def suits(self, scenario):
        return scenario == "conform"

    def judge(self, case, ended):
        noticed = ended.code == 1 and "FAIL" in ended.output
        harmless = "Write" in self.name and ended.code == 0
        return [] if noticed or harmless else ["is not noticed"]

    def enough(self, failed, walked):
        """What is written is mostly inputs and what surrounds them."""
        return walked < 4 or 2 * failed > walked


# Clade, and what it is built on without a compiler of its own
CALLERS = "libclade.so:/clade:libcjson:libyaml:libarchive:libpng:libprotobuf-c"


def memory(library):
    environment = {"LD_PRELOAD": library, "FAULT_KIND": "alloc", "FAULT_CALLERS": CALLERS}
    words = ["memory"]
    return [Fault("once", environment, words), Fault("lasting", environment, words, lasts=True)]


FILE_KINDS = {
    "open": [errno.EIO, errno.EMFILE], "fopen": [errno.EMFILE], "opendir": [errno.EIO, errno.EMFILE],
    "readdir": [errno.EIO], "read": [0, errno.EIO], "pread": [0, errno.EIO], "write": [0, errno.EIO, errno.ENOSPC],
    "fread": [errno.EIO], "fwrite": [errno.ENOSPC], "fsync": [errno.EIO], "rename": [errno.EIO],
    "mkdir": [errno.ENOSPC], "unlink": [errno.EIO], "stat": [errno.EIO], "truncate": [errno.EIO],
    "close": [errno.EIO], "fclose": [errno.ENOSPC],
}
# of what a stream had taken, only that it failed is known when the stream is closed
EARLIER = {"fwrite": ["an earlier write failed"]}
SAID = {errno.EIO: "Input/output error", errno.EMFILE: "Too many open files", errno.ENOSPC: "the disk is full"}


def files(library):
    made = []
    for kind, errors in FILE_KINDS.items():
        for error in errors:
            environment = {"LD_PRELOAD": library, "FAULT_KIND": kind, "FAULT_HOW": str(error)}
            word = errno.errorcode[error] if error else "short"
            words = [SAID[error], *EARLIER.get(kind, [])] if error else []
            for lasts in (False, True):
                made.append(Fault(f"{kind}-{word}{'-lasting' if lasts else ''}", environment, words, lasts,
                                  few=(60, 6) if kind == "opendir" else (6, 6)))
    return made


# each with an error that drivers give
OPENCL_KINDS = {
    "clGetPlatformIDs": -1001, "clGetPlatformInfo": -6, "clGetDeviceIDs": -1, "clGetDeviceInfo": -6,
    "clCreateContext": -2, "clCreateCommandQueue": -6, "clCreateBuffer": -4, "clSetMemObjectDestructorCallback": -6,
    "clCreateProgramWithSource": -6, "clCreateProgramWithBinary": -42, "clBuildProgram": -11, "clGetProgramInfo": -5,
    "clGetProgramBuildInfo": -5, "clCreateKernel": -46, "clSetKernelArg": -5, "clEnqueueNDRangeKernel": -5,
    "clEnqueueFillBuffer": -4, "clEnqueueMapBuffer": -12, "clEnqueueUnmapMemObject": -5,
    "clEnqueueMarkerWithWaitList": -5, "clEnqueueReadBuffer": -5, "clEnqueueWriteBuffer": -4, "clWaitForEvents": -14,
    "clFlush": -36, "clFinish": -5, "clGetEventProfilingInfo": -7,
}
NO_DEVICE = ["no driver is installed", "no device", "not available", "no longer lists it"]
LIMITS = {  # as OpenCL numbers them: the name, and what the device says
    0x1010: ("memory-of-a-buffer", 1 << 16), 0x101F: ("memory", 1 << 20), 0x1004: ("work-group", 16),
    0x1023: ("local-memory", 1 << 10), 0x1002: ("compute-units", 1),
}


def opencl(library):
    layer = {"OPENCL_LAYERS": library}
    made = []
    for kind, error in OPENCL_KINDS.items():
        made.append(Fault(kind, dict(layer, FAULT_KIND=kind, FAULT_HOW=str(error)), [f"({error})", "CL_BUILD_PROGRAM_FAILURE", *NO_DEVICE],
                          few=(1, 1)))
    for error in (-2, -5):
        made.append(Fault(f"lost{error}", dict(layer, FAULT_KIND="any", FAULT_HOW=str(error)),
                          [f"({error})", *NO_DEVICE], lasts=True, few=(1, 5)))
    made.append(Fault("late", dict(layer, FAULT_KIND="any", FAULT_HOW="0"), [], lasts=True, once=True))
    for limit, (name, value) in LIMITS.items():
        made.append(Fault(name, dict(layer, FAULT_KIND="clGetDeviceInfo", FAULT_HOW="2", FAULT_LIMIT=str(limit),
                                     FAULT_VALUE=str(value)), ["the device has", "allows", "work-group", "memory"],
                          lasts=True, once=True))
    for kind in ("clEnqueueReadBuffer", "clEnqueueWriteBuffer"):
        made.append(Flip(f"{kind}-flip", dict(layer, FAULT_KIND=kind, FAULT_HOW="1"), [], few=(5, 10)))
    return made


FAULTS = {"memory": memory, "files": files, "opencl": opencl}
