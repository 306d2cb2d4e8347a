"""Annealed importance sampling: bounds of the likelihood that need no encoder, from below and from above."""

import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.latent.model import LatentVariableModel
from tfdgm.latent_space import require_values


def annealed_importance_sampling(
        model: LatentVariableModel, x: ArrayLike, condition: ArrayLike | None = None, *, z: ArrayLike | None = None,
        num_chains: int = 16, num_steps: int = 1000, num_leapfrog_steps: int = 10, step_size: float = 0.1,
        seed: int | None = 0) -> tf.Tensor:
    """Bounds of the log-likelihood of events, in nats, by Markov chains of latents between prior and posterior.

    Forward chains go from the prior to the posterior of an event: the logarithm of their mean weight is on average
    below log p(x). Reverse chains start at a sample of the posterior itself, which one has of events that the model has
    drawn, and go to the prior: what they give is on average above log p(x). The more steps, the nearer both come, and
    between them lies the gap of any other bound. The steps are those of Hamiltonian Monte Carlo.

    Sources: Y. Wu, Y. Burda, R. Salakhutdinov and R. Grosse, "On the quantitative analysis of decoder-based generative
    models", 2017 (https://arxiv.org/abs/1611.04273); R. Grosse, Z. Ghahramani and R. Adams, "Sandwiching the marginal
    likelihood using bidirectional Monte Carlo", 2015 (https://arxiv.org/abs/1511.02543).

    Args:
        model: a model whose latents are real numbers, such as a `VAE`.
        x: events, `[batch, *event_shape]`.
        condition: of a conditional model, one for each.
        z: None for forward chains; for reverse ones, latents `[batch, num_latents]` from which the events were drawn.
        num_chains: how many for each event.
        num_steps: how many distributions lie between prior and posterior.
        num_leapfrog_steps: how many steps of Hamiltonian dynamics each proposal takes.
        step_size: how long they are.
        seed: of the chains, an integer; None draws one.

    Returns:
        `[batch]`, float32.

    Raises:
        ValueError: if an argument is not of its kind, or events, conditions or latents are not valid.
        RuntimeError: inside a `tf.function`, where values can't be checked.

    >>> import tfdgm
    >>> model = tfdgm.VAE(4, num_latents=2, hidden_units=(8,))
    >>> z = model.prior().sample(3, seed=0)
    >>> x = model.decode(z).sample(seed=1)
    >>> below = tfdgm.latent.annealed_importance_sampling(model, x, num_steps=100)
    >>> above = tfdgm.latent.annealed_importance_sampling(model, x, z=z, num_steps=100)
    >>> below.shape, above.shape
    (TensorShape([3]), TensorShape([3]))
    """
    checks.instance(model, LatentVariableModel, 'model', 'tfdgm.VAE(…)')
    require_values('annealed_importance_sampling', 'model.log_prob')
    x, condition, _ = inputs.prepared(model, inputs.array(x, 'events'), condition)
    if z is not None:
        z, _ = model.checked_latents(z, condition)
        if len(z) != len(x):
            raise ValueError(f'Expected latents for each of the {len(x)} events, got {len(z)}.')
        z = tf.cast(z, tf.float32)
    num_chains, num_steps = checks.integer(num_chains, 'num_chains'), checks.integer(num_steps, 'num_steps')
    num_leapfrog_steps = checks.integer(num_leapfrog_steps, 'num_leapfrog_steps')
    chains = tf.function(_chains, jit_compile=model.uses_xla(model.scores_with_xla), autograph=False)
    with model.explaining():
        return chains(model, tf.cast(x, tf.float32), None if condition is None else tf.convert_to_tensor(condition), z,
                      num_chains, num_steps, num_leapfrog_steps, checks.positive(step_size, 'step_size'),
                      random.stateless_seed(seed))


def _chains(model, x, condition, z, num_chains, num_steps, num_leapfrog_steps, step_size, seed):
    """`annealed_importance_sampling`, of tensors."""
    def repeated(values):
        return None if values is None else tf.tile(values, (num_chains, *[1] * (values.shape.rank - 1)))

    events, conditions = repeated(x), repeated(condition)
    start_seed, chain_seed = random.split(seed, 2)

    def log_prior(latents):
        return model.log_joint(events, latents, conditions)[0]

    def log_joint(latents):
        return sum(model.log_joint(events, latents, conditions))

    def kernel(log_prob):
        return tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size, num_leapfrog_steps)

    if z is None:
        start, ends = model.draw_prior(events.shape[0], conditions, start_seed), (log_prior, log_joint)
    else:
        start, ends = repeated(z), (log_joint, log_prior)
    _, log_weights, _ = tfp.mcmc.sample_annealed_importance_chain(
        num_steps, *ends, start, kernel, seed=chain_seed)
    log_mean = tf.reduce_logsumexp(tf.reshape(log_weights, (num_chains, -1)), axis=0) - tf.math.log(float(num_chains))
    return log_mean if z is None else -log_mean
