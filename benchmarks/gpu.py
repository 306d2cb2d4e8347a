"""How well every deep system uses a GPU, as a table from one run: in each dtype, with XLA and without.

    python benchmarks/gpu.py [--only PixelCNN …] [--seconds 3]
    python benchmarks/gpu.py --small [--only NADE …]

Systems have the size of a paper's, named in the table below, or one that keeps a GPU busy, and random weights. Steps a
second are those of `fit`, guard and optimizer included. Samples a second are of a batch as large. `sample / log_prob`
is the ratio of the times of a batch; of models up to a constant that of `unnormalized_log_prob`. GFLOP are those of
the matrix products and convolutions in a step, by the program that XLA makes of it (see flops.py); times the steps a
second, over what one large product achieves in the same dtype, they are the share of the device's matrix rate. float32
is what TensorFlow makes of it: TF32 on GPUs that have it, in both. Under mixed_bfloat16, a system whose products are in
float32 all the same is not measured again.

Every row has a process of its own, since XLA's programs stay in memory. What fails is named in its row, the rest goes
on, and the exit status is 1. Without a GPU it takes the CPU, and hours. `--small` says only whether it all works: tiny
systems on the CPU, in one process, each in one setting by turns, or with `--only` in all four.
"""

import argparse
import itertools
import os
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import flops
import numpy as np
import tensorflow as tf
from measure import apart, repeats_for, seconds, show_rows, some_events, training_step

import tfdgm

BINARY, COLOURS, VECTOR, TINY = (28, 28, 1), (32, 32, 3), 64, (8, 8, 1)
GREY = {'dequantization': tfdgm.flows.UniformDequantization(256, logit=0.05)}
OF_256 = tfdgm.outputs.Categorical(256)
IMAGE_FLOW = {'event_shape': COLOURS, **GREY}
SMALL_FLOW = {'event_shape': TINY, 'filters': 4, 'blocks': 1, **GREY}
ADVERSARIAL, SMALL_ADVERSARIAL = ({'event_shape': shape, 'levels': 256, 'num_latents': latents, 'filters': filters}
                                  for shape, latents, filters in ((COLOURS, 100, 128), (TINY, 4, 4)))
