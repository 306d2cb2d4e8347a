"""Speed of models with latent variables beside others, and the bounds of one beside each other.

    python -m venv peers && peers/bin/pip install -r benchmarks/peers.txt
    python benchmarks/latent.py --python peers/bin/python [--seconds 20]
    python benchmarks/latent.py --bounds vae_digits [--events 100]

Training is that of the network of arXiv:1509.00519, 784-200-200-50 with tanh and back, by Adam in batches of 100: here
by one `fit` with 50 steps in an execution, in PyTorch by a plain loop, in pythae by its trainer; images a second, of
the median epoch, in the best of three rounds. Scoring is the time of 64 draws over that of one, of 1,000 images.
Sampling is the time of 64 samples of a VQVAE of 28x28 images, with 49 codes, over that in which its prior scores as
many images of codes.

With `--bounds`, the bounds of test images, and of images that the model has drawn, by few and by many draws and by
annealed importance sampling; of the latter also from above. In nats, means over the events.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve()
SITES, UNITS, LATENTS, BATCH = 784, 200, 50, 100
IMAGES = {1: 20_000, 50: 2_000}
EPOCHS_TO_WARM_UP = 2
ROUNDS = 3


def some_images(count):
    return (np.random.default_rng(0).random((count, SITES)) < 0.2).astype('float32')


def speed(epoch, count, seconds):
    """Images a second, by the median of epochs; the first compile."""
    for _ in range(EPOCHS_TO_WARM_UP):
        epoch()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 3:
        began = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - began)
    return count / statistics.median(times)


def network(k):
    import tfdgm

    objective = tfdgm.latent.ELBO() if k == 1 else tfdgm.latent.ImportanceWeighted(k)
    return tfdgm.VAE(SITES, num_latents=LATENTS, hidden_units=(UNITS, UNITS), activation='tanh', objective=objective)


def of_tfdgm(k, seconds):
    from measure import Clock

    model, x, clock = network(k), some_images(IMAGES[k]), Clock(seconds)
    model.compile('adam', steps_per_execution=min(50, len(x) // BATCH))
    model.fit(x, batch_size=BATCH, epochs=1_000_000, verbose=0, callbacks=[clock])
    return len(x) / clock.median()


def torch_network():
    from torch import nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(SITES, UNITS), nn.Tanh(), nn.Linear(UNITS, UNITS), nn.Tanh())
            self.means, self.scales = nn.Linear(UNITS, LATENTS), nn.Linear(UNITS, LATENTS)
            self.decoder = nn.Sequential(nn.Linear(LATENTS, UNITS), nn.Tanh(), nn.Linear(UNITS, UNITS), nn.Tanh(),
                                         nn.Linear(UNITS, SITES))

    return Network()


def of_torch(k, seconds):
    import torch
    from torch.distributions import Normal, kl_divergence
    from torch.nn.functional import binary_cross_entropy_with_logits, softplus

    model = torch_network()
    optimizer, prior = torch.optim.Adam(model.parameters()), Normal(0., 1.)
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.from_numpy(some_images(IMAGES[k]))),
                                          batch_size=BATCH, shuffle=True)

    def loss(x):
        hidden = model.encoder(x)
        posterior = Normal(model.means(hidden), softplus(model.scales(hidden)) + 1e-4)
        z = posterior.rsample((k,))
        log_likelihood = -binary_cross_entropy_with_logits(
            model.decoder(z), x.expand(k, *x.shape), reduction='none').sum(-1)
        if k == 1:
            return (kl_divergence(posterior, prior).sum(-1) - log_likelihood[0]).mean()
        log_weights = log_likelihood + (prior.log_prob(z) - posterior.log_prob(z)).sum(-1)
        return -torch.logsumexp(log_weights, 0).mean()

    def epoch():
        for x, in batches:
            optimizer.zero_grad()
            loss(x).backward()
            optimizer.step()

    return speed(epoch, IMAGES[k], seconds)


def of_pythae(k, seconds):
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    network = torch_network()

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.hidden, self.means, self.scales = network.encoder, network.means, network.scales

        def forward(self, x):
            hidden = self.hidden(x)
            return ModelOutput(embedding=self.means(hidden), log_covariance=self.scales(hidden))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.network = network.decoder

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))

    shared = {'input_dim': (SITES,), 'latent_dim': LATENTS, 'reconstruction_loss': 'bce'}
    if k == 1:
        model = VAE(VAEConfig(**shared), Encoder(), Decoder())
    else:
        model = IWAE(IWAEConfig(number_samples=k, **shared), Encoder(), Decoder())
    x = torch.from_numpy(some_images(IMAGES[k]))
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=BaseTrainerConfig(
            output_dir=folder, per_device_train_batch_size=BATCH, num_epochs=1, no_cuda=True))
        trainer.prepare_training()
        return speed(lambda: trainer.train_step(1), len(x), seconds)


LIBRARIES = {'tfdgm': of_tfdgm, 'torch': of_torch, 'pythae': of_pythae}


def training(python, k, seconds):
    """Images a second of each library, in processes of its own, the best of them; None where it is not there.

    The libraries take turns: what else a machine does slows down whoever runs just then.
    """
    found = dict.fromkeys(LIBRARIES)
    for library in [*LIBRARIES] * ROUNDS:
        environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': str(HERE.parent.parent)}
        result = subprocess.run(
            [sys.executable if library == 'tfdgm' else python, str(HERE), '--library', library, '--k', str(k),
             '--seconds', str(seconds)], capture_output=True, text=True, env=environment)
        if result.returncode == 0:
            found[library] = max(found[library] or 0., json.loads(result.stdout.splitlines()[-1]))
    return found


def scoring():
    """The time of a bound by 64 draws over that by one."""
    from measure import seconds

    model, x = network(1), some_images(1000)
    model.compile()
    dist = model.distribution()
    many, one = seconds(*(lambda draws=draws: dist.log_prob(x, num_samples=draws).numpy() for draws in (64, 1)),
                        repeats=7)
    return many / one


def sampling(count=64):
    """The time of samples of a VQVAE over that in which its prior scores as many images of codes."""
    from measure import seconds

    import tfdgm

    model = tfdgm.VQVAE((28, 28, 1))
    model.compile()
    model.prior_is_fitted.assign(1.)
    dist, prior = model.distribution(), model.prior()
    codes = prior.sample(count, seed=0)
    sampled, scored = seconds(
        lambda: dist.sample(count, seed=1).numpy(), lambda: prior.log_prob(codes).numpy(), repeats=7)
    return sampled / scored


def bounds(name, events):
    """Prints the bounds of test images and of a model's own."""
    import zoo
    from tfdgm import data, pretrained
    from tfdgm.latent import annealed_importance_sampling

    model = zoo.load(name)
    x = data.as_arrays(data.load(split='test', **pretrained.read_config(zoo.folder(name))['dataset']))[:events]
    z = model.prior().sample(events, seed=0)
    for title, some, latents in (('test images', x, None), ('its own', model.decode(z).sample(seed=1), z)):
        rows = {f'{draws} draws': model.distribution().log_prob(some, num_samples=draws) for draws in (1, 64, 1000)}
        rows['annealed'] = annealed_importance_sampling(model, some)
        if latents is not None:
            rows['annealed, from above'] = annealed_importance_sampling(model, some, z=latents)
        for row, values in rows.items():
            print(f'{title:12} {row:22} {np.mean(values):9.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--python', default=sys.executable, help='that of the environment with the other libraries')
    parser.add_argument('--seconds', type=float, default=20, help='how long each is measured')
    parser.add_argument('--bounds', help='an entry of the zoo, whose bounds are printed')
    parser.add_argument('--events', type=int, default=100)
    parser.add_argument('--library', choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument('--k', type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(LIBRARIES[arguments.library](arguments.k, arguments.seconds)))
        return
    if arguments.bounds:
        bounds(arguments.bounds, arguments.events)
        return
    for k in IMAGES:
        found = training(arguments.python, k, arguments.seconds)
        for library, value in found.items():
            if value is not None:
                print(f'training, k = {k:2}: {library:8} {value:9,.0f} images/s   {found["tfdgm"] / value:5.2f}')
    print(f'scoring, 64 draws over one: {scoring():.1f}')
    print(f'sampling a VQVAE over scoring by its prior: {sampling():.2f}')


if __name__ == '__main__':
    main()
