"""Features: what a model has learned of events, for other tasks."""

import contextlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tfdgm import inputs
from tfdgm.applications.estimators import checked_data, is_maker, made
from tfdgm.evaluation import Classifier
from tfdgm.execution import internals
from tfdgm.latent_space import LatentSpace
from tfdgm.model import Model


class Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features of events, a transformer of scikit-learn: latents, hidden units or activations.

    By default they are what the family has: the latents of a model with a latent space (of a Boltzmann machine, the
    probabilities of its hidden units), the last hidden layer of a `tfdgm.Classifier`. Of any model, `layer` names one
    of its Keras layers, whose activations are averaged over all axes but the first and the last.

    >>> import numpy as np, tfdgm
    >>> features = tfdgm.applications.Features(tfdgm.RBM((8, 8, 1), hidden_units=16))
    >>> features.fit_transform(np.ones([5, 8, 8, 1])).shape
    (5, 16)

    Args:
        model: a trained model, or a function from an event shape to a compiled `tfdgm.DensityModel`, which `fit`
            trains.
        layer: the name of one of the model's layers, or None.
        fit_options: of Keras's `fit`, such as {'epochs': 10}, for a model that is trained here.
        random_state: of its training, an integer, which also sets the seeds of Keras; None leaves these as they are.

    Attributes:
        model_: the model.
    """

    def __init__(self, model: Model | Callable, layer: str | None = None, fit_options: dict | None = None,
                 random_state: int | None = None):
        self.model = model
        self.layer = layer
        self.fit_options = fit_options
        self.random_state = random_state

    def fit(self, X: ArrayLike, y=None) -> 'Features':
        """Trains a model that is a function, and looks at the shape of the events.

        Args:
            X: events, `[n, *event_shape]`.
            y: ignored.

        Raises:
            ValueError: if the model has no such features, or events are not valid.
        """
        X = checked_data(self, X, reset=True)
        if is_maker(self.model):
            self.model_ = made(self.model, X, 'Features', self.fit_options, self.random_state)
        elif isinstance(self.model, Model):
            self.model_ = self.model
        else:
            raise ValueError('Features takes a trained tfdgm.Model, or a function from an event shape to a compiled '
                             f'one; got {self.model!r}.')
        model = self.model_
        if self.layer is None and not isinstance(model, LatentSpace | Classifier):
            raise ValueError(f'A {type(model).__name__} has no latents: name a layer, one of '
                             f'{", ".join(sorted(layers_of(model)))}.')
        if self.layer is not None and (not isinstance(self.layer, str) or self.layer not in layers_of(model)):
            raise ValueError(f'layer must be one of {", ".join(sorted(layers_of(model)))}; got {self.layer!r}.')
        if model.condition is not None and not isinstance(model, Classifier):
            raise ValueError(f'This {type(model).__name__} has a condition, and features are of events alone.')
        self._n_features_out = self._features(X[:1]).shape[1]
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """The features of events: `[n, *event_shape]` -> `[n, features]`, float32."""
        check_is_fitted(self)
        return self._features(checked_data(self, X))

    def _features(self, x):
        model = self.model_
        if self.layer is None:
            encode = model.features if isinstance(model, Classifier) else model.encode
            return np.reshape(encode(x), (len(x), -1)).astype('float32')
        x, _, _ = inputs.prepared(model, x)
        size, parts = getattr(model, 'scoring_batch', 256), []
        with recorded(layers_of(model)[self.layer]) as outputs:
            for start in range(0, len(x), size):
                outputs.clear()
                model(tf.constant(x[start:start + size], tf.float32))
                if not outputs:
                    raise ValueError(f'The likelihood of this {type(model).__name__} does not go through the layer '
                                     f'{self.layer}.')
                parts.append(pooled(outputs[-1], min(size, len(x) - start)))
        return np.concatenate(parts)


def pooled(output, count: int) -> np.ndarray:
    """What a layer gave for so many events, averaged over all axes but the first and the last: `[n, features]`."""
    output = np.asarray(keras.tree.flatten(output)[0], 'float32')
    if output.shape[0] != count:
        raise ValueError(f'That layer gives an array of shape {output.shape} for {count} events: name one that gives '
                         'an array with an entry for each.')
    return output.reshape(count, -1, output.shape[-1]).mean(axis=1) if output.ndim > 1 else output[:, None]


def layers_of(model: keras.Model) -> dict:
    """All layers inside a model, by their names; a name that comes again gets a number."""
    found = {}
    for layer in internals.layers_within(model):
        count, name = 1, layer.name
        while name in found:
            count, name = count + 1, f'{layer.name}:{count + 1}'
        found[name] = layer
    return found


@contextlib.contextmanager
def recorded(layer: keras.layers.Layer):
    """A list of what a layer returns, from call to call."""
    outputs, call = [], layer.call

    def recording(*args, **kwargs):
        outputs.append(call(*args, **kwargs))
        return outputs[-1]

    layer.call = recording
    try:
        yield outputs
    finally:
        del layer.call
