"""RBM: the restricted Boltzmann machine."""

from collections.abc import Sequence

import keras
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.boltzmann.machine import BoltzmannMachine
from tfdgm.outputs import Output
from tfdgm.support import Integers


@register_keras_serializable('tfdgm')
class RBM(BoltzmannMachine):
    """The restricted Boltzmann machine: visible and binary hidden units, with weights between the two only.

    Sources: P. Smolensky, "Information processing in dynamical systems", 1986; for contrastive divergence, G. Hinton,
    "Training products of experts by minimizing contrastive divergence", 2002
    (https://doi.org/10.1162/089976602760128018); for persistent chains, T. Tieleman, "Training restricted Boltzmann
    machines using approximations to the likelihood gradient", 2008 (https://doi.org/10.1145/1390156.1390290).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.RBM((8, 8, 1), hidden_units=16)
    >>> dist = model.distribution()
    >>> x = dist.sample(3, seed=0)
    >>> dist.unnormalized_log_prob(x).shape, dist.log_prob(x).shape
    (TensorShape([3]), TensorShape([3]))
    >>> model.encode(x).shape, model.reconstruct(x).shape
    (TensorShape([3, 16]), TensorShape([3, 8, 8, 1]))

    Args:
        event_shape: shape of one event.
        hidden_units: how many.
        output: see `BoltzmannMachine`, as all that follow.
        num_chains: how many chains training keeps.
        gibbs_steps: how many steps they take for each batch.
        persistent: whether they go on from step to step.
        centered: whether units count from their means.
        sparsity_target: how often a hidden unit should be on; None for no such target.
        sparsity_weight: the weight of that in the loss.
        burn_in: after how many steps the state of a chain is taken for a sample.
        seed: of the initial weights and of the chains.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None, hidden_units: int = 500,
                 num_chains: int = 100, gibbs_steps: int = 1, persistent: bool = True, centered: bool = False,
                 sparsity_target: float | None = None, sparsity_weight: float = 0.1, burn_in: int = 500,
                 seed: int | None = 0, **kwargs):
        layers = (checks.integer(hidden_units, 'hidden_units'),)
        super().__init__(
            event_shape, output=output, hidden_layers=layers, num_chains=num_chains,
            gibbs_steps=gibbs_steps, persistent=persistent, centered=centered, sparsity_target=sparsity_target,
            sparsity_weight=sparsity_weight, burn_in=burn_in, seed=seed, **kwargs)
        self.hidden_units = hidden_units

    def as_layer(self) -> keras.layers.Dense:
        """A Keras layer from events, as vectors, to the probabilities of the hidden units: it starts at their weights.

        Raises:
            ValueError: if the values are not binary.

        >>> import numpy as np, tfdgm
        >>> model = tfdgm.RBM(6, hidden_units=3)
        >>> layer = model.as_layer()
        >>> bool(np.allclose(layer(np.eye(6)), model.encode(np.eye(6))))
        True
        """
        if self.support != Integers(2):
            raise ValueError(f'A layer stands for binary units, and the values of this RBM are {self.support}.')
        layer = keras.layers.Dense(self.hidden_layers[0], activation='sigmoid')
        layer.build((None, self.num_sites))
        layer.set_weights([self.kernels[0].numpy(), self.biases()[1].numpy()])
        return layer
