"""Exact density by the chain rule."""

from tfdgm.autoregressive.baselines import FVSBN, Independent, MarkovChain
from tfdgm.autoregressive.distribution import AutoregressiveDistribution
from tfdgm.autoregressive.full_table import FullTable
from tfdgm.autoregressive.made import MADE
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.autoregressive.nade import NADE
from tfdgm.autoregressive.pixel_cnn import GatedPixelCNN, PixelCNN
from tfdgm.autoregressive.pixel_cnn_pp import PixelCNNPlusPlus
from tfdgm.autoregressive.pixel_rnn import PixelRNN
from tfdgm.autoregressive.recurrent import RecurrentModel
from tfdgm.autoregressive.transformer import CausalTransformer
from tfdgm.autoregressive.wavenet import WaveNet

__all__ = [
    'FVSBN', 'MADE', 'NADE', 'AutoregressiveDistribution', 'AutoregressiveModel', 'CausalTransformer', 'FullTable',
    'GatedPixelCNN', 'Independent', 'MarkovChain', 'PixelCNN', 'PixelCNNPlusPlus', 'PixelRNN', 'RecurrentModel',
    'WaveNet']
