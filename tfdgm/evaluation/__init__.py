"""What a trained model is worth: figures of held-out data, measures of samples, divergences, and pictures."""

from tfdgm.evaluation import evaluate, pictures
from tfdgm.evaluation.classifier import Classifier
from tfdgm.evaluation.divergences import js, kl, wasserstein
from tfdgm.evaluation.measures import can_be_measured, measured
from tfdgm.evaluation.mixing import Mixing, mixing
from tfdgm.evaluation.modes import Modes, modes_near, modes_of
from tfdgm.evaluation.samples import (
    Estimate,
    Manifolds,
    energy_distance,
    frechet_distance,
    kernel_distance,
    manifolds,
    maximum_mean_discrepancy,
    sliced_wasserstein_distance,
    wasserstein_distance,
)

__all__ = [
    'Classifier', 'Estimate', 'Manifolds', 'Mixing', 'Modes', 'can_be_measured', 'energy_distance', 'evaluate',
    'frechet_distance', 'js', 'kernel_distance', 'kl', 'manifolds', 'maximum_mean_discrepancy', 'measured',
    'mixing', 'modes_near', 'modes_of', 'pictures', 'sliced_wasserstein_distance', 'wasserstein',
    'wasserstein_distance']
