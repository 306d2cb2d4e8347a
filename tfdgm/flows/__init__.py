"""Flows: exact density by change of variables."""

from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.distribution import DequantizedDistribution, FlowDistribution
from tfdgm.flows.glow import Glow
from tfdgm.flows.model import FlowModel
from tfdgm.flows.nice import NICE
from tfdgm.flows.real_nvp import RealNVP

__all__ = ['NICE', 'DequantizedDistribution', 'FlowDistribution', 'FlowModel', 'Glow', 'RealNVP', 'UniformDequantization']
