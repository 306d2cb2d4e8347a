"""A density up to a constant: Boltzmann machines and energies."""

from tfdgm.boltzmann.annealing import reverse_annealing
from tfdgm.boltzmann.dbm import DBM
from tfdgm.boltzmann.distribution import UnnormalizedDistribution
from tfdgm.boltzmann.energy_model import EnergyModel
from tfdgm.boltzmann.log_partition import LogPartition
from tfdgm.boltzmann.machine import BoltzmannMachine
from tfdgm.boltzmann.model import UnnormalizedModel
from tfdgm.boltzmann.pretraining import classifier, deep_belief_network
from tfdgm.boltzmann.rbm import RBM

__all__ = ['DBM', 'RBM', 'BoltzmannMachine', 'EnergyModel', 'LogPartition', 'UnnormalizedDistribution',
           'UnnormalizedModel', 'classifier', 'deep_belief_network', 'reverse_annealing']
