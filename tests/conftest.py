"""What the tests share."""

import gc
import os
import pathlib
import re

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# Most of the tests' time goes into XLA, and a half of that into making code fast that runs once.
os.environ.setdefault('XLA_FLAGS', '--xla_backend_optimization_level=0')

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tfdgm.model import Model

# TensorFlow never releases a program of XLA's: only tests that are marked `xla`, or ask for it, compile by it.
Model.xla = False


@pytest.fixture(autouse=True)
def seeded(request):
    """Every test starts from the same seeds, and without what the one before compiled."""
    # Not at the end of that one: pytest holds what its fixtures made until it is over.
    keras.backend.clear_session(free_memory=False)
    gc.collect()
    gc.freeze()  # What has stayed so far, stays; the next collections need not look at it.
    keras.utils.set_random_seed(0)
    Model.xla = 'xla' in request.keywords
    yield
    Model.xla = False


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """An empty folder to work in; what is registered in the zoo is forgotten afterwards."""
    monkeypatch.setattr(zoo, '_FOLDERS', dict(zoo._FOLDERS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


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

# Peak memory --------------------------------------------------------------------------------------------------------

PEAKS = {}


def peak_memory() -> float:
    """The most memory that this process has had, in GiB; 0 where the system does not say."""
    status = pathlib.Path('/proc/self/status')
    return int(re.search(r'VmHWM:\s+(\d+)', status.read_text())[1]) / 2**20 if status.exists() else 0.


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """At least four workers: TensorFlow keeps something of every function, so workers grow from test to test."""
    return 4 if os.cpu_count() < 4 else None


def pytest_sessionfinish(session):
    if hasattr(session.config, 'workeroutput'):
        session.config.workeroutput['peak_memory'] = peak_memory()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    PEAKS[node.gateway.id] = getattr(node, 'workeroutput', {}).get('peak_memory', 0.)


def pytest_terminal_summary(terminalreporter):
    peaks = PEAKS or {'this process': peak_memory()}
    terminalreporter.write_line('peak memory: ' + ', '.join(f'{name} {peak:.2f} GiB' for name, peak in peaks.items()))
