"""Where XLA pays on a CPU: its time over that of TensorFlow's own kernels, as a table from one run.

    python benchmarks/xla.py [--system NADE …] [--seconds 10] [--batch 64]

Each system trains on and scores batches of events, in a process of its own, with XLA, without and as
`jit_compile='auto'` has it, by turns. What is above 1 is slower with XLA; by these figures the classes say what 'auto'
means for them on CPUs. `auto` is its time over that of the faster of the two.
"""

import argparse
import functools
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from measure import apart, repeats_for, seconds, show_rows, some_events, training_step

import tfdgm

IMAGE = 28, 28, 1
GREY = {'dequantization': tfdgm.flows.UniformDequantization(256, logit=0.05)}
SYSTEMS = {
    'NADE': lambda: tfdgm.NADE(IMAGE),
    'FVSBN': lambda: tfdgm.FVSBN(IMAGE),
    'MADE': lambda: tfdgm.MADE(IMAGE, hidden_units=(512, 512)),
    'PixelCNN': lambda: tfdgm.PixelCNN(IMAGE),
    'GatedPixelCNN': lambda: tfdgm.GatedPixelCNN(IMAGE),
    'PixelCNNPlusPlus': lambda: tfdgm.PixelCNNPlusPlus(IMAGE, output=tfdgm.outputs.Bernoulli()),
    'PixelRNN': lambda: tfdgm.PixelRNN(IMAGE),
    'WaveNet': lambda: tfdgm.WaveNet(784),
    'RecurrentModel': lambda: tfdgm.RecurrentModel(784),
    'CausalTransformer': lambda: tfdgm.CausalTransformer(784),
    'NICE': lambda: tfdgm.NICE(IMAGE, **GREY),
    'AffineCouplingFlow': lambda: tfdgm.AffineCouplingFlow(64),
    'NeuralSplineFlow': lambda: tfdgm.NeuralSplineFlow(64),
    'MAF': lambda: tfdgm.MAF(64),
    'IAF': lambda: tfdgm.IAF(64),
    'RealNVP': lambda: tfdgm.RealNVP(IMAGE, **GREY),
    'Glow': lambda: tfdgm.Glow(IMAGE, **GREY),
    'FFJORD': lambda: tfdgm.FFJORD(16),
}


def ratios(calls, duration):
    """XLA's time over that without it, and that of 'auto' over the shorter of the two."""
    with_xla, without, auto = seconds(*calls, repeats=repeats_for(calls[1], duration / 3))
    return with_xla / without, auto / min(with_xla, without)


def measure(name, duration, batch):
    """The ratios of a system: of training, and of scoring."""
    models = [SYSTEMS[name]() for _ in range(3)]
    x = some_events(models[0], batch)
    steps, scores = [], []
    for model, jit_compile in zip(models, (True, False, 'auto')):
        model.compile('adam', jit_compile=jit_compile)
        steps.append(training_step(model, x))
        scores.append(functools.partial(model.distribution().log_prob, x))
    return *ratios(steps, duration), *ratios(scores, duration)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--system', action='append', choices=SYSTEMS)
    parser.add_argument('--seconds', type=float, default=10)
    parser.add_argument('--batch', type=int, default=64)
    arguments = parser.parse_args()

    def rows():
        for name in arguments.system or SYSTEMS:
            yield name, *(f'{ratio:.2f}' for ratio in apart(measure, name, arguments.seconds, arguments.batch))

    show_rows(('system', 'training', 'auto', 'scoring', 'auto'), rows())


if __name__ == '__main__':
    main()
