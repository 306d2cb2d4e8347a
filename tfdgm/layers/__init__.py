"""Keras layers that systems of several families are made of."""

from tfdgm.layers.activations import activation_of
from tfdgm.layers.dropout import Dropout
from tfdgm.layers.linear import ConditionBias, dense
from tfdgm.layers.masked import MaskedNetwork
from tfdgm.layers.standardization import Standardization

__all__ = ['ConditionBias', 'Dropout', 'MaskedNetwork', 'Standardization', 'activation_of', 'dense']
