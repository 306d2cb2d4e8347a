"""Counts the floating-point operations of the matrix products and convolutions in a function, loops included.

The function is read as XLA is given it: the text of `tf.function(…, jit_compile=True).experimental_get_compiler_ir`,
before any device's optimisations. Neither TensorFlow's profiler nor XLA's cost analysis will do: they count what a loop
does once, and chains and sequences are loops. Here the numbers that end a loop are followed. Of a branch, the one with
the most products counts. What is not a product is left out: a matrix unit does none of it.
"""

import functools
import itertools
import math
import operator
import re

import tensorflow as tf

COMPUTATION = re.compile(r'^(ENTRY )?%?([\w.-]+) \(.*\{$')
INSTRUCTION = re.compile(r'^\s+(ROOT )?%([\w.-]+) = (\(.*?\)|\S+) ([\w-]+)(\(.*)$')
COMPARISONS = {'LT': operator.lt, 'LE': operator.le, 'GT': operator.gt, 'GE': operator.ge, 'EQ': operator.eq,
               'NE': operator.ne}
ARITHMETIC = {'add': operator.add, 'subtract': operator.sub, 'multiply': operator.mul, 'and': operator.and_,
              'or': operator.or_, 'minimum': min, 'maximum': max, 'convert': int, 'copy': int, 'reshape': int}


class Instruction:
    """One line of a program: its result's shape, operation, operands, and what it says besides."""

    def __init__(self, shape, operation, rest):
        depths = itertools.accumulate((one == '(') - (one == ')') for one in rest)
        end = next(index for index, depth in enumerate(depths) if not depth)
        self.shape, self.operation, self.given, self.attributes = shape, operation, rest[1:end], rest[end + 1:]
        self.operands = re.findall(r'%([\w.-]+)', self.given)

    def attribute(self, name):
        return re.search(rf'{name}=%?([\w.-]+)', self.attributes)[1]

    def branches(self):
        """The computations of a conditional."""
        several = re.search(r'branch_computations=\{([^}]*)\}', self.attributes)
        return [name.strip(' %') for name in several[1].split(',')] if several else [
            self.attribute('true_computation'), self.attribute('false_computation')]


class Program:
    """A program of XLA's, in which products are counted.

    Values are integers, tuples of functions that give values, or None where they are something else. They are found
    only when something depends on them, as few things do but how often a loop runs.

    Raises:
        ValueError: if the text has another form.
    """

    def __init__(self, text):
        self.computations, self.roots, self.entry = {}, {}, None
        for line in text.splitlines():
            if found := COMPUTATION.match(line):
                is_entry, current = found.groups()
                self.computations[current] = {}
                self.entry = current if is_entry else self.entry
            elif found := INSTRUCTION.match(line):
                is_root, name, *parts = found.groups()
                self.computations[current][name] = Instruction(*parts)
                if is_root:
                    self.roots[current] = name
            elif re.match(r'\s+(ROOT )?%', line):
                raise ValueError(f'A line of the program has an unknown form: {line}')

    def total(self):
        """The operations of the products of the whole program."""
        return self.operations(self.entry, [lambda: None] * len(self.computations[self.entry]))

    def values(self, computation, arguments):
        """The values in a computation: a function of an instruction's name, which keeps what it has found."""
        instructions = self.computations[computation]

        @functools.cache
        def value(name):
            one = instructions[name]
            operands = [functools.partial(value, operand) for operand in one.operands]
            if one.operation == 'parameter':
                return arguments[int(one.given)]()
            if one.operation == 'constant':
                return {'true': 1, 'false': 0}.get(one.given) if one.shape == 'pred[]' else (
                    int(one.given) if re.fullmatch(r'-?\d+', one.given) and one.shape[0] in 'su' else None)
            if one.operation == 'tuple':
                return tuple(operands)
            if one.operation == 'get-tuple-element':
                whole = operands[0]()
                return whole and whole[int(one.attribute('index'))]()
            if one.operation == 'call':
                return self.result(one.attribute('to_apply'), operands)
            if one.operation == 'while':
                return self.run(one, operands[0])[1]
            if one.operation == 'compare' or one.operation in ARITHMETIC:
                function = ARITHMETIC.get(one.operation) or COMPARISONS[one.attribute('direction')]
                found = [operand() for operand in operands]
                return int(function(*found)) if all(isinstance(number, int) for number in found) else None
            return None

        return value

    def result(self, computation, arguments):
        """What a computation gives."""
        return self.values(computation, arguments)(self.roots[computation])

    def run(self, loop, start):
        """How often a loop runs, None where that depends on something else than integers; and what it ends with."""
        state, count = start(), 0
        while goes_on := self.result(loop.attribute('condition'), [lambda state=state: state]):
            state = self.result(loop.attribute('body'), [lambda state=state: state])
            count += 1
        return (None, None) if goes_on is None else (count, state)

    def operations(self, computation, arguments):
        """The operations of the products in a computation that its result depends on."""
        instructions, value = self.computations[computation], self.values(computation, arguments)
        seen, waiting, total = set(), [self.roots[computation]], 0
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            one = instructions[name]
            waiting += one.operands
            operands = [functools.partial(value, operand) for operand in one.operands]
            if one.operation in ('dot', 'convolution'):
                shapes = one.shape, *(instructions[operand].shape for operand in one.operands)
                total += (of_dot if one.operation == 'dot' else of_convolution)(*map(sizes, shapes), one.attributes)
            elif one.operation == 'call':
                total += self.operations(one.attribute('to_apply'), operands)
            elif one.operation == 'conditional':
                total += max(self.operations(branch, [operand])
                             for branch, operand in zip(one.branches(), operands[1:]))
            elif one.operation == 'while':
                part = self.operations(one.attribute('body'), operands)
                count = self.run(one, operands[0])[0] if part else 0
                if count is None:
                    raise ValueError(f'How often the loop {name} runs, which has products, depends on data.')
                total += count * part
        return total


