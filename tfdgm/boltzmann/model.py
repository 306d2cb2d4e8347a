"""UnnormalizedModel: densities that are known up to a constant, and that constant."""

import abc
import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, exporting, random
from tfdgm.boltzmann.distribution import UnnormalizedDistribution
from tfdgm.boltzmann.log_partition import LogPartition
from tfdgm.chains import HasChains
from tfdgm.density import DensityModel
from tfdgm.latent_space import require_values


class UnnormalizedModel(HasChains, DensityModel):
    """A density p(x) = exp(unnormalized_log_prob(x)) / Z, which learns from samples of its own Markov chains.

    The gradient of log Z is a mean over the model, and in its place training puts one over chains that go on from step
    to step: the loss is the free energy of events less that of the chains' states. Its value is no measure of quality.

    `log_prob` needs log Z. `estimate_log_partition` finds it, and keeps it with the weights; a change of the weights
    makes it void. Until it is known there is no `nll` among the metrics, and recipes keep the last epoch.

    A subclass implements `unnormalized_log_prob`, `training_terms`, `validation_terms`, `sample`, `chain`'s methods,
    `annealed_log_partition` and `density_weights`; and, if log Z can be summed, `can_enumerate` and
    `exact_log_partition`.

    Args:
        event_shape: shape of one event.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind, or a condition is given.
    """

    monitor = None

    distribution_class = UnnormalizedDistribution

    def __init__(self, event_shape: int | Sequence[int], **kwargs):
        if 'condition' in kwargs:
            raise ValueError(f'{type(self).__name__} takes no condition: make what an event depends on a part of it, '
                             'and hold that in distribution().sample(observed=…, mask=…).')
        super().__init__(event_shape, **kwargs)
        # What is known of log Z, whether it is, and of which weights.
        self.kept_log_partition = self._kept((len(LogPartition._fields),), 'log_partition')
        self.is_estimated = self._kept((), 'log_partition_is_estimated')
        self.kept_checksum = self._kept((), 'log_partition_checksum', 'int32', 0)
        self._measures_nll = self._tested_nll = False

    def _kept(self, shape, name, dtype='float32', value=0.):
        """A variable that is saved with the weights, and that no gradient changes."""
        return self.add_weight(
            shape=shape, dtype=dtype, name=name, trainable=False, autocast=False, aggregation='only_first_replica',
            initializer=lambda shape, dtype: ops.full(shape, value, dtype))

    # What a system defines -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def unnormalized_log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """log p(x) + log Z of events, in nats: `[batch, *event_shape]` -> `[batch]`, float32. NaN of invalid ones."""

    @abc.abstractmethod
    def annealed_log_partition(self, num_chains: int, temperatures: np.ndarray, burn_in: int, seed: tf.Tensor) -> tuple:
        """Logarithms of estimates of Z by single chains, forward and back: `[num_chains]` each."""

    @abc.abstractmethod
    def density_weights(self) -> list:
        """The variables that the density depends on."""

    def count_params(self) -> int:
        """How many numbers the density depends on: chains and estimates are no parameters."""
        return sum(int(np.prod(weight.shape)) for weight in self.density_weights())

    @property
    def can_enumerate(self) -> bool:
        """Whether log Z can be summed up."""
        return False

    def exact_log_partition(self) -> float:
        """log Z, summed up."""
        raise NotImplementedError

    # The constant ----------------------------------------------------------------------------------------------------

    def estimate_log_partition(self, num_chains: int = 100, temperatures: int | ArrayLike = 1000, *,
                               burn_in: int | None = None, exact: bool | None = None,
                               seed: int | None = 0) -> LogPartition:
        """Finds log Z, and keeps it, so that `log_prob` is known. Call it again after more training.

        It is summed up where that is possible, and else estimated by annealed importance sampling: chains go through
        distributions between one whose constant is known, made of the means of the data, and the model. Reverse chains
        start from samples of the model. The first estimate is the one that is used.

        Sources: R. Salakhutdinov and I. Murray, "On the quantitative analysis of deep belief networks", 2008
        (https://doi.org/10.1145/1390156.1390266); Y. Burda, R. Grosse and R. Salakhutdinov, "Accurate and conservative
        estimates of MRF log-likelihood using reverse annealing", 2015 (https://arxiv.org/abs/1412.8566).

        Args:
            num_chains: how many chains each way, at least 2.
            temperatures: how many steps the chains take, evenly spread; or the inverse temperatures of the
                distributions, rising from 0 to 1.
            burn_in: after how many steps the state of a chain is a sample of the model; None for the model's own.
            exact: None for a sum where it is possible; False for chains in any case, True for a sum.
            seed: of the chains, an integer; None draws one.

        Returns:
            What is known of log Z now; where its two ends disagree, or few chains have all the weight, a warning says
            so. The memory that it takes does not depend on how many temperatures there are.

        Raises:
            ValueError: if an argument is not of its kind, or a sum is asked for that is too long.
            RuntimeError: if the chains diverge, or inside a `tf.function`.

        >>> import numpy as np, tfdgm
        >>> model = tfdgm.RBM(4, hidden_units=3)
        >>> exact = model.estimate_log_partition()
        >>> chains = model.estimate_log_partition(num_chains=50, temperatures=100, exact=False)
        >>> exact.is_exact, bool(abs(chains.value - exact.value) < 0.1)
        (True, True)
        """
        require_values('estimate_log_partition', 'unnormalized_log_prob')
        chains = self.checked_annealing(num_chains, temperatures, burn_in, exact)
        if self.can_enumerate and exact is not False:
            found = LogPartition.exact(self.exact_log_partition())
        else:
            found = LogPartition.of_chains(*self.annealed_log_partition(*chains, random.stateless_seed(seed)))
        if not np.isfinite(found).all():
            raise RuntimeError(f'The chains of this {type(self).__name__} diverged, and nothing is kept: '
                               f'{self.if_diverged}')
        self.kept_log_partition.assign(found)
        self.is_estimated.assign(1.)
        self.kept_checksum.assign(self.run(self.checksum, jit_compile=False))
        if found.doubt:
            warnings.warn(f'This {type(self).__name__} is not sure of its constant: {found.doubt}. Take more '
                          'temperatures, and a longer burn_in for the chains back.', stacklevel=2)
        return found

    def checked_annealing(self, num_chains: int, temperatures: int | ArrayLike, burn_in: int | None,
                          exact: bool | None) -> tuple:
        """How many chains an estimate takes, their inverse temperatures, and the burn-in of those back.

        Raises:
            ValueError: if one is not of its kind, or a sum is asked for that is too long.
        """
        if exact is not None and checks.flag(exact, 'exact') and not self.can_enumerate:
            raise ValueError(f'This {type(self).__name__} has too many states for log Z to be a sum over them: leave '
                             'out exact=True.')
        return (checks.integer(num_chains, 'num_chains', 2), checked_temperatures(temperatures),
                self.burn_in if burn_in is None else checks.integer(burn_in, 'burn_in', 0))

    @property
    def log_partition(self) -> LogPartition:
        """What is known of log Z.

        Raises:
            RuntimeError: if it was never estimated, or the weights have changed since, and it can't be summed up.
        """
        self.require_log_partition()
        return LogPartition(*map(float, self.kept_log_partition.numpy()))

    def require_log_partition(self):
        """Raises unless log Z is known for the weights as they are; sums it up where that is possible."""
        with tf.init_scope():  # Also while a function is traced.
            if self.knows_log_partition():
                return
            if self.can_enumerate:
                self.estimate_log_partition()
                return
            name = type(self).__name__
            if not self.is_estimated.numpy():
                raise RuntimeError(f'The density of this {name} is known up to a constant, log Z, which was never '
                                   'estimated: call model.estimate_log_partition(), or use '
                                   'distribution().unnormalized_log_prob(events).')
            raise RuntimeError(f'The weights of this {name} have changed since its log Z was estimated: call '
                               'model.estimate_log_partition() again, or use '
                               'distribution().unnormalized_log_prob(events).')

    def knows_log_partition(self) -> bool:
        """Whether log Z was found for the weights as they are."""
        return bool(self.is_estimated.numpy()) and (
            int(self.run(self.checksum, jit_compile=False)) == int(self.kept_checksum.numpy()))

    def checksum(self) -> tf.Tensor:
        """A number of the weights, int32, by which a change of any of them shows."""
        total = tf.constant(0)
        for index, weight in enumerate(self.density_weights()):
            bits = tf.bitcast(tf.reshape(tf.cast(weight, tf.float32), [-1]), tf.uint32)
            # As they are, the changes of an even number of signs would add up to nothing.
            for shift in 16, 15:
                bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32)))
                bits *= tf.constant(0x7feb352d, tf.uint32)
            bits = tf.bitcast(bits, tf.int32)
            total += (2 * index + 1) * tf.reduce_sum(bits * (2 * tf.range(tf.size(bits)) + 1))
        return total

    # The density -----------------------------------------------------------------------------------------------------

    def log_prob(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        self.require_log_partition()
        return self.normalized(self.unnormalized_log_prob(x))

    def normalized(self, log_probs: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of unnormalised ones; NaN if log Z is not that of the weights."""
        # In a function that was traced earlier, nothing can raise an error.
        known = (self.is_estimated.value > 0) & ops.equal(self.checksum(), self.kept_checksum.value)
        return log_probs - ops.where(known, self.kept_log_partition.value[0], np.nan)

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.training_terms(x, condition)['loss']

    @abc.abstractmethod
    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """See `Trainer`; beside 'loss', the next states of the chains."""

    def likelihood_terms(self, log_probs: tf.Tensor) -> dict:
        """What validation measures beside the loss, of unnormalised log-probabilities: 'nll', where log Z is known."""
        return {'nll': -self.normalized(log_probs)} if self._measures_nll else {}

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        if 'nll' in terms:
            super().update_metrics(terms, x, sample_weight)

    def get_metrics_result(self) -> dict:
        unmeasured = () if self._measures_nll else (self.nll_tracker.name, self.bits_per_dim_tracker.name)
        return {name: value for name, value in super().get_metrics_result().items() if name not in unmeasured}

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        signatures = super().signatures(jit_compile)
        unnormalized = {'unnormalized_log_prob': exporting.scoring(
            self, lambda x, condition: self.unnormalized_log_prob(x), 'unnormalized_log_prob', jit_compile)}
        if self.can_enumerate or self.knows_log_partition():
            return signatures | unnormalized
        warnings.warn(f'log Z of this {type(self).__name__} is not known for its weights as they are, so what is '
                      'exported has no log_prob: call model.estimate_log_partition() before.', stacklevel=2)
        del signatures['log_prob']
        return unnormalized | signatures

    def train_step(self, data):
        self._measures_nll = False
        return super().train_step(data)

    def make_test_function(self, force=False):
        if self.can_enumerate:
            self.require_log_partition()
        knows = self.knows_log_partition()
        # What it measures is fixed once it is traced.
        force = force or knows != self._tested_nll
        self._tested_nll = knows
        return super().make_test_function(force)

    def test_step(self, data):
        self._measures_nll = self._tested_nll
        return super().test_step(data)

    def make_predict_function(self, force=False):
        self.require_log_partition()
        return super().make_predict_function(force)

    def more_figures(self, x: ArrayLike, condition: ArrayLike | None) -> dict:
        """log Z and its error, log Z by the chains back, and how many chains of equal weight there were."""
        known = self.log_partition
        return {'log_partition': known.value, 'log_partition_error': known.standard_error,
                'reverse_log_partition': known.reverse, 'effective_sample_size': known.effective_sample_size}


def checked_temperatures(temperatures) -> np.ndarray:
    """Inverse temperatures, float32 `[steps + 1]`, of their number or of themselves.

    Raises:
        ValueError: if they are none.
    """
    if np.ndim(temperatures) == 0:
        return np.linspace(0, 1, checks.integer(temperatures, 'temperatures') + 1, dtype='float32')
    values = np.asarray(temperatures)
    if values.ndim != 1 or len(values) < 2 or values.dtype.kind not in 'biuf' or values[0] != 0 or values[-1] != 1 or (
            not np.all(np.diff(values.astype('float32')) > 0)):
        raise ValueError('temperatures must be a number of steps, or the inverse temperatures of the distributions, '
                         f'rising from 0 to 1; got {temperatures!r}.')
    return values.astype('float32')
