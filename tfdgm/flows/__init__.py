"""Flows: exact density by change of variables."""

from tfdgm.flows.bijector import as_bijector
from tfdgm.flows.coupling import AffineCouplingFlow, CouplingFlow
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.distribution import DequantizedDistribution, FlowDistribution
from tfdgm.flows.ffjord import FFJORD
from tfdgm.flows.glow import FlowStep, Glow
from tfdgm.flows.invertible import Chain, InvertibleLayer
from tfdgm.flows.maf import IAF, MAF
from tfdgm.flows.model import FlowModel
from tfdgm.flows.nice import NICE
from tfdgm.flows.real_nvp import RealNVP
from tfdgm.flows.spline import NeuralSplineFlow

__all__ = [
    'FFJORD', 'IAF', 'MAF', 'NICE', 'AffineCouplingFlow', 'Chain', 'CouplingFlow', 'DequantizedDistribution',
    'FlowDistribution', 'FlowModel', 'FlowStep', 'Glow', 'InvertibleLayer', 'NeuralSplineFlow', 'RealNVP',
    'UniformDequantization', 'as_bijector']
