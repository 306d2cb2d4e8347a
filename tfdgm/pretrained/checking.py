"""Whether a recipe can be trained, before hours of it: all that it describes is made, and thrown away."""

import inspect

import keras
import tensorflow as tf

from tfdgm import data, inputs, pretrained
from tfdgm.boltzmann import UnnormalizedModel
from tfdgm.pretrained import distributed
from tfdgm.pretrained.recipes import checked_recipe, checked_settings, optimizers


def check(config: dict, strategy: tf.distribute.Strategy | None = None) -> dict:
    """Makes all that a configuration describes, to see that it can be trained. Writes nothing.

    Args:
        config: the configuration.
        strategy: by which it is to be trained.

    Returns:
        The part "training" with its defaults.

    Raises:
        ValueError: if a part is not valid, or the dataset is none for the model.
    """
    recipe = checked_recipe(config)
    trainings = [recipe] if recipe['prior'] is None else [recipe, checked_settings(recipe['prior'], 'prior')]
    if strategy is not None:
        distributed.refuse_xla(trainings)
    model = pretrained.build(config)
    if recipe['kl_warm_up'] and not hasattr(model, 'kl_weight'):
        raise ValueError(f'kl_warm_up in "training" is for models with latent variables; {type(model).__name__} '
                         'has no KL term.')
    if (recipe['prior'] is None) == hasattr(model, 'fit_prior'):
        raise ValueError('prior in "training" holds the settings of the training of a prior over codes, which a '
                         f'VQVAE needs and others do not have; this is a {type(model).__name__}.')
    if recipe['patience'] is not None and (model.monitor is None or recipe['with_validation']):
        trained_on_all = ' trained with the validation split' if recipe['with_validation'] else ''
        raise ValueError(f'patience in "training" waits for a figure that says which epoch is the best, and of this '
                         f'{type(model).__name__}{trained_on_all} none does: leave it out.')
    if recipe['log_partition'] is not None:
        check_log_partition(model, recipe['log_partition'])
    try:
        for settings, trained in zip(trainings, (model, getattr(model, 'prior_layer', None))):
            compile_as(settings, trained)
    except TypeError as error:
        raise ValueError(f'"training" has optimizers that {type(model).__name__} does not take: {error}') from error
    for split in 'train', 'validation':
        examples = data.load(split=split, **config['dataset'])
        first = next(iter(examples.batch(recipe['batch_size'])))
        inputs.prepared(model, *keras.utils.unpack_x_y_sample_weight(first)[:2])
        if strategy is not None:
            for settings in trainings:
                distributed.require_shares(strategy, int(examples.cardinality()), settings['batch_size'], split)
        if recipe['mirror'] and len(model.event_shape) != 3:
            raise ValueError(f'mirror in "training" is for images, got events of shape {model.event_shape}.')
        if split == 'train' and model.standardization is not None:
            model.adapt(examples)
    return recipe


def check_log_partition(model, settings: dict):
    """Raises unless a model takes such settings for the estimate of its constant, which comes after hours."""
    if not isinstance(model, UnnormalizedModel):
        raise ValueError(f'log_partition in "training" is for densities known up to a constant, and a '
                         f'{type(model).__name__} is none.')
    try:
        arguments = inspect.signature(model.estimate_log_partition).bind(**settings)
    except TypeError as error:
        raise ValueError(f'log_partition in "training" has settings that estimate_log_partition does not take: '
                         f'{error}.') from error
    arguments.apply_defaults()
    model.checked_annealing(*(arguments.arguments[name] for name in (
        'num_chains', 'temperatures', 'burn_in', 'exact')))


def compile_as(recipe: dict, model):
    """Compiles a model as a recipe says."""
    steps = 1 if tf.distribute.has_strategy() else recipe['steps_per_execution']
    model.compile(**optimizers(recipe), jit_compile=recipe['jit_compile'], steps_per_execution=steps)
