"""How long one waits from `fit` to the end of the first step, as a table from one run.

    python benchmarks/first_step.py [--against FOLDER] [--xla] [--repeats 1] [--system RealNVP …]

Each system takes one step on a batch of 64 events in a process of its own: images of 28x28 with 256 levels for flows of
images, binary ones for autoregressive models, and 64 real numbers for flows over vectors. `--against` names a checkout
of another version of tfdgm, which takes the same steps by turns; the ratio is of this version's time to that one's.
`--xla` has XLA compile the step, instead of leaving the choice to the model.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys

from measure import show_rows

GREY = 'dequantization=tfdgm.flows.UniformDequantization(256, logit=0.05)'
SYSTEMS = {
    'NeuralSplineFlow(8)': 'tfdgm.NeuralSplineFlow(64, couplings=8)',
    'MAF(8)': 'tfdgm.MAF(64, blocks=8)',
    'RealNVP': f'tfdgm.RealNVP((28, 28, 1), {GREY})',
    'Glow': f'tfdgm.Glow((28, 28, 1), {GREY})',
    'GatedPixelCNN': 'tfdgm.GatedPixelCNN((28, 28, 1))',
    'CausalTransformer': 'tfdgm.CausalTransformer((28, 28, 1))',
}
CODE = """
import sys, time
import keras, numpy as np, tfdgm
model = {system}
levels = 256 if 'logit' in '{system}' else 2
x = np.random.default_rng(0).integers(levels, size=(64, *model.event_shape)).astype('float32')
x = x if len(model.event_shape) == 3 else np.random.default_rng(0).normal(size=x.shape).astype('float32')
times = []
model.compile('adam', jit_compile={jit_compile})
start = time.perf_counter()
model.fit(x, batch_size=64, verbose=0, callbacks=[
    keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: times.append(time.perf_counter()))])
print(times[0] - start)
"""
HERE = pathlib.Path(__file__).resolve().parent.parent


def first_step(system, folder, jit_compile):
    """The seconds that one process takes."""
    environment = {**os.environ, 'PYTHONPATH': str(folder), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    code = CODE.format(system=system, jit_compile=jit_compile)
    result = subprocess.run([sys.executable, '-c', code], env=environment, cwd=folder, capture_output=True, text=True,
                            check=True)
    return float(result.stdout.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--against', type=pathlib.Path)
    parser.add_argument('--xla', dest='jit_compile', action='store_const', const=True, default="'auto'")
    parser.add_argument('--repeats', type=int, default=1)
    parser.add_argument('--system', action='append', choices=SYSTEMS)
    arguments = parser.parse_args()
    folders = [HERE, *([arguments.against.resolve()] if arguments.against else [])]

    def rows():
        for name in arguments.system or SYSTEMS:
            times = [[first_step(SYSTEMS[name], folder, arguments.jit_compile) for folder in folders]
                     for _ in range(arguments.repeats)]
            own, *there = (statistics.median(column) for column in zip(*times))
            yield name, f'{own:.1f}', *(text for other in there for text in (f'{other:.1f}', f'{own / other:.2f}'))

    show_rows(('system', 'seconds', *(['there', 'ratio'] if arguments.against else [])), rows())


if __name__ == '__main__':
    main()
