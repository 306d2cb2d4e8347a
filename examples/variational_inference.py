"""A flow as the surrogate posterior of a Bayesian model: the eight schools, in under two minutes.

    python examples/variational_inference.py

Eight schools coached pupils for a test, and each measured an effect with a known standard error (D. Rubin, "Estimation
in parallel randomized experiments", 1981). The true effects are drawn around a common mean with an unknown deviation:
where the deviation is small the effects lie close together. Independent normal distributions can't follow such a
posterior; an inverse autoregressive flow can.
"""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm

tfd = tfp.distributions

EFFECTS = np.array([28, 8, -3, 7, -1, 1, 18, 12], 'float32')
ERRORS = np.array([15, 10, 16, 11, 9, 11, 10, 18], 'float32')


def log_joint(values):
    """log p(mean, log deviation, true effects, measured effects): `[…, 10]` -> `[…]`."""
    mean, log_deviation, effects = values[..., 0], values[..., 1], values[..., 2:]
    prior = tfd.Normal(0., 10.).log_prob(mean) + tfd.Normal(1., 1.).log_prob(log_deviation)
    spread = tfd.Normal(mean[..., None], tf.exp(log_deviation)[..., None]).log_prob(effects)
    return prior + tf.reduce_sum(spread + tfd.Normal(effects, ERRORS).log_prob(EFFECTS), axis=-1)


def fitted(surrogate):
    """Samples of a surrogate once it is close to the posterior, and the evidence lower bound that it reaches."""
    # All at once under XLA: the flow, the target, their gradients and the optimizer.
    tfp.vi.fit_surrogate_posterior(
        log_joint, surrogate, optimizer=keras.optimizers.Adam(0.01), num_steps=2000, sample_size=32, seed=[0, 0],
        trainable_variables=surrogate.trainable_variables, jit_compile=True)
    samples, log_probs = surrogate.experimental_sample_and_log_prob(10_000, seed=1)
    return samples.numpy(), float(tf.reduce_mean(log_joint(samples) - log_probs))


def main():
    keras.utils.set_random_seed(0)
    location, scale = tf.Variable(tf.zeros(10)), tfp.util.TransformedVariable(tf.ones(10), tfp.bijectors.Softplus())
    independent = tfd.Independent(tfd.Normal(location, scale), 1)
    _, bound = fitted(independent)
    print(f'evidence lower bound of independent normal distributions: {bound:.2f} nats')
    flow = tfdgm.IAF(event_shape=10, blocks=3, hidden_units=(64, 64), activation='tanh')
    samples, bound = fitted(flow.distribution())
    print(f'evidence lower bound of an inverse autoregressive flow:   {bound:.2f} nats')
    print(f'mean effect {samples[:, 0].mean():.1f} ± {samples[:, 0].std():.1f}, '
          f'deviation {np.median(np.exp(samples[:, 1])):.1f} (median)')
    for school, (measured, effect) in enumerate(zip(EFFECTS, samples[:, 2:].mean(0))):
        print(f'school {school}: measured {measured:3.0f}, posterior mean {effect:4.1f}')


if __name__ == '__main__':
    main()
