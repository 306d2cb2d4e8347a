"""HasOutput: what models have in common each of whose sites has an output."""

from tfdgm import checks
from tfdgm.outputs.discrete import Bernoulli
from tfdgm.outputs.output import Output
from tfdgm.support import Support


class HasOutput:
    """Mixed into a model: the argument `output`, and what follows from it."""

    def keep_output(self, output: Output | None):
        """Takes the argument of the constructor; None is `Bernoulli()`.

        Raises:
            ValueError: if it is no output.
        """
        output = Bernoulli() if output is None else output
        self._output = checks.instance(output, Output, 'output', 'tfdgm.outputs.Bernoulli()')

    @property
    def output(self) -> Output:
        """The family of each site, one of `tfdgm.outputs`: given those before it, or what else it follows from."""
        return self._output

    @property
    def support(self) -> Support:
        return self.output.support
