"""Layer after layer: RBMs that are stacked into a belief network, and those that begin a deep Boltzmann machine."""

import itertools
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, inputs
from tfdgm.boltzmann.rbm import RBM


def all_at_once(x: ArrayLike) -> np.ndarray:
    """Events as an array; raises if they come in batches."""
    if inputs.is_pipeline(x):
        raise ValueError('Layers are trained one after the other, each on all events: pass an array, not '
                         f'{type(x).__name__}.')
    return inputs.array(x, 'events')


def train(rbm: RBM, values: np.ndarray, learning_rate: float, epochs: int, batch_size: int,
          verbose: int | str) -> keras.callbacks.History:
    """Trains an RBM by gradient descent, with a learning rate that falls to 0."""
    inputs.prepared(rbm, values)
    checks.positive(learning_rate, 'learning_rate')
    steps = -(-len(values) // checks.integer(batch_size, 'batch_size')) * checks.integer(epochs, 'epochs')
    rbm.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(learning_rate, steps, 0.)))
    return rbm.fit(values, epochs=epochs, batch_size=batch_size, verbose=verbose)


def deep_belief_network(x: ArrayLike, hidden_units: Sequence[int] = (500, 500), learning_rate: float = 0.05,
                        seed: int | None = 0, *, epochs: int = 1, batch_size: int = 32,
                        verbose: int | str = 'auto') -> list:
    """Trains RBMs one after the other, each on hidden units of the one before that are drawn given the events.

    Source: G. Hinton, S. Osindero and Y. Teh, "A fast learning algorithm for deep belief nets", 2006
    (https://doi.org/10.1162/neco.2006.18.7.1527).

    Args:
        x: binary events, `[n, *event_shape]`.
        hidden_units: how many each RBM has.
        learning_rate: at first; it falls to 0.
        seed: of the RBMs, an integer from 0; None draws one.
        epochs: how many each RBM is trained for.
        batch_size: how many events there are in a batch.
        verbose: what `fit` shows.

    Returns:
        The RBMs, for `classifier`. The first is one of events, the others of vectors.

    Raises:
        ValueError: if the events are not valid, or an argument is not of its kind.

    >>> import numpy as np, tfdgm
    >>> x = np.random.default_rng(0).integers(2, size=[64, 6])
    >>> rbms = tfdgm.boltzmann.deep_belief_network(x, (5, 4), epochs=2, verbose=0)
    >>> network = tfdgm.boltzmann.classifier(rbms, num_classes=3)
    >>> network(x).shape
    TensorShape([64, 3])
    """
    values, rbms, seed = all_at_once(x), [], checks.seed(seed)
    for index, units in enumerate(checks.integers(hidden_units, 'hidden_units')):
        rbm = RBM(values.shape[1:] or 1, hidden_units=units, seed=seed + index)
        train(rbm, values, learning_rate, epochs, batch_size, verbose)
        rbms.append(rbm)
        values = drawn_hidden(rbm, values)
    return rbms


def classifier(rbms: Sequence[RBM], num_classes: int) -> keras.Sequential:
    """A Keras classifier of events whose hidden layers begin with the weights of RBMs.

    Args:
        rbms: one or more, each of as many values as the one before has hidden units.
        num_classes: how many probabilities it gives.

    Returns:
        A model that is not compiled yet: `[batch, *event_shape]` -> `[batch, num_classes]`.

    Raises:
        ValueError: if they do not fit each other, or values are not binary.
    """
    if not isinstance(rbms, Sequence) or not rbms or not all(isinstance(rbm, RBM) for rbm in rbms):
        raise ValueError(f'rbms must be one tfdgm.RBM or more, got {rbms!r}.')
    for below, above in itertools.pairwise(rbms):
        if below.hidden_layers[0] != above.num_sites:
            raise ValueError(f'Each RBM must be of as many values as the one before has hidden units; one of '
                             f'{above.num_sites} follows {below.hidden_layers[0]} hidden units.')
    return keras.Sequential([
        keras.Input(rbms[0].event_shape), keras.layers.Flatten(), *(rbm.as_layer() for rbm in rbms),
        keras.layers.Dense(checks.integer(num_classes, 'num_classes', 2), activation='softmax')])


def drawn_hidden(rbm: RBM, values: np.ndarray) -> np.ndarray:
    """Hidden units drawn given events, float32 `[n, hidden_units]`."""
    inputs.prepared(rbm, values, None)
    generator, parts = np.random.default_rng(rbm.seed), []
    for start in range(0, len(values), rbm.scoring_batch):
        probabilities = np.asarray(rbm.encode(values[start:start + rbm.scoring_batch]))
        parts.append((generator.random(probabilities.shape) < probabilities).astype('float32'))
    return np.concatenate(parts)


class Copies(RBM):
    """An RBM that sees copies of its values, or has copies of its hidden units, which share their weights.

    Args:
        num_values: how many values each copy has.
        units: how many hidden units each copy has.
        copies: how many copies there are of both.
        **kwargs: as for an `RBM`.
    """

    def __init__(self, num_values: int, units: int, copies: tuple, **kwargs):
        super().__init__(num_values * copies[0], hidden_units=units * copies[1], **kwargs)
        self.copies = copies

    def kernel(self, index: int) -> tf.Tensor:
        rows, columns = (size // copies for size, copies in zip(self.sizes, self.copies))
        return ops.tile(self.kernels[index][:rows, :columns], self.copies)

    def biases(self) -> list:
        biases = [ops.tile(bias[:size // copies], copies)
                  for bias, size, copies in zip(self.unit_biases, self.sizes, self.copies)]
        if not self.centered:
            return biases
        return [bias - change for bias, change in zip(biases, self._from_neighbours(self.means))]

    def of_one(self) -> tuple:
        """The kernel and the biases of one copy."""
        rows, columns = (size // copies for size, copies in zip(self.sizes, self.copies))
        biases = self.biases()
        return self.kernels[0][:rows, :columns], biases[0][:rows], biases[1][:columns]

    def train(self, values: np.ndarray, *settings) -> keras.callbacks.History:
        """Trains it on values `[n, num_values]`; settings as those of `train`."""
        return train(self, np.tile(values, (1, self.copies[0])), *settings)

    def drawn_hidden(self, values: np.ndarray) -> np.ndarray:
        """One copy of the hidden units drawn given values `[n, num_values]`."""
        return drawn_hidden(self, np.tile(values, (1, self.copies[0])))[:, :self.sizes[1] // self.copies[1]]
