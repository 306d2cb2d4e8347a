"""Flows: exact density by change of variables."""

from tfdgm.flows.coupling import AffineCouplingFlow, CouplingFlow, NeuralSplineFlow
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.distribution import DequantizedDistribution, FlowDistribution
from tfdgm.flows.ffjord import FFJORD
from tfdgm.flows.glow import Glow
from tfdgm.flows.maf import IAF, MAF
from tfdgm.flows.model import FlowModel
from tfdgm.flows.nice import NICE
from tfdgm.flows.real_nvp import RealNVP

__all__ = [
    'FFJORD', 'IAF', 'MAF', 'NICE', 'AffineCouplingFlow', 'CouplingFlow', 'DequantizedDistribution', 'FlowDistribution',
    'FlowModel', 'Glow', 'NeuralSplineFlow', 'RealNVP', 'UniformDequantization']
