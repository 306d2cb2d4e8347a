"""FFJORD: a flow that is the solution of a differential equation."""

from collections.abc import Sequence

import tensorflow as tf
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.invertible import Chain, Reshape
from tfdgm.flows.model import FlowModel
from tfdgm.flows.networks import TimeNetwork
from tfdgm.flows.ode import ODE


@register_keras_serializable('tfdgm')
class FFJORD(FlowModel):
    """A continuous flow: latents at time 0 become events at time 1 along a velocity that a network gives.

        dz/dt = f(z, t),    log p(x) = log p(z) - ∫ tr(∂f/∂z) dt

    The trace is exact, at the cost of one product with the Jacobian for each number of an event; training can estimate
    it from one product (Hutchinson's estimator), with noise drawn anew at each step. A fixed number of Runge-Kutta
    steps trains under XLA. Their likelihood is wrong where the flow bends faster than the steps follow, and training
    would find such places. `regularization` keeps paths straight and velocities smooth, so that the steps do follow:

        loss = -log p(x) + λ ∫ ‖f‖² + ‖∂f/∂z‖² dt

    It is in what `fit` reports of the training data, and in nothing else. Scoring and sampling, also of validation
    data, are by an adaptive solver, which makes as many steps as its tolerance asks for. It can train as well, without
    XLA.

    Sources: W. Grathwohl, R. Chen, J. Bettencourt, I. Sutskever and D. Duvenaud, "FFJORD: free-form continuous dynamics
    for scalable reversible generative models", 2018 (https://arxiv.org/abs/1810.01367); regularization: C. Finlay, J.
    Jacobsen, L. Nurbekyan and A. Oberman, "How to train your neural ODE: the world of Jacobian and kinetic
    regularization", 2020 (https://arxiv.org/abs/2002.02798).

    >>> import tfdgm
    >>> model = tfdgm.FFJORD(event_shape=2, hidden_units=(32, 32))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 2])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it scales and moves the features of every layer, as time does.
        hidden_units: the width of each hidden layer of the network.
        activation: of the hidden units, a name that Keras knows; smooth ones suit a solver.
        trace: of the Jacobian in training, 'exact' or 'hutchinson'; elsewhere it is exact.
        regularization: λ in training, from 0; where the densities of training and of scoring differ, it is too small.
        solver: of training, 'runge_kutta', with a fixed number of steps, or 'dormand_prince', the adaptive one.
        steps: how many steps the first makes; XLA takes longer to compile more of them.
        tolerance: the error that the second accepts in a step, absolute and relative.
        max_steps: how many steps the second makes before it gives up; a function of your own under XLA, which has no
            assertions, goes on to the end.
        seed: of dequantisation and of Hutchinson's noise.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if `trace` or `solver` is not one of these.
    """

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, hidden_units: Sequence[int] = (64, 64, 64),
                 activation: str = 'tanh', trace: str = 'exact', regularization: float = 0.,
                 solver: str = 'runge_kutta', steps: int = 8, tolerance: float = 1e-5, max_steps: int = 1000,
                 seed: int | None = 0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, seed=seed, **kwargs)
        self.hidden_units = checks.integers(hidden_units, 'hidden_units of FFJORD')
        self.activation = activation
        self.trace = checks.one_of(trace, ('exact', 'hutchinson'), 'trace of FFJORD')
        self.regularization = checks.not_negative(regularization, 'regularization of FFJORD')
        self.solver = checks.one_of(solver, ('runge_kutta', 'dormand_prince'), 'solver of FFJORD')
        self.steps = checks.integer(steps, 'steps of FFJORD')
        self.tolerance = checks.positive(tolerance, 'tolerance of FFJORD')
        self.max_steps = checks.integer(max_steps, 'max_steps of FFJORD')
        self.velocity = TimeNetwork(
            self.num_sites, self.hidden_units, self.condition_features, activation, name='velocity')
        # Another seed than that of dequantisation's noise: signs that follow from it bias the estimate.
        self._trace_seeds = random.Seeds(self.seed + 1)
        self.flow = Chain([Reshape(self.event_shape, (self.num_sites,)), ODE(
            self.velocity, self.num_sites, self.tolerance, self.max_steps,
            self.steps if self.solver == 'runge_kutta' else None,
            self._trace_seeds if self.trace == 'hutchinson' else None, self.regularization, name='ode')])
        self.built = True

    @property
    def scoring_batch(self) -> int:
        # The exact trace sees an event once for each of its numbers.
        return 1 << max(1, min(super().scoring_batch, 2**24 // self.num_sites**2)).bit_length() - 1

    # Values alone come without the trace, which costs most.

    def to_latents(self, x: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        reshape, ode = self.flow.layers
        x, _ = self.units(x)
        x, _ = reshape(x)
        z, _ = ode.solve(x, -1, features, log_det=False)
        return z

    def from_latents(self, z: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        reshape, ode = self.flow.layers
        x, _ = ode.solve(z, 1, features, log_det=False)
        x, _ = reshape.inverse(x)
        x, _ = self.units.inverse(x)
        return x

    def compile(self, optimizer='adam', *args, jit_compile: bool | str = 'auto', **kwargs):
        """`GenerativeModel.compile`; with an adaptive solver, without XLA.

        Raises:
            ValueError: if XLA is asked for and the solver is adaptive.
        """
        if self.solver == 'dormand_prince':
            if jit_compile is True:
                raise ValueError("XLA can't train through an adaptive solver: leave jit_compile out, or make the model "
                                 "with solver='runge_kutta'.")
            jit_compile = False
        super().compile(optimizer, *args, jit_compile=jit_compile, **kwargs)

    def uses_xla(self, is_faster):
        # XLA leaves out assertions: the adaptive solver would give a number where it gave up.
        return False

    def explaining(self):
        return self.flow.layers[-1].explaining()
