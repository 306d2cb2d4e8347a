"""Models of sequences: one network for the values before any site."""

from tfdgm.autoregressive.sequences.recurrent import RecurrentModel
from tfdgm.autoregressive.sequences.transformer import CausalTransformer
from tfdgm.autoregressive.sequences.wavenet import WaveNet

__all__ = ['CausalTransformer', 'RecurrentModel', 'WaveNet']
