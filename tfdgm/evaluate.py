"""Figures of held-out data: the likelihood in nats and bits per dimension, or the loss of models without one."""

import numpy as np

from tfdgm import data
from tfdgm.density import DensityModel


def held_out(model, dataset, batch_size: int | None = None) -> dict:
    """The mean log-likelihood of a dataset; of a model without one, the metrics that `evaluate` gives.

    Args:
        model: a `tfdgm.GenerativeModel`.
        dataset: a `tf.data.Dataset` of single events, or of pairs (event, condition), as `tfdgm.data.load` gives.
        batch_size: how many events at once; by default about 400,000 sites of them, at most 500.

    Returns:
        `nll`, the mean negative log-likelihood in nats; `standard_error` of that mean over the events;
        `bits_per_dim`, over all sites there are; and `examples`, how many events there were. Of a model without a
        likelihood, its metrics and `examples`.

    Raises:
        ValueError: if the events don't fit the model.

    >>> import tfdgm
    >>> model = tfdgm.Independent(event_shape=(8, 8, 1))
    >>> digits = tfdgm.data.load('digits', 'test', binarization='threshold')
    >>> round(tfdgm.evaluate.held_out(model, digits)['bits_per_dim'], 3)
    1.0
    """
    loaded = data.as_arrays(dataset)
    batch_size = batch_size or min(500, max(1, 400_000 // model.num_sites))
    events, condition = loaded if isinstance(loaded, tuple) else (loaded, None)
    if not isinstance(model, DensityModel):
        figures = model.evaluate(events, condition, batch_size=batch_size, verbose=0, return_dict=True)
        return {**{name: float(value) for name, value in figures.items()}, 'examples': len(events)}
    inputs = events if condition is None else [events, condition]
    log_probs = model.predict(inputs, batch_size=batch_size, verbose=0)
    nll = -float(np.mean(log_probs, dtype='float64'))
    sites = np.mean(model.sites_of(events), dtype='float64')
    return {
        'nll': nll,
        'standard_error': float(np.std(log_probs, dtype='float64') / np.sqrt(len(log_probs))),
        'bits_per_dim': nll / float(sites * np.log(2)),
        'examples': len(log_probs),
    }
