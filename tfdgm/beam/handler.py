"""What Beam's `RunInference` knows of a model: where every process finds it, and what it is given."""

import os
import pathlib
import threading
import weakref
from collections.abc import Iterable, Sequence

from apache_beam.ml.inference.base import ModelHandler

import zoo
from tfdgm import config_file, hub, pretrained
from tfdgm.beam.records import EVENT
from tfdgm.model import Model

# The models of this process, for as long as a pipeline holds them: of all its transforms of a model there is one.
_models, _lock = weakref.WeakValueDictionary(), threading.Lock()


class Place:
    """Where every process finds a model: a name of the zoo, the address of one on the hub, or a folder.

    Args:
        name: one of these; a folder has to be at the same path on every machine.

    Raises:
        ValueError: if there is no such model, or its description is refused.
        FileNotFoundError: if the folder has no configuration.
    """

    def __init__(self, name: str | os.PathLike):
        folder = zoo.found(str(name))
        installed = folder.parent == pathlib.Path(zoo.__file__).parent
        # The zoo may be installed elsewhere on another machine.
        self.name = folder.name if installed else str(name) if hub.is_address(name) else str(folder.resolve())
        self.config = config_file.read_config(folder)

    def build(self) -> Model:
        """The model with fresh weights, to look at."""
        return pretrained.fresh(zoo.found(self.name))

    def load(self) -> Model:
        """The model, the same one for all of this process.

        Raises:
            ValueError: if it has other weights here than where the pipeline was made.
        """
        expected = self.config.get('weights_sha256')
        with _lock:
            model = _models.get((self.name, expected))
            if model is None:
                folder = zoo.found(self.name)
                digest = config_file.read_config(folder).get('weights_sha256')
                if digest != expected:
                    raise ValueError(f'{folder} has other weights here than where the pipeline was made: SHA-256 '
                                     f'{digest}, expected {expected}. Install the same version everywhere.')
                model = _models[self.name, expected] = pretrained.load(folder)
            return model


class Handler(ModelHandler):
    """What `RunInference` asks for the model and its results: batches of one size, so that few programs are compiled.

    Args:
        place: of the model.
        results: `(batch, model)` -> an iterable of results.
        batch_size: how many elements at once; fewer at the end of a bundle.
    """

    def __init__(self, place: Place, results, batch_size: int):
        super().__init__(min_batch_size=batch_size, max_batch_size=batch_size)
        self.place = place
        self.results = results

    def load_model(self) -> Model:
        return self.place.load()

    def run_inference(self, batch: Sequence, model: Model, inference_args: dict | None = None) -> Iterable:
        return self.results(batch, model)

    def get_num_bytes(self, batch: Sequence) -> int:
        # For a metric of Beam's, which would pickle the whole batch to see.
        return sum(getattr(record.get(EVENT), 'nbytes', 0) for record in batch if isinstance(record, dict))