# A system's class, the batch and the arguments in its full size, and the arguments in a tiny one.
SYSTEMS = {
    # Autoregressive. NADE: arXiv:1605.02226, MADE: 1502.03509, PixelCNN and PixelRNN: 1601.06759, gates: 1606.05328,
    # PixelCNN++: 1701.05517, WaveNet: 1609.03499.
    'FVSBN': (tfdgm.FVSBN, 512, {'event_shape': BINARY}, {'event_shape': 16}),
    'NADE': (tfdgm.NADE, 512, {'event_shape': BINARY}, {'event_shape': 16, 'hidden_units': 8}),
    'MADE': (tfdgm.MADE, 512, {'event_shape': BINARY, 'hidden_units': (8000, 8000)},
             {'event_shape': 16, 'hidden_units': (8, 8)}),
    'PixelCNN': (tfdgm.PixelCNN, 64, {'event_shape': BINARY, 'filters': 128, 'blocks': 15},
                 {'event_shape': TINY, 'filters': 4, 'blocks': 1}),
    'GatedPixelCNN': (tfdgm.GatedPixelCNN, 64, {'event_shape': BINARY, 'filters': 128, 'blocks': 15},
                      {'event_shape': TINY, 'filters': 4, 'blocks': 1}),
    'PixelCNNPlusPlus': (tfdgm.PixelCNNPlusPlus, 16, {'event_shape': COLOURS, 'filters': 160, 'blocks': 5},
                         {'event_shape': TINY, 'filters': 4, 'blocks': 1, 'dilations': (1,)}),
    'PixelRNN, RowLSTM': (tfdgm.PixelRNN, 64, {'event_shape': BINARY, 'filters': 64, 'blocks': 7},
                          {'event_shape': TINY, 'filters': 4, 'blocks': 1}),
    'PixelRNN, DiagonalBiLSTM': (
        tfdgm.PixelRNN, 64, {'event_shape': BINARY, 'filters': 64, 'blocks': 7, 'cell': 'DiagonalBiLSTM'},
        {'event_shape': TINY, 'filters': 4, 'blocks': 1, 'cell': 'DiagonalBiLSTM'}),
    'RecurrentModel': (tfdgm.RecurrentModel, 256, {'event_shape': 784, 'units': 1024, 'blocks': 2},
                       {'event_shape': 16, 'units': 4}),
    'WaveNet': (tfdgm.WaveNet, 8, {'event_shape': 8000, 'output': OF_256, 'filters': 64, 'skip_filters': 256,
                                   'dilations': tuple(2**power for power in range(10)), 'stacks': 3},
                {'event_shape': 16, 'filters': 4, 'dilations': (1, 2), 'stacks': 1}),
    'CausalTransformer': (tfdgm.CausalTransformer, 32, {'event_shape': 784, 'width': 512, 'heads': 8, 'blocks': 12},
                          {'event_shape': 16, 'width': 8, 'heads': 2, 'blocks': 1}),
    # Flows. NICE: arXiv:1410.8516, RealNVP: 1605.08803, Glow: 1807.03039, MAF and IAF: 1705.07057, splines: 1906.04032.
    'NICE': (tfdgm.NICE, 512, {'event_shape': BINARY, 'hidden_units': (1000,) * 5, **GREY},
             {'event_shape': 8, 'hidden_units': (8,)}),
    'AffineCouplingFlow': (tfdgm.AffineCouplingFlow, 4096, {'event_shape': VECTOR, 'hidden_units': (512, 512)},
                           {'event_shape': 8, 'couplings': 2, 'hidden_units': (8,)}),
    'NeuralSplineFlow': (tfdgm.NeuralSplineFlow, 4096,
                         {'event_shape': VECTOR, 'couplings': 10, 'hidden_units': (256, 256)},
                         {'event_shape': 8, 'couplings': 2, 'hidden_units': (8,), 'bins': 4}),
    'MAF': (tfdgm.MAF, 4096, {'event_shape': VECTOR, 'blocks': 10, 'hidden_units': (512, 512)},
            {'event_shape': 8, 'blocks': 2, 'hidden_units': (8,)}),
    'IAF': (tfdgm.IAF, 4096, {'event_shape': VECTOR, 'blocks': 10, 'hidden_units': (512, 512)},
            {'event_shape': 8, 'blocks': 2, 'hidden_units': (8,)}),
    'FFJORD': (tfdgm.FFJORD, 1024, {'event_shape': VECTOR, 'hidden_units': (512, 512, 512), 'trace': 'hutchinson'},
               {'event_shape': 2, 'hidden_units': (8,), 'steps': 2}),
    'RealNVP': (tfdgm.RealNVP, 64, {**IMAGE_FLOW, 'filters': 64, 'blocks': 8}, {**SMALL_FLOW, 'couplings': 1}),
    'Glow': (tfdgm.Glow, 64, {**IMAGE_FLOW, 'scales': 3, 'steps': 32, 'filters': 512}, {**SMALL_FLOW, 'steps': 1}),
    # Latent variables. VQ-VAE: arXiv:1711.00937.
    'VAE': (tfdgm.VAE, 256, {'event_shape': BINARY, 'filters': 64, 'blocks': 2},
            {'event_shape': TINY, 'num_latents': 4, 'hidden_units': (8,)}),
    'HierarchicalVAE': (
        tfdgm.HierarchicalVAE, 64, {'event_shape': BINARY, 'filters': 128, 'blocks': 2, 'stochastic_layers': 2},
        {'event_shape': (4, 4, 1), 'filters': 4, 'latent_channels': 2}),
    'VQVAE': (tfdgm.VQVAE, 128,
              {'event_shape': COLOURS, 'output': OF_256, 'num_codes': 512, 'code_size': 64, 'filters': 256,
               'blocks': 2},
              {'event_shape': TINY, 'num_codes': 4, 'code_size': 4, 'halvings': 1, 'filters': 4}),
    # Samples alone. The networks of DCGAN, arXiv:1511.06434; GSN: 1306.1091, CycleGAN: 1703.10593. The generators have
    # their turn in every step, so that all steps do the same.
    'GAN': (tfdgm.GAN, 128, ADVERSARIAL, SMALL_ADVERSARIAL),
    'WGAN': (tfdgm.WGAN, 128, {**ADVERSARIAL, 'critic_steps': 1}, {**SMALL_ADVERSARIAL, 'critic_steps': 1}),
    'WAE': (tfdgm.WAE, 128, ADVERSARIAL, {'event_shape': TINY, 'levels': 256, 'num_latents': 4, 'hidden_units': (8,)}),
    'AAE': (tfdgm.AAE, 128, ADVERSARIAL, {'event_shape': TINY, 'levels': 256, 'num_latents': 4, 'hidden_units': (8,)}),
    'GSN': (tfdgm.GSN, 512, {'event_shape': BINARY, 'hidden_units': (1500, 1500)},
            {'event_shape': 16, 'hidden_units': (8, 8), 'walk_back': 2, 'burn_in': 3}),
    'CycleGAN': (tfdgm.CycleGAN, 4, {'event_shape': (128, 128, 3), 'levels': 256, 'filters': 64, 'halvings': 2,
                                     'blocks': 9},
                 {'event_shape': 4, 'hidden_units': (8,)}),
    # Up to a constant. RBM and DBM: as on binary MNIST in Salakhutdinov and Hinton, 2009.
    'RBM': (tfdgm.RBM, 512, {'event_shape': BINARY, 'num_chains': 512},
            {'event_shape': 16, 'hidden_units': 8, 'num_chains': 4, 'burn_in': 3}),
    'DBM': (tfdgm.DBM, 512, {'event_shape': BINARY, 'num_chains': 512},
            {'event_shape': 16, 'hidden_units': (8, 4), 'num_chains': 4, 'burn_in': 3}),
    'EnergyModel': (tfdgm.EnergyModel, 128, {'event_shape': COLOURS, 'levels': 256, 'filters': 64, 'blocks': 2},
                    {'event_shape': TINY, 'levels': 256, 'hidden_units': (8,), 'num_chains': 4, 'langevin_steps': 2,
                     'burn_in': 3}),
}
SMALL_BATCH = 4
POLICIES = 'float32', 'mixed_bfloat16'
SETTINGS = [*itertools.product(POLICIES, (True, False))]
# By turns: XLA compiles longer than all else takes, so it has one turn in seven, in one precision and then the other.
SMALL_SETTINGS = [(POLICIES[turn % 2], turn % 7 == 6) for turn in range(14)]


