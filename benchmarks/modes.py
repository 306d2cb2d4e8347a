"""How many modes of mixtures in the plane the samples of adversarial models have.

    python benchmarks/modes.py [--system packed_gan] [--seeds 5] [--steps 50000]

The ring has 8 normal distributions around the circle of radius 1, with a standard deviation of 0.01, the grid 25 on
{-4, -2, 0, 2, 4}², with 0.05; these are the mixtures of arXiv:1712.04086, section 4.1. A sample is of high quality if
it lies within three standard deviations of a centre, and a mode is hit if one of 2,500 such samples is nearest to it.
In each row the mean over seeds, and beside it the seeds' standard deviation.
"""

import argparse

import keras
import numpy as np
from measure import show_rows

import tfdgm

NETWORKS = {'hidden_units': (128, 128, 128), 'num_latents': 2}
SYSTEMS = {
    'gan': lambda seed: tfdgm.GAN(2, seed=seed, **NETWORKS),
    'packed_gan': lambda seed: tfdgm.GAN(2, pack=2, seed=seed, **NETWORKS),
    'packed_gan_4': lambda seed: tfdgm.GAN(2, pack=4, seed=seed, **NETWORKS),
    'spectral_gan': lambda seed: tfdgm.GAN(2, spectral_normalization=True, seed=seed, **NETWORKS),
    'wgan': lambda seed: tfdgm.WGAN(2, seed=seed, gradient_penalty=1., **NETWORKS),
}
ANGLES = 2 * np.pi * np.arange(8) / 8
MIXTURES = {
    'ring': (np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), 0.01),
    'grid': (np.stack(np.meshgrid(*[np.arange(-4, 5, 2.)] * 2), axis=-1).reshape(-1, 2), 0.05),
}
SAMPLES, BATCH = 2_500, 100


def found(system, mixture, seed, steps):
    """The modes that a trained model's samples have."""
    centres, deviation = MIXTURES[mixture]
    keras.utils.set_random_seed(seed)
    generator = np.random.default_rng(seed)
    x = centres[generator.integers(len(centres), size=100_000)] + generator.normal(size=(100_000, 2)) * deviation
    model = SYSTEMS[system](seed)
    model.adapt(x)

    def optimizer(steps):
        return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps), beta_1=0.5)

    model.compile(optimizer(steps // model.critic_steps), critic_optimizer=optimizer(steps), steps_per_execution=100)
    model.fit(x, batch_size=BATCH, epochs=steps * BATCH // len(x), verbose=0)
    return tfdgm.evaluation.modes_near(model.distribution().sample(SAMPLES, seed=seed), centres, 3 * deviation)


def rows(systems, seeds, steps):
    for mixture in MIXTURES:
        for system in systems:
            results = np.array([found(system, mixture, seed, steps) for seed in range(seeds)])
            yield mixture, system, *(
                f'{mean:.2f} ± {spread:.2f}' for mean, spread in zip(results.mean(0), results.std(0)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--system', choices=SYSTEMS, action='append', help='which; by default all')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--steps', type=int, default=50_000, help='of the critic')
    arguments = parser.parse_args()
    show_rows(['mixture', 'system', 'modes', 'high quality', 'reverse KL'],
              rows(arguments.system or SYSTEMS, arguments.seeds, arguments.steps))


if __name__ == '__main__':
    main()
