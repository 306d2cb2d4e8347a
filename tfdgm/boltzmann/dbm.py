"""DBM: the deep Boltzmann machine, with its mean-field posterior and its greedy pretraining."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, inputs
from tfdgm.boltzmann.machine import BoltzmannMachine
from tfdgm.boltzmann.pretraining import Copies, all_at_once
from tfdgm.boltzmann.rbm import RBM
from tfdgm.outputs import Bernoulli, Output


@register_keras_serializable('tfdgm')
class DBM(BoltzmannMachine):
    """The deep Boltzmann machine: layers of binary hidden units, each connected with the next.

    The sum over the hidden units of an event has no closed form here. In its place comes a lower bound, by a posterior
    in which hidden units are independent, the mean field: `unnormalized_log_prob` and `log_prob` are that bound. The
    latents of an event are the probabilities of all hidden units in it, layer after layer.

    Source: R. Salakhutdinov and G. Hinton, "Deep Boltzmann machines", 2009
    (https://proceedings.mlr.press/v5/salakhutdinov09a.html).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.DBM((8, 8, 1), hidden_units=(16, 8))
    >>> dist = model.distribution()
    >>> x = dist.sample(3, seed=0)
    >>> dist.log_prob(x).shape, model.encode(x).shape
    (TensorShape([3]), TensorShape([3, 24]))

    Args:
        event_shape: shape of one event.
        hidden_units: how many units each hidden layer has, two layers or more.
        mean_field_steps: how often the means of all hidden layers are computed anew to find the posterior.
        output: see `BoltzmannMachine`, as all that follow.
        num_chains: how many chains training keeps.
        gibbs_steps: how many steps they take for each batch.
        persistent: whether they go on from step to step.
        centered: whether units count from their means; without, a DBM hardly learns unless it is pretrained.
        sparsity_target: how often a hidden unit of the odd layers should be on; None for no such target.
        sparsity_weight: the weight of that in the loss.
        burn_in: after how many steps the state of a chain is taken for a sample.
        seed: of the initial weights and of the chains.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    is_bound = True

    def __init__(self, event_shape: int | Sequence[int], *, hidden_units: Sequence[int] = (500, 1000),
                 mean_field_steps: int = 10, output: Output | None = None, num_chains: int = 100, gibbs_steps: int = 1,
                 persistent: bool = True, centered: bool = True, sparsity_target: float | None = None,
                 sparsity_weight: float = 0.1, burn_in: int = 500, seed: int | None = 0, **kwargs):
        layers = checks.integers(hidden_units, 'hidden_units')
        if len(layers) < 2:
            raise ValueError(f'hidden_units of a DBM must be of two layers or more, got {hidden_units!r}; one layer is '
                             'a tfdgm.RBM.')
        super().__init__(
            event_shape, output=output, hidden_layers=layers, num_chains=num_chains, gibbs_steps=gibbs_steps,
            persistent=persistent, centered=centered, sparsity_target=sparsity_target,
            sparsity_weight=sparsity_weight, burn_in=burn_in, seed=seed, **kwargs)
        self.hidden_units = layers
        self.mean_field_steps = checks.integer(mean_field_steps, 'mean_field_steps')

    def hidden_means(self, x: tf.Tensor, biases: list) -> list:
        even = [self.visible.features(x), *(ops.full((ops.shape(x)[0], size), 0.5) for size in self.sizes[2::2])]
        for _ in range(self.mean_field_steps):
            odd = [ops.sigmoid(field) for field in self.odd_fields(even, biases)]
            even = [even[0], *(ops.sigmoid(self._field(layer, even, odd, biases))
                               for layer in range(2, len(self.sizes), 2))]
        odd = [ops.sigmoid(field) for field in self.odd_fields(even, biases)]
        return [(odd if layer % 2 else even)[layer // 2] for layer in range(1, len(self.sizes))]

    def begin_with(self, rbm: RBM):
        """Takes the first layer of an RBM, with its chains: what the other layers add to it, `fit` learns.

        Raises:
            ValueError: if it is no RBM, or one of other events, units or chains.

        >>> import tfdgm
        >>> rbm = tfdgm.RBM(6, hidden_units=4)
        >>> model = tfdgm.DBM(6, hidden_units=(4, 3))
        >>> model.begin_with(rbm)
        """
        checks.instance(rbm, RBM, 'rbm', 'tfdgm.RBM(…)')
        for name, one, other in (('event_shape', rbm.event_shape, self.event_shape),
                                 ('output', rbm.output, self.output), ('num_chains', rbm.num_chains, self.num_chains),
                                 ('hidden_units', rbm.hidden_units, self.hidden_layers[0])):
            if one != other:
                raise ValueError(f'The RBM should have the {name} of the first layer here, {other}; it has {one}.')
        pairs = zip((*rbm.visible.weights, rbm.kernels[0], *rbm.means, *rbm.chains),
                    (*self.visible.weights, self.kernels[0], *self.means[:2], self.chains[0]))
        for theirs, ours in pairs:
            ours.assign(theirs)
        changes = self._from_neighbours(self.means) if self.centered else [0.] * len(self.sizes)
        for bias, value, change in zip(self.unit_biases, rbm.biases(), changes):
            bias.assign(value + change)
        if self.standardization is not None:
            for theirs, ours in zip(rbm.standardization.weights, self.standardization.weights):
                ours.assign(theirs)
        self.started.assign(1.)

    def pretrain(self, x: ArrayLike, learning_rate: float = 0.05, *, epochs: int = 1, batch_size: int = 32,
                 verbose: int | str = 'auto') -> list:
        """Trains the layers one after the other, each pair as an RBM: call it before `fit`.

        An RBM of a pair sees two copies of a layer that the whole machine connects to both sides, so that the input
        from one side makes up for the other, which is not there yet.

        Args:
            x: events, `[n, *event_shape]`.
            learning_rate: of the RBMs, at first; it falls to 0.
            epochs: how many each RBM is trained for.
            batch_size: how many events there are in a batch.
            verbose: what `fit` shows.

        Returns:
            The history of each training.

        Raises:
            ValueError: if the events are not valid, or an argument is not of its kind.
        """
        for value, name in ((epochs, 'epochs'), (batch_size, 'batch_size')):
            checks.integer(value, name)
        checks.positive(learning_rate, 'learning_rate')
        x, _, _ = inputs.prepared(self, all_at_once(x))
        self.initialized_from(x)
        values, output, histories = self.seen(tf.cast(x, tf.float32)).numpy(), self.output, []
        biases, last = [[] for _ in self.sizes], len(self.hidden_layers) - 1
        for layer, units in enumerate(self.hidden_layers):
            pair = Copies(values.shape[1], units, (2 if layer < last else 1, 2 if layer > 0 else 1), output=output,
                          num_chains=self.num_chains, centered=self.centered, seed=self.seed + layer)
            histories.append(pair.train(values, learning_rate, epochs, batch_size, verbose))
            kernel, below, above = pair.of_one()
            self.kernels[layer].assign(kernel)
            biases[layer].append(below)
            biases[layer + 1].append(above)
            values, output = pair.drawn_hidden(values), Bernoulli()
            self.means[layer + 1].assign(np.mean(values, axis=0))
        # Both RBMs of a layer have an opinion of its biases.
        effective = [np.mean(both, axis=0) for both in biases]
        changes = self._from_neighbours(self.means) if self.centered else [0.] * len(effective)
        for bias, value, change in zip(self.unit_biases, effective, changes):
            bias.assign(value + change)
        return histories
