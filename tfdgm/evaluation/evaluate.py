"""Figures of held-out data: the likelihood in nats and bits per dimension, or the loss of models without one."""

import numpy as np
import tensorflow as tf

from tfdgm import data
from tfdgm.data import images, paths
from tfdgm.data.loading import KINDS
from tfdgm.density import DensityModel
from tfdgm.model import Model
from tfdgm.pretrained import files
from tfdgm.support import Integers


def held_out(model: Model, dataset: tf.data.Dataset, batch_size: int | None = None,
             num_samples: int | None = None) -> dict:
    """The mean log-likelihood of a dataset; of a model without one, the metrics that `evaluate` gives.

    Args:
        model: a `tfdgm.Model`.
        dataset: a `tf.data.Dataset` of single events, or of pairs (event, condition), as `tfdgm.data.load` gives.
        batch_size: how many events at once; by default about 400,000 sites of them, at most 500.
        num_samples: of a model with latent variables, how many draws the importance-weighted bound takes; by default
            as many as its `log_prob`.

    Returns:
        `nll`, the mean negative log-likelihood in nats; `standard_error` of that mean over the events;
        `bits_per_dim`, over all sites there are; `num_samples`, of a model with latent variables; `perplexity`, of a
        `VQVAE`'s codes; and `examples`, how many events there were. Of a model without a likelihood, its metrics and
        `examples`.

    Raises:
        ValueError: if the events don't fit the model, or it has no draws of latents to take more of.

    >>> import tfdgm
    >>> model = tfdgm.Independent(event_shape=(8, 8, 1))
    >>> digits = tfdgm.data.load('digits', 'test', binarization='threshold')
    >>> round(tfdgm.evaluate.held_out(model, digits)['bits_per_dim'], 3)
    1.0
    """
    loaded = data.as_arrays(dataset)
    batch_size = batch_size or min(500, max(1, 400_000 // model.num_sites))
    events, condition = loaded if isinstance(loaded, tuple) else (loaded, None)
    draws = getattr(model, 'num_samples', None)  # Of latents, which other densities have not.
    if num_samples is not None and draws is None:
        raise ValueError(f'num_samples is for models that draw latents, and {type(model).__name__} draws none.')
    if not isinstance(model, DensityModel):
        figures = model.evaluate(events, condition, batch_size=batch_size, verbose=0, return_dict=True)
        return {**{name: float(value) for name, value in figures.items()}, 'examples': len(events)}
    inputs = events if condition is None else [events, condition]
    options = {} if num_samples is None else {'num_samples': num_samples}
    log_probs = model.predict(inputs, batch_size=batch_size, verbose=0, **options)
    nll = -float(np.mean(log_probs, dtype='float64'))
    sites = np.mean(model.sites_of(events), dtype='float64')
    return {
        'nll': nll,
        'standard_error': float(np.std(log_probs, dtype='float64') / np.sqrt(len(log_probs))),
        'bits_per_dim': nll / float(sites * np.log(2)),
        **({} if draws is None else {'num_samples': num_samples or draws}),
        **model.more_figures(events, condition),
        'examples': len(log_probs),
    }


def arguments_for(model: Model, config: dict, name: str) -> dict:
    """The arguments with which `tfdgm.data.load` gives other data than a model was trained on, as the model takes them.

    Images get the model's number of pixels, of channels and of levels, sounds its length, tables its columns by their
    names, and labels the numbers that the classes had in its training. Arrays are taken as they are.

    Args:
        model: a `tfdgm.Model`.
        config: its configuration.
        name: of the data, or their path.

    Raises:
        FileNotFoundError: if it is a path, and nothing is there.
        ValueError: if there is nothing that can be read, or sound of another sample rate than the model's.
    """
    trained, record, path = config['dataset'], config.get('record', {}), paths.path_of(name)
    if path is None:
        return {**{key: value for key, value in trained.items() if key not in ('color_mode', 'classes')}, 'name': name}
    kind, _ = paths.look(path, name)
    _, taken = KINDS[kind]
    arguments = {'name': name, **{key: value for key, value in trained.items() if key in (*taken, 'seed')}}
    if kind == 'arrays':
        return {key: value for key, value in arguments.items() if key in ('name', 'labels', 'coarse', 'grey')}
    if kind == 'table':
        return {**arguments, 'columns': files.columns_of(config)}
    if trained.get('labels'):
        arguments['classes'] = record.get('classes') or trained.get('classes')
    if kind == 'sounds':
        rate, own = files.rate_of(config), data.details_of(name)['rate']
        if rate is not None and own != rate:
            raise ValueError(f'{name} has {own:,} samples a second, and the model was trained at {rate:,}; resample '
                             'it.')
        return {**arguments, 'length': model.event_shape[0]}
    if len(model.event_shape) != 3:
        raise ValueError(f'{name} holds images, and the events of this model have the shape {model.event_shape}.')
    height, width, channels = model.event_shape
    arguments['size'] = height if height == width else None
    arguments['color_mode'] = next((mode for mode, count in images.COLOR_MODES.items() if count == channels), None)
    if isinstance(model.support, Integers) and not (trained.get('levels') or trained.get('binarization')):
        arguments['levels'] = min(model.support.levels, images.LEVELS)
    return arguments
