"""Recipes: what the parts "dataset" and "training" of a configuration may hold, and what they mean to Keras."""

import copy

import keras

from tfdgm import checks

DEFAULTS = {'epochs': 100, 'batch_size': 64, 'optimizer': 'adam', 'seed': 0, 'patience': None, 'jit_compile': 'auto',
            'mirror': False, 'with_validation': False, 'steps_per_execution': 1, 'kl_warm_up': 0,
            'initial_weights': None, 'prior': None, 'log_partition': None}
LEAST = {'epochs': 1, 'batch_size': 1, 'seed': 0, 'patience': 1, 'steps_per_execution': 1, 'kl_warm_up': 0}
# Codes are no images, and a model of them has neither a KL term nor codes of its own nor an unknown constant; it is
# trained on the same split.
NOT_OF_PRIORS = 'mirror', 'with_validation', 'kl_warm_up', 'initial_weights', 'prior', 'log_partition'
DATASET = ('name', 'binarization', 'levels', 'size', 'color_mode', 'labels', 'classes', 'columns', 'length', 'coarse',
           'grey', 'mutation', 'seed')


def checked_recipe(config: dict) -> dict:
    """The part "training" of a configuration with its defaults.

    Raises:
        ValueError: if it or the part "dataset" holds something unknown, or a value of the wrong kind.
    """
    for part in 'dataset', 'training':
        if not isinstance(config[part], dict):
            raise ValueError(f'"{part}" should be a JSON object, got {config[part]!r}.')
    unknown = set(config['dataset']) - set(DATASET)
    if unknown or 'name' not in config['dataset']:
        raise ValueError(f'"dataset" takes {", ".join(DATASET)}, the first of them always; got {config["dataset"]}.')
    recipe = checked_settings(config['training'], 'training')
    if recipe['prior'] is not None:
        checked_settings(recipe['prior'], 'prior')
    checks.integer(config['dataset'].get('seed', 0), 'seed in "dataset"', 0)
    if not isinstance(config.get('about', ''), str):
        raise ValueError(f'"about" should be a sentence, got {config["about"]!r}.')
    return recipe


def checked_settings(settings: dict, part: str) -> dict:
    """The settings of a training, with their defaults.

    Raises:
        ValueError: if they hold something unknown, or a value of the wrong kind.
    """
    if not isinstance(settings, dict):
        raise ValueError(f'"{part}" should be a JSON object, got {settings!r}.')
    taken = [name for name in DEFAULTS if part != 'prior' or name not in NOT_OF_PRIORS]
    unknown = {name for name in settings if name not in taken and not name.endswith('_optimizer')}
    if unknown:
        raise ValueError(f'Unknown in "{part}": {", ".join(sorted(unknown))}; it takes {", ".join(taken)}.')
    recipe = {**DEFAULTS, **settings}
    for name, least in LEAST.items():
        value = recipe[name]
        if name != 'patience' or value is not None:
            checks.integer(value, f'{name} in "{part}"', least)
    if not isinstance(recipe['initial_weights'], str | None):
        raise ValueError(f'initial_weights in "{part}" should be the name or the folder of a pretrained model, got '
                         f'{recipe["initial_weights"]!r}.')
    for name in 'mirror', 'with_validation':
        if not isinstance(recipe[name], bool):
            raise ValueError(f'{name} in "{part}" should be true or false, got {recipe[name]!r}.')
    if recipe['jit_compile'] not in (True, False, 'auto'):
        raise ValueError(
            f'jit_compile in "{part}" should be true, false or "auto", got {recipe["jit_compile"]!r}.')
    return recipe


def optimizers(recipe: dict) -> dict:
    """The Keras optimizers that a recipe names or describes, as arguments of `compile`.

    They are 'optimizer' and, of models that learn by several, all whose names end in '_optimizer'.

    Raises:
        ValueError: if Keras knows no such optimizer.
    """
    return {name: optimizer(value) for name, value in recipe.items()
            if name == 'optimizer' or name.endswith('_optimizer')}


def optimizer(described):
    """The Keras optimizer of a name or a description."""
    if not isinstance(described, (str, dict)):
        raise ValueError(f'"training" needs an optimizer, as a name or as Keras serialises one, got {described!r}.')
    try:
        # Keras writes into the description that it is given.
        return keras.optimizers.get(copy.deepcopy(described))
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f'"training" has an optimizer that Keras does not know, {described!r}: {error}') from error
