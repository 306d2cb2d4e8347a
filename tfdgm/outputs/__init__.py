"""What one site may be: the families p(x_i | context) that a network's parameters choose from.

An output turns the last axis of a parameter tensor into one TFP distribution for each site, and knows what values
that distribution can take. A system that produces `num_parameters` numbers for a site can use any of them.
"""

from tfdgm.outputs.discrete import Bernoulli, Categorical, checked_output
from tfdgm.outputs.mixtures import MixtureOfGaussians, MixtureOfLogistics
from tfdgm.outputs.output import Output

__all__ = ['Bernoulli', 'Categorical', 'MixtureOfGaussians', 'MixtureOfLogistics', 'Output', 'checked_output']
