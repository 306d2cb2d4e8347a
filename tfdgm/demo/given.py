"""What a panel asks for: an event or a picture from somewhere, and what the model's events depend on."""

import functools
from collections.abc import Callable

import gradio as gr
import numpy as np
from PIL import Image as Photograph

from tfdgm import checks
from tfdgm.conditions import Image, Label, Labels
from tfdgm.demo import views
from tfdgm.demo.entry import Entry, values_of_condition
from tfdgm.demo.pad import pad, shades_and_mask

DRAW, EXAMPLE, DRAWING, FILE = 'a sample of the model', 'test data', 'my own drawing', 'my own picture'


def explained(function: Callable) -> Callable:
    """What the library says of bad input, as a message on the page."""
    @functools.wraps(function)
    def answer(*values):
        try:
            return function(*values)
        except (ValueError, RuntimeError, OSError, MemoryError) as error:
            raise gr.Error(str(error) or type(error).__name__, print_exception=False, title='') from error
    return answer


class Given:
    """Asks for one array: a draw, an example of the data, a drawing or a picture from a file.

    Args:
        entry: the model that it is for.
        shape: of the array.
        example: what the example of a number is; None where there are no data.
        draw: what the draw of a seed is, given the values of `asked`; None where there is none.
        values_of: from shades, 0 to 1, to values.
        shades: how many shades a drawing has.
        label: what stands above.

    Attributes:
        inputs: the components, whose values `read` takes first.
    """

    def __init__(self, entry: Entry, shape: tuple, example: Callable | None, draw: Callable | None,
                 values_of: Callable, shades: int, label: str):
        self.shape, self.example, self.draw, self.values_of = shape, example, draw, values_of
        is_image = len(shape) == 3
        sources = [*([DRAW] if draw else []), *([EXAMPLE] if example else []),
                   *([DRAWING] if is_image and shape[-1] == 1 else []),
                   *([FILE] if is_image and shape[-1] == 3 else [])]
        self.source = gr.Radio(sources, value=sources[0], label=label, visible=len(sources) > 1, interactive=True)
        self.number = number('Which one', visible=sources[0] in (DRAW, EXAMPLE))
        rows, columns = shape[:2] if is_image else (1, 1)
        self.pad = pad(rows, columns, shades, visible=sources[0] == DRAWING)
        self.file = gr.Image(type='pil', image_mode='RGB', sources=['upload', 'clipboard'], height=260,
                             label='A picture; the square in its middle is taken', visible=sources[0] == FILE,
                             interactive=True)
        self.inputs = [self.source, self.number, self.pad, self.file]
        self.source.change(lambda source: [gr.update(visible=source in (DRAW, EXAMPLE)),
                                           gr.update(visible=source == DRAWING), gr.update(visible=source == FILE)],
                           self.source, self.inputs[1:], show_progress='hidden')

    def read(self, source: str, number: int, cells: list, photograph, *asked) -> np.ndarray:
        """The array that was asked for.

        Raises:
            ValueError: if there is none.
        """
        if source == DRAW:
            return self.draw(whole(number, 'Which one'), *asked)
        if source == EXAMPLE:
            return self.example(whole(number, 'Which one'))
        if source == DRAWING:
            return self.values_of(shades_and_mask(cells, self.shape)[0])
        if photograph is None:
            raise ValueError('Choose a picture first.')
        return self.values_of(shades_of(photograph, self.shape))


def shades_of(photograph: Photograph.Image, shape: tuple) -> np.ndarray:
    """The square in the middle of a picture as shades from 0 to 1, of a shape `[height, width, 3]`."""
    side = min(photograph.size)
    left, top = ((length - side) // 2 for length in photograph.size)
    square = photograph.crop((left, top, left + side, top + side)).resize(shape[1::-1], Photograph.Resampling.BOX)
    return np.asarray(square, 'float32') / 255


class Asked:
    """Asks for what the events of a model depend on.

    Attributes:
        inputs: the components; none of a model whose events depend on nothing.
    """

    def __init__(self, entry: Entry):
        condition = self.condition = entry.model.condition
        self.given, self.inputs = None, []
        if isinstance(condition, Label | Labels):
            counts = [condition.num_classes] if isinstance(condition, Label) else condition.num_classes
            names = entry.config.get('record', {}).get('classes')
            for place, count in enumerate(counts):
                choices = [(str(names[index]) if names and len(counts) == 1 else str(index), index)
                           for index in range(count)]
                self.inputs.append(gr.Dropdown(choices, value=min(3, count - 1), filterable=False, interactive=True,
                                               label='Label' if len(counts) == 1 else f'Label {place + 1}'))
        elif isinstance(condition, Image):
            self.given = Given(
                entry, condition.shape, (lambda index: entry.examples[1][index % len(entry.examples[1])])
                if entry.has_data else None, None, functools.partial(values_of_condition, condition),
                condition.levels or 256, 'What it is given')
            self.inputs = self.given.inputs
        elif condition is not None:
            self.inputs = [gr.Textbox(', '.join(['0'] * condition.size), label=f'Given: {condition.describe()}',
                                      info='with commas between them', interactive=True)]

    def read(self, *values) -> np.ndarray | None:
        """The condition that was asked for."""
        if self.condition is None:
            return None
        if self.given is not None:
            return self.given.read(*values)
        if isinstance(self.condition, Label | Labels):
            return np.reshape(np.array(values, 'int32'), self.condition.shape)
        try:
            return np.array([float(part) for part in values[0].split(',')], 'float32')
        except ValueError as error:
            raise ValueError(f'Write {self.condition.describe()}, with commas between them.') from error


def event_given(entry: Entry, asked: Asked | None, label: str) -> Given:
    """Asks for an event of a model; what its draws depend on follows the values of the event's own components."""
    def draw(seed, *values):
        return views.drawn(entry, 1, seed, asked.read(*values))[0]

    example = (lambda index: entry.examples[0][index % len(entry.examples[0])]) if entry.has_data else None
    return Given(entry, entry.model.event_shape, example, draw if asked else None, entry.values_of,
                 entry.shades, label)


def number(label: str, **options) -> gr.Number:
    """A field for an integer from 0, a seed or the place of an example, which `whole` reads.

    It has no bounds of its own: what Gradio refuses, it also prints in the terminal.
    """
    return gr.Number(0, label=label, step=1, interactive=True, **options)


def whole(value: float | None, label: str, least: int = 0) -> int:
    """The integer in a field.

    Raises:
        ValueError: if there is none, or it is too small.

    >>> whole(3., 'Seed')
    3
    """
    if value is None:
        raise ValueError(f'{label} is empty: write an integer of at least {least}.')
    return checks.integer(int(value) if isinstance(value, float) and value.is_integer() else value, label, least)