def described_device(small):
    """The device's name, and the operations a second of a large matrix product under each policy."""
    gpus = tf.config.list_physical_devices('GPU') if not small else []
    name = tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name) if gpus else 'CPU'
    size, rates = 256 if small else 8192 if gpus else 2048, {}
    for policy in POLICIES:
        factor = tf.cast(tf.random.normal((size, size)), policy.removeprefix('mixed_'))
        # By XLA's choice of a kernel, or by TensorFlow's, whichever is faster.
        functions = [tf.function(lambda x: x @ x, jit_compile=jit_compile) for jit_compile in (True, False)]
        times = seconds(*(lambda function=function, factor=factor: synchronised(function, factor)
                          for function in functions), repeats=5)
        rates[policy] = 2 * size**3 / min(times)
    return name, rates


def synchronised(function, *args):
    """Calls a function, and waits until the device is done."""
    function(*args)
    tf.test.experimental.sync_devices()


def made(name, small, policy, jit_compile):
    """A system, and a batch of events as `fit` takes it: with their conditions, if it has some."""
    of_class, batch, large, tiny = SYSTEMS[name]
    model, batch = of_class(**(tiny if small else large), dtype=policy), SMALL_BATCH if small else batch
    model.compile(jit_compile=jit_compile)
    x = some_events(model, batch)
    if isinstance(model, tfdgm.VQVAE):
        model.prior_is_fitted.assign(1.)  # It draws no samples before.
    return model, (x, x) if isinstance(model, tfdgm.CycleGAN) else x


