"""The shared library, the structs that it takes, and its functions. include/clade says what they mean; a test holds
the structs against it."""
import ctypes
import pathlib
from ctypes import POINTER, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64
from ctypes import c_void_p

from ._version import version  # pylint: disable=unused-import # for users

CANCELLED = 9


class Error(Exception):
    """What the library says. `status` is its kind in words: "invalid argument", "no such device", ..."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class DeviceInfo(ctypes.Structure):
    _fields_ = [("id", c_char * 32), ("name", c_char * 128), ("driver", c_char * 192), ("compute_units", c_uint32),
                ("memory_bytes", c_uint64), ("max_alloc_bytes", c_uint64), ("fma", c_bool), ("fp16", c_bool),
                ("fp64", c_bool), ("host_memory", c_bool), ("cpu_like", c_bool), ("unusable", c_char * 256),
                ("family", c_char * 64), ("measured", c_uint32), ("shipped", c_uint32)]


class DeviceOptions(ctypes.Structure):
    _fields_ = [("math", c_int), ("threads", c_int), ("strict", c_bool), ("plugin", c_char_p), ("group_size", c_uint32),
                ("kernels", c_char_p), ("profile", c_bool), ("algorithm", c_char_p), ("building", c_void_p),
                ("user", c_void_p), ("limits", c_char_p)]


class DataOptions(ctypes.Structure):
    _fields_ = [("path", c_char_p), ("validation", c_char_p), ("test", c_char_p), ("validation_split", c_double),
                ("test_split", c_double), ("seed", c_uint64), ("height", c_int32), ("width", c_int32),
                ("channels", c_int32), ("interpolation", c_int), ("cache_bytes", c_uint64), ("threads", c_int),
                ("lenient", c_bool), ("strict", c_bool), ("max_damaged", c_double), ("label_pattern", c_char_p),
                ("labels", c_char_p), ("label_columns", c_char_p), ("classes", c_void_p), ("class_count", c_size_t),
                ("folds", c_int32), ("fold", c_int32), ("task", c_int)]


class Preprocessing(ctypes.Structure):
    _fields_ = [("height", c_int32), ("width", c_int32), ("channels", c_int32), ("interpolation", c_int),
                ("scale", c_float * 4), ("shift", c_float * 4)]


class Metrics(ctypes.Structure):
    _fields_ = [("count", c_size_t), ("loss", c_double), ("accuracy", c_double), ("top_k", c_double),
                ("precision", c_double), ("recall", c_double), ("f1", c_double), ("auc", c_double), ("micro_f1", c_double),
                ("map", c_double), ("mse", c_double), ("mae", c_double), ("r2", c_double), ("task", c_int), ("classes", c_int32), ("confusion", c_void_p)]


class Epoch(ctypes.Structure):
    _fields_ = [("epoch", c_int32), ("epochs", c_int32), ("train", Metrics), ("validation", Metrics), ("step", c_int64),
                ("lr", c_double), ("seconds", c_double), ("feature_seconds", c_double), ("images_per_second", c_double),
                ("step_ms", c_double), ("skipped", c_int64), ("loss_scale", c_double), ("best", c_bool), ("model", c_void_p)]


class Observer(ctypes.Structure):
    OnEpoch = ctypes.CFUNCTYPE(None, c_void_p, POINTER(Epoch))
    IsStopped = ctypes.CFUNCTYPE(c_bool, c_void_p)
    _fields_ = [("user", c_void_p), ("phase", c_void_p), ("begin", c_void_p), ("step", c_void_p), ("batch", c_void_p),
                ("epoch", OnEpoch), ("shares", c_void_p), ("features", c_void_p), ("note", c_void_p), ("stop", IsStopped)]


class TrainOptions(ctypes.Structure):
    _fields_ = [("out", c_char_p), ("resume", c_bool), ("threads", c_int), ("further", c_void_p),
                ("further_count", c_size_t), ("ranks", c_void_p), ("cache_bytes", c_uint64), ("feature_bytes", c_uint64), ("memory_bytes", c_uint64),
                ("verify", c_double), ("quarantine", c_bool), ("observer", Observer)]


MULTI_LABEL, REGRESSION = 1, 2  # of clade_task

# the C names of what test and headers compare
STRUCTS = {"clade_device_info": DeviceInfo, "clade_device_options": DeviceOptions, "clade_data_options": DataOptions,
           "clade_preprocessing": Preprocessing, "clade_metrics": Metrics, "clade_epoch": Epoch,
           "clade_train_observer": Observer, "clade_train_options": TrainOptions}


handle, size = c_void_p, c_size_t
by = ctypes.byref
_PLACE, _OUT, _TEXT = c_void_p, POINTER(c_void_p), c_char_p
_FUNCTIONS = {  # name: what it gives, what it takes
    "clade_error": (_TEXT,),
    "clade_status_name": (_TEXT, c_int),
    "clade_devices_list": (c_int, POINTER(POINTER(DeviceInfo)), POINTER(c_size_t), c_void_p),
    "clade_device_open": (c_int, _TEXT, POINTER(DeviceOptions), _OUT),
    "clade_device_describe": (POINTER(DeviceInfo), handle),
    "clade_device_close": (None, _OUT),
    "clade_dataset_open": (c_int, POINTER(DataOptions), _OUT),
    "clade_dataset_destroy": (None, _OUT),
    "clade_dataset_classes": (c_size_t, handle),
    "clade_dataset_class_name": (_TEXT, handle, c_size_t),
    "clade_dataset_shape": (None, handle, POINTER(c_int32)),
    "clade_dataset_count": (c_size_t, handle, c_int),
    "clade_dataset_name": (_TEXT, handle, c_int, c_size_t),
    "clade_dataset_label": (c_int32, handle, c_int, c_size_t),
    "clade_dataset_label_row": (None, handle, c_int, c_size_t, _PLACE),
    "clade_dataset_target_row": (None, handle, c_int, c_size_t, _PLACE),
    "clade_dataset_task": (c_int, handle),
    "clade_dataset_pixels": (c_int, handle, c_int, c_size_t, _PLACE),
    "clade_recipe_read": (c_int, _TEXT, POINTER(_TEXT), c_size_t, _OUT),
    "clade_recipe_destroy": (None, _OUT),
    "clade_recipe_text": (_TEXT, handle),
    "clade_recipe_data": (POINTER(DataOptions), handle),
    "clade_recipe_preprocessing": (POINTER(Preprocessing), handle),
    "clade_train": (c_int, handle, handle, handle, POINTER(TrainOptions), _OUT),
    "clade_classifier_open": (c_int, _TEXT, handle, _OUT),
    "clade_classifier_destroy": (None, _OUT),
    "clade_classifier_save": (c_int, handle, _TEXT),
    "clade_classifier_classes": (c_int32, handle),
    "clade_classifier_class_name": (_TEXT, handle, c_int32),
    "clade_classifier_recipe": (handle, handle),
    "clade_classifier_predict": (c_int, handle, POINTER(_TEXT), c_size_t, POINTER(c_float)),
    "clade_classifier_predict_pixels": (c_int, handle, _PLACE, c_size_t, POINTER(c_float)),
}
library = ctypes.CDLL(next(pathlib.Path(__file__).parent.glob("lib*/**/libclade.so.0")))
for _name, (_gives, *_takes) in _FUNCTIONS.items():
    getattr(library, _name).restype = _gives
    getattr(library, _name).argtypes = _takes


def check(status):
    """Raises what a failed function says."""
    if status:
        raise Error(library.clade_status_name(status).decode(), library.clade_error().decode(errors="replace"))


def pointer(struct):
    return POINTER(struct)()


def free(pointed):
    libc = ctypes.CDLL(None)
    libc.free.argtypes = [c_void_p]
    libc.free(pointed)


def numbers(kind, count):
    """Room for numbers: kind "i", "f" or, of one byte, "b"."""
    return ({"i": c_int32, "f": c_float, "b": ctypes.c_uint8}[kind] * count)()


def texts(encoded):
    return (c_char_p * max(1, len(encoded)))(*encoded)


def plain(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else value
