"""A model's weights as an HDF5 file in Keras's format: made in memory, and checked before they are read."""

import io
import math
import zipfile
import zlib

import h5py
import keras
import numpy as np

FILTERS = {(), (h5py.h5z.FILTER_DEFLATE,), (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE)}


class Archive(io.BytesIO):
    """A `.keras` file in memory. Keras takes an open file for one by the ending of its name."""

    def __str__(self):
        return 'model.keras'


def to_bytes(model) -> bytes:
    """The weights of a model as a compressed HDF5 file, equal for equal weights.

    HDF5 crashes where it cannot write to the disk, so it never does.

    Raises:
        ValueError: if a weight holds NaN or an infinite value.
    """
    check_finite(model)
    compressed = io.BytesIO()
    with saved(model) as source, h5py.File(compressed, 'w') as target:
        def copy(name, item):
            if not isinstance(item, h5py.Dataset):
                # Without Keras's attribute, the names of the layers: some are counted through the whole process.
                target.require_group(name)
            elif item.size > 1:
                target.create_dataset(name, data=item[()], compression='gzip', shuffle=True)
            else:
                target.create_dataset(name, data=item[()])

        source.visititems(copy)
    return compressed.getvalue()


def saved(model) -> h5py.File:
    """The weights of a model as Keras saves them, an open HDF5 file in memory."""
    archive = Archive()
    keras.saving.save_model(model, archive)
    return h5py.File(io.BytesIO(zipfile.ZipFile(archive).read('model.weights.h5')))


def load(model, path):
    """Loads weights from a file, after a look at all that it declares: what is not of the model is never read.

    Raises:
        ValueError: if the file is damaged or does not fit the model, or a weight holds NaN or an infinite value.
    """
    try:
        with saved(model) as expected, h5py.File(path) as file:
            check_group(file, expected)
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # As HDF5 says that a file is damaged.
        raise ValueError(f'it is no HDF5 file, or damaged: {error}') from error
    model.load_weights(path)
    check_finite(model)


def check_group(group, expected):
    """Raises unless a group holds the same arrays as another, in the file itself and no larger than they should be."""
    names = set(group)
    if names != set(expected):
        raise ValueError(f'{group.name} holds {", ".join(sorted(names)) or "nothing"}, expected '
                         f'{", ".join(sorted(expected)) or "nothing"}.')
    for name in names:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f'{group.name} holds a link to something else, {name}, which is not followed.')
        item, model_item = group[name], expected[name]
        if isinstance(model_item, h5py.Group) and isinstance(item, h5py.Group):
            check_group(item, model_item)
        elif isinstance(model_item, h5py.Dataset) and isinstance(item, h5py.Dataset):
            check_array(item, model_item)
        else:
            raise ValueError(f'{item.name} is {type(item).__name__}, expected {type(model_item).__name__}.')


def check_array(item, expected):
    """Raises unless an array is of the expected type and shape, and reading it takes no more memory than that."""
    if item.dtype != expected.dtype or item.shape != expected.shape:
        raise ValueError(f'{item.name} is declared as {item.dtype}, {item.shape}, and the model has '
                         f'{expected.dtype}, {expected.shape}.')
    if item.is_virtual or item.external:
        raise ValueError(f'{item.name} lies in other files, which are not read.')
    properties = item.id.get_create_plist()
    filters = tuple(properties.get_filter(index)[0] for index in range(properties.get_nfilters()))
    if filters not in FILTERS or (filters and not item.chunks):
        raise ValueError(f'{item.name} is compressed in a way that is not read; gzip is.')
    if item.chunks is None:
        if item.id.get_storage_size() != expected.nbytes:
            raise ValueError(f'{item.name} declares {expected.nbytes} bytes and holds {item.id.get_storage_size()}.')
        return
    if any(part > whole for part, whole in zip(item.chunks, item.shape)):
        raise ValueError(f'{item.name} has the shape {item.shape} and is stored in larger pieces, {item.chunks}.')
    count = math.prod(-(-whole // part) for part, whole in zip(item.chunks, item.shape))
    if item.id.get_num_chunks() != count:
        raise ValueError(f'{item.name} should be stored in {count} pieces, and {item.id.get_num_chunks()} are there.')
    for index in range(count):
        check_chunk(item, item.id.get_chunk_info(index), math.prod(item.chunks) * item.dtype.itemsize, bool(filters))


def check_chunk(item, stored, size: int, compressed: bool):
    """Raises unless one piece of an array is as large as it should be, when it is unpacked: at most so much is."""
    wrong = f'{item.name} holds a piece that is damaged or of a size other than the declared one.'
    # zlib stores what it cannot compress with some bytes more.
    if stored.filter_mask or stored.size > (size + size // 100 + 100 if compressed else size):
        raise ValueError(wrong)
    if compressed:
        unpacking = zlib.decompressobj()
        try:
            unpacked = unpacking.decompress(item.id.read_direct_chunk(stored.chunk_offset)[1], size + 1)
        except zlib.error as error:
            raise ValueError(wrong) from error
        if len(unpacked) != size or not unpacking.eof:
            raise ValueError(wrong)
    elif stored.size != size:
        raise ValueError(wrong)


def check_finite(model):
    """Raises if a weight of a model is NaN or infinite."""
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight)
        if not np.all(np.isfinite(values)):
            raise ValueError(f'{weight.path} holds NaN or infinite values: {np.sum(~np.isfinite(values))} of '
                             f'{values.size}.')