def counted(name, small, policy):
    """The operations of the products in a step of training, and whether some are in bfloat16; nothing is run."""
    tf.config.set_visible_devices([], 'GPU')  # Programs for GPUs call libraries, in which nothing can be counted.
    model, data = made(name, small, policy, False)
    model.make_train_function()
    return flops.products(lambda *parts: model.train_step(tf.nest.pack_sequence_as(data, parts)),
                          *(tf.TensorSpec(x.shape, x.dtype) for x in tf.nest.flatten(data)))


def speeds(name, small, policy, jit_compile, duration):
    """Steps a second, samples a second, and the time of samples over that of likelihoods, None without any."""
    model, data = made(name, small, policy, jit_compile)
    step, (x, condition) = training_step(model, data), data if isinstance(data, tuple) else (data, None)
    dist, steps = model.distribution(condition), 1 if small else 10
    shape = (len(x),) if condition is None else ()

    def train():
        for _ in range(steps):
            step()
        tf.test.experimental.sync_devices()

    calls = {'train': train, 'sample': lambda: np.asarray(dist.sample(shape, seed=0))}
    if isinstance(model, tfdgm.DensityModel):
        is_constant_known = not isinstance(model, tfdgm.boltzmann.UnnormalizedModel)
        log_prob = dist.log_prob if is_constant_known else dist.unnormalized_log_prob
        calls['log_prob'] = lambda: log_prob(x).numpy()
    # Not by turns: samples may take a thousand times as long as a step.
    times = {name: seconds(call, repeats=repeats_for(call, duration))[0] for name, call in calls.items()}
    ratio = times['sample'] / times['log_prob'] if 'log_prob' in times else None
    return steps / times['train'], len(x) / times['sample'], ratio


def rows(names, settings, small, duration, rates, failures):
    """The rows of the table; what fails is added to the failures."""
    run = (lambda function, *args: function(*args)) if small else apart
    for name in names:
        counts = {}
        for policy, jit_compile in settings(name):
            try:
                if policy not in counts:
                    counts[policy] = run(counted, name, small, policy)
                operations, in_bfloat16 = counts[policy]
                if policy == 'mixed_bfloat16' and not in_bfloat16:
                    cells = ('as in float32: it has no products in bfloat16',)
                else:
                    steps, samples, ratio = run(speeds, name, small, policy, jit_compile, duration)
                    cells = (f'{steps:.4g}', f'{samples:.4g}', '-' if ratio is None else f'{ratio:.3g}',
                             f'{operations / 1e9:.4g}', f'{operations * steps / rates[policy]:.2%}')
            except Exception as error:  # Whatever it is, the other systems don't have it.
                failures.append(name)
                cells = (f'failed: {type(error).__name__}: {" ".join(str(error).split())[:300]}',)
            yield name, policy, 'on' if jit_compile else 'off', *cells


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', action='append', metavar='NAME', choices=SYSTEMS, help=', '.join(SYSTEMS))
    parser.add_argument('--small', action='store_true', help='tiny systems on the CPU, to see that it works')
    parser.add_argument('--seconds', type=float, help='how long each thing is measured (default 3; 0 if small)')
    arguments = parser.parse_args()
    small, duration = arguments.small, arguments.seconds
    if small:
        tf.config.set_visible_devices([], 'GPU')
    device, rates = described_device(True) if small else apart(described_device, False)
    print(f'{device}, TensorFlow {tf.__version__}; matrix products: ' + ', '.join(
        f'{rate / 1e12:.4g} TFLOP/s in {policy.removeprefix("mixed_")}' for policy, rate in rates.items()), flush=True)
    turn, names, failures = itertools.cycle(SMALL_SETTINGS), arguments.only or SYSTEMS, []
    show_rows(
        ('system', 'dtype', 'XLA', 'steps/s', 'samples/s', 'sample / log_prob', 'GFLOP/step', 'of matrix rate'),
        rows(names, lambda name: [next(turn)] if small and not arguments.only else SETTINGS, small,
             (0. if small else 3.) if duration is None else duration, rates, failures))
    if failures:
        sys.exit(f'Failed: {", ".join(dict.fromkeys(failures))}.')


if __name__ == '__main__':
    main()
