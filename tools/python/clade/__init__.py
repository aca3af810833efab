"""Trains image classifiers on OpenCL devices and CPUs: a thin layer over Clade's library.

    import clade
    with clade.train("shapes", data="photos/", out="run", on_epoch=print) as classifier:
        print(classifier.classes, classifier.predict("some.jpg"))
    clade.history("run")["val_accuracy"]

Images are uint8, [height, width, channels]. What is many numbers is a numpy array, or lists of numbers where there is no
numpy. What the library says of a failure is the text of an Error.
"""
import json
import os

from . import _library
from ._library import Error, check, library

try:
    import numpy
except ImportError:
    numpy = None

__all__ = ["Classifier", "Dataset", "Error", "devices", "history", "train"]
__version__ = _library.version

SPLITS = ("train", "validation", "test")
INTERPOLATIONS = ("nearest", "bilinear")


def devices():
    """What can be computed on, a dict each: id, name, driver, ..., unusable (why; empty if it can be used)."""
    listed, count = _library.pointer(_library.DeviceInfo), _library.size()
    check(library.clade_devices_list(_library.by(listed), _library.by(count), None))
    infos = [{name: _library.plain(getattr(listed[i], name)) for name, *_ in _library.DeviceInfo._fields_}
             for i in range(count.value)]
    _library.free(listed)
    return infos


def history(run):
    """The columns of a run folder's history, an entry for each epoch; None where nothing was measured."""
    path = os.path.join(run, "history.csv")
    with open(path, encoding="utf-8") as file:
        names, *rows = [line.rstrip("\n").split(",") for line in file]
    return {name: [(int if name == "epoch" else float)(row[i]) if row[i] else None for row in rows]
            for i, name in enumerate(names)}


def _open_device(name, math):
    """As the command opens one: math None is exact on CPUs, fast on GPUs."""
    if math not in (None, "exact", "fast"):
        raise ValueError(f"math is {math!r}, expected 'exact', 'fast' or None")
    options, device = _library.DeviceOptions(), _library.handle()
    encoded = None if name is None else name.encode()
    options.math = math == "fast"
    check(library.clade_device_open(encoded, _library.by(options), _library.by(device)))
    if math is None and not library.clade_device_describe(device).contents.cpu_like:
        library.clade_device_close(_library.by(device))
        options.math = 1
        check(library.clade_device_open(encoded, _library.by(options), _library.by(device)))
    return device


class _Owner:
    """Something of the library's that is closed once: by `with`, close() or the last reference."""

    def close(self):
        raise NotImplementedError

    def _held(self):
        if not self._handle:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._handle

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()


