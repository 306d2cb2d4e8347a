"""Annealed importance sampling of Boltzmann machines, from independent units to the model and back."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.boltzmann.layers import coins
from tfdgm.boltzmann.model import checked_temperatures
from tfdgm.latent_space import require_values


def annealed(model, odd: list, temperatures: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The logarithms of the importance weights of chains of odd layers, `[n]`.

    At each inverse temperature, a Gibbs step that leaves its distribution as it is, and then the ratio of the next
    density to it. Rising from 0 to 1, the mean of the weights is the ratio of the constants of model and base; falling,
    from states of the model, that of base and model.
    """
    biases, base = model.biases(), base_field(model)

    def step(index, odd, even_fields, log_weights):
        here, there = temperatures[index], temperatures[index + 1]
        even_seed, odd_seed = random.split(random.fold_in(seed, index), 2)
        fields = [here * even_fields[0] + (1 - here) * base, *(here * field for field in even_fields[1:])]
        _, even = model.draw_even(fields, even_seed)
        odd = model.draw_odd([here * field for field in model.odd_fields(even, biases)], odd_seed)
        even_fields = model.even_fields(odd, biases)
        before, after = (model.log_sum_over_even(odd, even_fields, biases, temperature, base)
                         for temperature in (here, there))
        return index + 1, odd, even_fields, log_weights + after - before

    steps = tf.shape(temperatures)[0] - 1
    state = 0, odd, model.even_fields(odd, biases), tf.zeros_like(odd[0][:, 0])
    return tf.while_loop(lambda index, *state: index < steps, step, state)[-1]


def base_field(model) -> tf.Tensor:
    """The field of the visible units in the distribution that chains begin with: that of the means of the data."""
    return tf.stop_gradient(model.visible.field_of(ops.convert_to_tensor(model.means[0])))


def log_partition_of_base(model) -> tf.Tensor:
    """Its log Z, of all units together."""
    return model.visible.log_sum(base_field(model)[None])[0] + sum(model.hidden_layers) * np.log(2).astype('float32')


def estimates(model, num_chains: int, temperatures: tf.Tensor, burn_in: tf.Tensor, seed: tf.Tensor) -> tuple:
    """Logarithms of estimates of Z by single chains, forward and back: `[num_chains]` each."""
    start_seed, forward_seed, kept_seed, burn_in_seed, reverse_seed = random.split(seed, 5)
    odd = [coins(ops.zeros((num_chains, chains.shape[1])), random.fold_in(start_seed, index))
           for index, chains in enumerate(model.chains)]
    forward = annealed(model, odd, temperatures, forward_seed)
    odd = model.after_steps(model.kept_states(num_chains, kept_seed), model.biases(), burn_in, burn_in_seed)
    reverse = annealed(model, odd, temperatures[::-1], reverse_seed)
    base = log_partition_of_base(model)
    return base + forward, base - reverse


def reverse_annealing(model, x: ArrayLike, *, num_chains: int = 16, temperatures: int | ArrayLike = 1000,
                      seed: int | None = 0) -> tf.Tensor:
    """Log-probabilities of events, in nats, on average too low: RAISE, by chains from each event to the base.

    `log_prob` is on average too high, as far as log Z comes from chains, and this says by how much at most. It is a
    bound of the probability that the annealed chains themselves draw an event, which come near the model as
    `temperatures` grows.

    Source: Y. Burda, R. Grosse and R. Salakhutdinov, "Accurate and conservative estimates of MRF log-likelihood using
    reverse annealing", 2015 (https://arxiv.org/abs/1412.8566).

    Args:
        model: a `tfdgm.RBM`, whose hidden units can be drawn given an event.
        x: events, `[batch, *event_shape]`.
        num_chains: how many for each event.
        temperatures: how many steps they take, or the inverse temperatures themselves, rising from 0 to 1.
        seed: of the chains, an integer; None draws one.

    Returns:
        `[batch]`, float32.

    Raises:
        ValueError: if an argument is not of its kind, or events are not valid.
        RuntimeError: inside a `tf.function`, where values can't be checked.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.RBM(4, hidden_units=3)
    >>> x = np.eye(4)
    >>> low = tfdgm.boltzmann.reverse_annealing(model, x, temperatures=100)
    >>> bool(np.all(abs(low - model.distribution().log_prob(x)) < 0.3))
    True
    """
    if len(getattr(model, 'hidden_layers', ())) != 1:
        raise ValueError(f'reverse_annealing takes an RBM, whose hidden units can be drawn given an event; got '
                         f'{type(model).__name__}.')
    require_values('reverse_annealing', 'unnormalized_log_prob')
    x, _, _ = inputs.prepared(model, inputs.array(x, 'events'), None)
    num_chains, temperatures = checks.integer(num_chains, 'num_chains'), checked_temperatures(temperatures)
    run = tf.function(_reverse_annealing, jit_compile=model.uses_xla(model.samples_with_xla), autograph=False)
    with model.explaining():
        return run(model, tf.cast(x, tf.float32), num_chains, tf.constant(temperatures[::-1]),
                   random.stateless_seed(seed))


def _reverse_annealing(model, x, num_chains, falling, seed):
    start_seed, seed = random.split(seed, 2)
    biases = model.biases()
    even = [tf.repeat(model.visible.features(model.seen(x)), num_chains, axis=0)]
    odd = model.draw_odd(model.odd_fields(even, biases), start_seed)
    log_weights = tf.reshape(annealed(model, odd, falling, seed), (-1, num_chains))
    log_ratio = tfp.math.reduce_logmeanexp(log_weights, axis=1)
    return model.unnormalized_log_prob(x) - log_partition_of_base(model) + log_ratio
