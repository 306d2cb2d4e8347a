"""What one site may be: the families p(x_i | context) that a network's parameters choose from.

An output turns the last axis of a parameter tensor into one TFP distribution for each site, and knows what values
that distribution can take. A system that produces `num_parameters` numbers for a site can use any of them.
"""

from tfdgm.outputs.discrete import Bernoulli, Categorical
from tfdgm.outputs.mixtures import MixtureOfGaussians, MixtureOfLogistics
from tfdgm.outputs.of_model import HasOutput
from tfdgm.outputs.output import Output

__all__ = ['Bernoulli', 'Categorical', 'HasOutput', 'MixtureOfGaussians', 'MixtureOfLogistics', 'Output']