class Dataset(_Owner):
    """Images with labels: a folder with a folder for each class, an archive, CIFAR's or MNIST's files.

    size is (height, width) to which all images are resized, by default that of the first; channels 1, 3 or None.
    """

    def __init__(self, path, size=None, channels=None, interpolation="bilinear", validation=None, validation_split=0.0,
                 test_split=0.0, seed=0):
        self._handle = _library.handle()
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation is {interpolation!r}, expected one of {', '.join(INTERPOLATIONS)}")
        height, width = size or (0, 0)
        options = _library.DataOptions(
            path=os.fsencode(path), validation=validation and os.fsencode(validation), validation_split=validation_split,
            test_split=test_split, seed=seed, height=height, width=width, channels=channels or 0,
            interpolation=INTERPOLATIONS.index(interpolation))
        self._open(_library.by(options))

    @classmethod
    def _of_recipe(cls, recipe):
        dataset = cls.__new__(cls)
        dataset._handle = _library.handle()
        dataset._open(library.clade_recipe_data(recipe))
        return dataset

    def _open(self, options):
        check(library.clade_dataset_open(options, _library.by(self._handle)))
        self.classes = [library.clade_dataset_class_name(self._handle, i).decode()
                        for i in range(library.clade_dataset_classes(self._handle))]
        shape = _library.numbers("i", 3)
        library.clade_dataset_shape(self._handle, shape)
        self.shape = tuple(shape)

    def close(self):
        library.clade_dataset_destroy(_library.by(self._handle))

    def _split(self, split):
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
        return SPLITS.index(split)

    def count(self, split="train"):
        """How many images a split has."""
        return library.clade_dataset_count(self._held(), self._split(split))

    def names(self, split="train"):
        """The images' names inside the folder or archive."""
        return [os.fsdecode(library.clade_dataset_name(self._held(), self._split(split), i)) for i in range(self.count(split))]

    def labels(self, split="train"):
        """The images' classes, as places in `classes`; where an image may have several, rows of 0 and 1; where it
        has numbers, rows of these."""
        labels = [self._label(self._split(split), i) for i in range(self.count(split))]
        numbers = library.clade_dataset_task(self._held()) == _library.REGRESSION
        return labels if numpy is None else numpy.array(labels, numpy.float32 if numbers else numpy.int32)

    def _label(self, split, i):
        task = library.clade_dataset_task(self._held())
        if task == _library.REGRESSION:
            row = _library.numbers("f", len(self.classes))
            library.clade_dataset_target_row(self._held(), split, i, row)
            return list(row)
        if task != _library.MULTI_LABEL:
            return library.clade_dataset_label(self._held(), split, i)
        row = _library.numbers("b", len(self.classes))
        library.clade_dataset_label_row(self._held(), split, i, row)
        return list(row)

    def image(self, i, split="train"):
        """Image i of a split (needs numpy)."""
        if not 0 <= i < self.count(split):
            raise IndexError(f"{split} has {self.count(split)} images, there is no {i}")
        pixels = numpy.empty(self.shape, numpy.uint8)
        check(library.clade_dataset_pixels(self._held(), self._split(split), i, pixels.ctypes.data))
        return pixels


class Classifier(_Owner):
    """A trained classifier: a run folder or a .safetensors file.

    device is as in `clade train --device`; math "exact", "fast" or None, which is exact on CPUs and fast on GPUs.
    """

    def __init__(self, path, device=None, math=None):
        self._handle = self._device = _library.handle()
        self._device = _open_device(device, math)
        handle = _library.handle()
        check(library.clade_classifier_open(os.fsencode(path), self._device, _library.by(handle)))
        self._take(handle)

    @classmethod
    def _trained(cls, handle, device):
        classifier = cls.__new__(cls)
        classifier._device = device
        classifier._take(handle)
        return classifier

    def _take(self, handle):
        self._handle = handle
        self.classes = [library.clade_classifier_class_name(handle, i).decode()
                        for i in range(library.clade_classifier_classes(handle))]
        recipe = library.clade_classifier_recipe(handle)
        self.recipe = library.clade_recipe_text(recipe).decode()
        images = library.clade_recipe_preprocessing(recipe).contents
        self.shape = (images.height, images.width, images.channels or 3)

    def close(self):
        library.clade_classifier_destroy(_library.by(self._handle))
        library.clade_device_close(_library.by(self._device))

    def save(self, path):
        """Writes one .safetensors file."""
        check(library.clade_classifier_save(self._held(), os.fsencode(path)))

    def predict(self, images):
        """Probabilities, in the order of `classes`: a row for one image, else a row for each.

        images is a file's path, a list of these, or pixels: uint8 of `shape`, or [n, *shape].
        """
        if isinstance(images, (str, os.PathLike)):
            return self._predict_files([images])[0]
        if isinstance(images, (list, tuple)):
            return self._predict_files(images)
        if numpy is None:
            raise TypeError(f"images is {type(images).__name__}, expected a path or a list of paths (there is no numpy)")
        pixels = numpy.ascontiguousarray(images)
        if pixels.dtype != numpy.uint8 or pixels.shape[-3:] != self.shape or pixels.ndim not in (3, 4):
            raise ValueError(f"images are {pixels.dtype} {list(pixels.shape)}, expected uint8 {list(self.shape)} or "
                             f"[n, {', '.join(map(str, self.shape))}]")
        count = 1 if pixels.ndim == 3 else len(pixels)
        out = _library.numbers("f", count * len(self.classes))
        check(library.clade_classifier_predict_pixels(self._held(), pixels.ctypes.data, count, out))
        rows = self._rows(out)
        return rows[0] if pixels.ndim == 3 else rows

    def _predict_files(self, files):
        out = _library.numbers("f", len(files) * len(self.classes))
        check(library.clade_classifier_predict(self._held(), _library.texts([os.fsencode(f) for f in files]), len(files), out))
        return self._rows(out)

    def _rows(self, out):
        if numpy is not None:
            return numpy.array(out, numpy.float32).reshape(-1, len(self.classes))
        return [list(out[i:i + len(self.classes)]) for i in range(0, len(out), len(self.classes))]


