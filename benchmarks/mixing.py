"""How a generative stochastic network of the zoo mixes.

    python benchmarks/mixing.py [--model gsn_binarized_mnist] [--chains 100] [--steps 1000]

Chains start from the first test digits. The zoo's classifier of MNIST reads every state: the share of chains that are
at another digit than their first within so many steps, and how many of the ten they have been at in the mean. Then, of
the pixels that ever change, TFP's diagnostics of the second half of all states: the median of the effective sample size
as a share of the states, and the median and the largest potential scale reduction.
"""

import argparse

import numpy as np
from measure import show_rows

import tfdgm
import zoo
from tfdgm import pretrained

STEPS = 10, 50, 200


def visited(digits):
    """How many digits each chain has been at: `[steps, chains]` -> `[chains]`."""
    return np.array([len(set(chain)) for chain in digits.T])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='gsn_binarized_mnist')
    parser.add_argument('--chains', type=int, default=100)
    parser.add_argument('--steps', type=int, default=1000)
    arguments = parser.parse_args()
    model, classifier = zoo.load(arguments.model), zoo.load('features_mnist')
    dataset = pretrained.read_config(zoo.folder(arguments.model))['dataset']
    start = tfdgm.data.as_arrays(tfdgm.data.load(split='test', **dataset).take(arguments.chains))
    chain = model.chain(arguments.steps, start=start, seed=0).numpy()
    scale = (classifier.levels - 1) / (model.support.levels - 1)
    digits = np.array(classifier.classify(scale * chain.reshape(-1, *model.event_shape))).reshape(chain.shape[:2])
    show_rows(['steps', 'chains at another digit', 'digits'], [
        (steps, f'{np.mean(visited(digits[:steps]) > 1):.0%}', f'{np.mean(visited(digits[:steps])):.1f}')
        for steps in STEPS if steps <= arguments.steps])
    late = chain[arguments.steps // 2:]
    mixing = tfdgm.evaluation.mixing(late)
    show_rows(['effective share', 'reduction, median', 'largest'], [(
        f'{np.nanmedian(mixing.effective_sample_size) / np.prod(late.shape[:2]):.1%}',
        f'{np.nanmedian(mixing.potential_scale_reduction):.3f}',
        f'{np.nanmax(mixing.potential_scale_reduction):.3f}')])


if __name__ == '__main__':
    main()
