"""Exact density by the chain rule."""

from tfdgm.autoregressive.baselines import FVSBN, Independent, MarkovChain
from tfdgm.autoregressive.distribution import AutoregressiveDistribution
from tfdgm.autoregressive.full_table import FullTable
from tfdgm.autoregressive.images import GatedPixelCNN, PixelCNN, PixelCNNPlusPlus, PixelRNN
from tfdgm.autoregressive.made import MADE
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.autoregressive.nade import NADE
from tfdgm.autoregressive.sequences import CausalTransformer, RecurrentModel, WaveNet

__all__ = [
    'FVSBN', 'MADE', 'NADE', 'AutoregressiveDistribution', 'AutoregressiveModel', 'CausalTransformer', 'FullTable',
    'GatedPixelCNN', 'Independent', 'MarkovChain', 'PixelCNN', 'PixelCNNPlusPlus', 'PixelRNN', 'RecurrentModel',
    'WaveNet']
