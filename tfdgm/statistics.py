"""Errors for statistics without a closed form, which say how to estimate them."""

import tensorflow_probability as tfp

tfd = tfp.distributions

FROM_SAMPLES = 'estimate it from samples, x = dist.sample(10_000)'
ESTIMATES = {
    'mean': 'tf.reduce_mean(x, 0)', 'variance': 'tf.math.reduce_variance(x, 0)', 'stddev': 'tf.math.reduce_std(x, 0)',
    'covariance': 'tfp.stats.covariance(x, event_axis=-1)', 'mode': 'the most likely of them',
    'quantile': 'tfp.stats.percentile(x, 50., 0)', 'cdf': 'tf.reduce_mean(tf.cast(x <= value, tf.float32), 0)',
    'entropy': '-tf.reduce_mean(dist.log_prob(x), 0)',
    'cross_entropy': '-tf.reduce_mean(other.log_prob(x), 0)',
}


def without(name):
    """A method that says how to estimate what there is no closed form of."""
    def method(self, *args, **kwargs):
        raise NotImplementedError(f'{type(self.model).__name__} has no closed form of `{name}`: {FROM_SAMPLES}, for '
                                  f'example as {ESTIMATES[name]}.')

    return method


class WithoutClosedForms:
    """Mixed into a `tfd.Distribution` of which samples and log-probabilities are all there is."""

    _mean, _variance, _stddev, _covariance, _mode, _quantile, _cdf, _entropy, _cross_entropy = map(without, ESTIMATES)
    _log_cdf = _survival_function = _log_survival_function = _cdf


@tfd.RegisterKL(WithoutClosedForms, WithoutClosedForms)
@tfd.RegisterKL(WithoutClosedForms, tfd.Distribution)
@tfd.RegisterKL(tfd.Distribution, WithoutClosedForms)
# TFP has a divergence of its own between these, which takes them apart.
@tfd.RegisterKL(WithoutClosedForms, tfd.TransformedDistribution)
@tfd.RegisterKL(tfd.TransformedDistribution, WithoutClosedForms)
def _kl_divergence(a, b, name=None):
    names = (type(getattr(dist, 'model', dist)).__name__ for dist in (a, b))
    raise NotImplementedError('The KL divergence of {} from {} has no closed form: estimate KL(a || b) from samples of '
                              'the first, x = a.sample(10_000), as tf.reduce_mean(a.log_prob(x) - b.log_prob(x), 0).'
                              .format(*names))
