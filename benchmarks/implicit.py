"""Speed of adversarial training beside plain PyTorch.

    python -m venv peers && peers/bin/pip install -r benchmarks/peers.txt
    python benchmarks/implicit.py --python peers/bin/python [--seconds 20]

Images of 28x28 in batches of 64; generator and critic are those of DCGAN, two transposed convolutions and two strided
ones, with 64 and 32 channels and no normalisation; Adam. A step of the GAN is one of the critic and one of the
generator; one of the WGAN, with a gradient penalty, five of the critic, each on a batch of its own, and one of the
generator. Here by one `fit` with ten batches in an execution, in PyTorch by a plain loop: images a second that the
critic sees, of the median epoch, in the best of three rounds, in which the two take turns.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from latent import speed

HERE = pathlib.Path(__file__).resolve()
LATENTS, BATCH, IMAGES, CRITIC_STEPS, PENALTY = 64, 64, 3_200, 5, 10.
ROUNDS = 3


def some_images():
    return np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype('float32') * 2 - 1


def of_tfdgm(wasserstein, seconds):
    import keras
    from keras import layers
    from measure import Clock

    import tfdgm

    generator = keras.Sequential([
        keras.Input((LATENTS,)), layers.Dense(7 * 7 * 64), layers.Reshape((7, 7, 64)), layers.ReLU(),
        layers.Conv2DTranspose(32, 4, 2, padding='same'), layers.ReLU(),
        layers.Conv2DTranspose(1, 4, 2, padding='same')])
    critic = keras.Sequential([
        keras.Input((28, 28, 1)), layers.Conv2D(32, 4, 2, padding='same'), layers.LeakyReLU(0.2),
        layers.Conv2D(64, 4, 2, padding='same'), layers.LeakyReLU(0.2), layers.Flatten(), layers.Dense(1)])
    parts = {'num_latents': LATENTS, 'generator': generator, 'critic': critic}
    if wasserstein:
        model = tfdgm.WGAN((28, 28, 1), critic_steps=CRITIC_STEPS, gradient_penalty=PENALTY, **parts)
    else:
        model = tfdgm.GAN((28, 28, 1), **parts)
    clock = Clock(seconds)
    model.compile(steps_per_execution=10)
    model.fit(some_images(), batch_size=BATCH, epochs=1_000_000, verbose=0, callbacks=[clock])
    return IMAGES / clock.median()


def of_torch(wasserstein, seconds):
    import torch
    from torch import nn
    from torch.nn.functional import softplus

    generator = nn.Sequential(
        nn.Linear(LATENTS, 7 * 7 * 64), nn.Unflatten(1, (64, 7, 7)), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1),
        nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh())
    critic = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(),
        nn.Linear(7 * 7 * 64, 1))
    optimizers = [torch.optim.Adam(part.parameters(), 2e-4, (0.5, 0.999)) for part in (generator, critic)]
    images = torch.from_numpy(some_images().transpose(0, 3, 1, 2).copy())
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), BATCH, shuffle=True)

    def critic_loss(x):
        with torch.no_grad():
            generated = generator(torch.randn(len(x), LATENTS))
        real, fake = critic(x), critic(generated)
        if not wasserstein:
            return (softplus(-real) + softplus(fake)).mean()
        between = torch.lerp(x, generated, torch.rand(len(x), 1, 1, 1)).requires_grad_()
        gradient, = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (fake - real).mean() + PENALTY * ((gradient.flatten(1).norm(dim=1) - 1)**2).mean()

    def epoch():
        for index, (x,) in enumerate(batches, 1):
            optimizers[1].zero_grad()
            critic_loss(x).backward()
            optimizers[1].step()
            if index % (CRITIC_STEPS if wasserstein else 1):
                continue
            optimizers[0].zero_grad()
            scores = critic(generator(torch.randn(len(x), LATENTS)))
            (-scores if wasserstein else softplus(-scores)).mean().backward()
            optimizers[0].step()

    return speed(epoch, IMAGES, seconds)


LIBRARIES = {'tfdgm': of_tfdgm, 'torch': of_torch}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--python', default=sys.executable, help='that of the environment with PyTorch')
    parser.add_argument('--seconds', type=float, default=20, help='how long each is measured in a round')
    parser.add_argument('--library', choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument('--wasserstein', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(LIBRARIES[arguments.library](arguments.wasserstein, arguments.seconds)))
        return
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': str(HERE.parent.parent)}
    for title, options in ('GAN', []), ('WGAN', ['--wasserstein']):
        best = dict.fromkeys(LIBRARIES, 0.)
        for library in [*LIBRARIES] * ROUNDS:
            python = sys.executable if library == 'tfdgm' else arguments.python
            result = subprocess.run(
                [python, str(HERE), '--library', library, '--seconds', str(arguments.seconds), *options],
                capture_output=True, text=True, env=environment, check=True)
            best[library] = max(best[library], json.loads(result.stdout.splitlines()[-1]))
        for library, value in best.items():
            print(f'{title:5} {library:6} {value:9,.0f} images/s   {best["tfdgm"] / value:5.2f}')


if __name__ == '__main__':
    main()
