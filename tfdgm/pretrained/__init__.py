"""Pretrained models: folders with a configuration, weights and a card, and the training that makes them."""

from tfdgm.config_file import CARD, CONFIG, WEIGHTS, read_card, read_config
from tfdgm.pretrained.folder import (
    CHAINS,
    FILTERS,
    GRID,
    INTERPOLATIONS,
    PLANE,
    RECONSTRUCTIONS,
    SOUND,
    WeightsError,
    build,
    fresh,
    load,
    save_weights,
    sha256,
    weights_of,
    write_config,
)

__all__ = [
    'CARD', 'CHAINS', 'CONFIG', 'FILTERS', 'GRID', 'INTERPOLATIONS', 'PLANE', 'RECONSTRUCTIONS', 'SOUND', 'WEIGHTS',
    'WeightsError', 'build', 'fresh', 'load', 'read_card', 'read_config', 'save_weights', 'sha256', 'weights_of',
    'write_config']