def train(recipe, data=None, out=None, on_epoch=None, device=None, math=None, resume=False, **settings):
    """Trains by a recipe, a file's path or the name of a built-in one, and gives the Classifier with the last weights.

    data is a path, a Dataset of the recipe's size, or None: what the recipe says. out is the run folder. settings are edits
    of the recipe, as `--set` takes them: epochs=3, batch=16, or by any path in **{"model.0.conv2d.filters": 16}.
    on_epoch gets a dict for each epoch: epoch, epochs, loss, accuracy, val_loss, val_accuracy, lr, seconds, best. If it
    returns False, training ends with what there is, and `resume` goes on from there.
    """
    sets = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    if data is not None and not isinstance(data, Dataset):
        sets.append(f"data.path={json.dumps(os.path.abspath(data), ensure_ascii=False)}")
    edited, handle, opened, own = _library.handle(), _library.handle(), None, None
    watch = _Watch(on_epoch)
    try:
        check(library.clade_recipe_read(os.fsencode(recipe), _library.texts([s.encode() for s in sets]), len(sets),
                                        _library.by(edited)))
        if data is None and not library.clade_recipe_data(edited).contents.path:
            raise Error("invalid argument", f"{os.fspath(recipe)}: the recipe names no data, expected a path in data=")
        own = None if isinstance(data, Dataset) else Dataset._of_recipe(edited)
        opened = _open_device(device, math)
        options = _library.TrainOptions(out=None if out is None else os.fsencode(out), resume=resume, observer=watch.observer)
        status = library.clade_train(edited, (own or data)._held(), opened, _library.by(options), _library.by(handle))
        if watch.error:
            raise watch.error
        if status != _library.CANCELLED:
            check(status)
        classifier, handle, opened = Classifier._trained(handle, opened), _library.handle(), None
        return classifier
    finally:
        library.clade_classifier_destroy(_library.by(handle))
        if opened:
            library.clade_device_close(_library.by(opened))
        if own:
            own.close()
        library.clade_recipe_destroy(_library.by(edited))


# of an epoch by task: class, multi_label, regression, ordinal; the second is measured in validation alone
_SCORES = [("accuracy",), ("accuracy", "map"), ("mae", "r2"), ("accuracy", "mae")]


class _Watch:
    """What training calls. An exception in it, Ctrl-C too, stops training and is raised when that has ended."""

    def __init__(self, on_epoch):
        self.error, self.stopped, self._on_epoch = None, False, on_epoch
        self.observer = _library.Observer(epoch=_library.Observer.OnEpoch(self._epoch),
                                          stop=_library.Observer.IsStopped(self._stop))

    def _epoch(self, _, pointed):
        try:
            epoch = pointed.contents
            score, *further = _SCORES[epoch.train.task]
            measured = {"epoch": epoch.epoch, "epochs": epoch.epochs, "loss": epoch.train.loss,
                        score: getattr(epoch.train, score)}
            if epoch.validation.count:
                measured["val_loss"] = epoch.validation.loss
                for name in [score, *further]:
                    measured["val_" + name] = getattr(epoch.validation, name)
            measured.update(lr=epoch.lr, seconds=epoch.seconds, best=epoch.best)
            if self._on_epoch and self._on_epoch(measured) is False:
                self.stopped = True
        except BaseException as error:  # pylint: disable=broad-except # it cannot go through the library
            self.error, self.stopped = error, True

    def _stop(self, _):
        try:
            return self.stopped
        except BaseException as error:  # pylint: disable=broad-except # Ctrl-C
            self.error, self.stopped = error, True
            return True