def sizes(shape):
    """`f32[64,128]{1,0}` -> `[64, 128]`."""
    return [int(size) for size in re.search(r'\[([\d,]*)\]', shape)[1].split(',') if size]


def of_dot(result, left, right, attributes):
    """Two for each number of the result and each that is summed over."""
    summed = re.search(r'lhs_contracting_dims=\{([\d,]*)\}', attributes)[1]
    return 2 * math.prod(result) * math.prod(left[int(axis)] for axis in summed.split(',') if axis)


def of_convolution(result, images, weights, attributes):
    """Two for each product of a weight and a value; of values that padding or dilation only makes up, none."""
    inputs, kernel, output = re.search(r'dim_labels=(\w+)_(\w+)->(\w+)', attributes).groups()
    window = dict(re.findall(r'(\w+)=([\dx_-]+)', (re.search(r'window=\{([^}]*)\}', attributes) or ['', ''])[1]))
    total = 2 * result[output.index('b')] * result[output.index('f')] * weights[kernel.index('i')]
    for axis in range(len(output) - 2):
        def setting(name, default, axis=axis):
            return window[name].split('x')[axis] if name in window else default

        stride, dilation, spread = (int(setting(name, 1)) for name in ('stride', 'rhs_dilate', 'lhs_dilate'))
        before = int(setting('pad', '0_0').split('_')[0])
        places = (place * stride + part * dilation - before for place, part in itertools.product(
            range(result[output.index(str(axis))]), range(weights[kernel.index(str(axis))])))
        last = (images[inputs.index(str(axis))] - 1) * spread
        total *= sum(0 <= place <= last and place % spread == 0 for place in places)
    return total


def products(function, *args):
    """The operations of a function's products, and whether some of these are in bfloat16.

    Args:
        function: of tensors; it may change variables.
        *args: the `tf.TensorSpec` of each.

    Raises:
        ValueError: if how often a loop runs depends on data.
    """
    text = tf.function(function, jit_compile=True, autograph=False).experimental_get_compiler_ir(*args)(stage='hlo')
    in_bfloat16 = re.search(r' (?:dot|convolution)\(bf16\[', text) is not None
    return Program(text).total(), in_bfloat16
