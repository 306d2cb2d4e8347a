"""What the tests share."""

import gc
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# Most of the tests' time goes into XLA, and a half of that into making code fast that runs once.
os.environ.setdefault('XLA_FLAGS', '--xla_backend_optimization_level=0')

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgm.model import GenerativeModel

# TensorFlow never releases a program of XLA's: only tests that are marked `xla`, or ask for it, compile by it.
GenerativeModel.xla = False


@pytest.fixture(autouse=True)
def seeded(request):
    """Every test starts from the same seeds, and leaves no compiled functions behind."""
    keras.utils.set_random_seed(0)
    GenerativeModel.xla = 'xla' in request.keywords
    yield
    GenerativeModel.xla = False
    keras.backend.clear_session(free_memory=False)
    gc.collect()
    # TensorFlow keeps every graph with a gradient of its own for good. Frozen, they don't slow the next collections.
    gc.freeze()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def require_dataset(name: str):
    """Skips a test, visibly, where a TFDS set is not prepared."""
    import tensorflow_datasets as tfds

    try:
        prepared = tfds.builder(name).data_path.exists()
    except tfds.core.DatasetNotFoundError:
        prepared = False
    if not prepared:
        pytest.skip(f'{name} is not prepared: point TFDS_DATA_DIR at a folder that holds it')


@pytest.fixture
def dataset():
    return require_dataset


tf.get_logger().setLevel('ERROR')
