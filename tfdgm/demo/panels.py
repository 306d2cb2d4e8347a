"""The panels of the page, one for each thing that a model can be asked: each puts its components where it is called."""

import pathlib
import tempfile

import gradio as gr
import numpy as np
from PIL import Image as Photograph

from tfdgm.applications.completing import Completion
from tfdgm.autoregressive import AutoregressiveModel
from tfdgm.boltzmann import UnnormalizedModel
from tfdgm.demo import views
from tfdgm.demo.entry import Entry
from tfdgm.demo.given import Asked, Given, event_given, explained, number, whole
from tfdgm.demo.pad import on_pad, pad, shades_and_mask
from tfdgm.pretrained import GRID, cards

LEFT, RIGHT = {'scale': 2, 'min_width': 300}, {'scale': 3, 'min_width': 320}
# How many events are drawn at first, and at most.
COUNTS = {'image': (16, 100), 'sound': (2, 10), 'table': (200, 1000), 'numbers': (5, 100)}
COMPLETIONS = 8


def caption(text: str, **options) -> gr.Markdown:
    """What stands above a picture."""
    return gr.Markdown(text, elem_classes='caption', **options)


def picture(label: str, value=None, height: int | None = None, **options) -> gr.Image:
    """A picture that the page makes, below what it shows."""
    if label:
        caption(label, visible=options.get('visible', True))
    return gr.Image(value, label=label, show_label=False, format='png', interactive=False, height=height,
                    buttons=['download', 'fullscreen'], elem_classes='picture', **options)


def stored(entry: Entry) -> Photograph.Image | None:
    """The samples on a model's card, which need not be drawn."""
    path = entry.folder / GRID
    return Photograph.open(path) if path.exists() else None


def samples(entry: Entry, folder: pathlib.Path):
    """Draws events."""
    at_first, most = COUNTS[entry.kind]
    with gr.Row():
        with gr.Column(**LEFT):
            gr.Markdown(f'New {entry.noun}s that the model makes up. The same seed gives the same ones.')
            count = gr.Slider(1, most, at_first, step=1, label='How many', interactive=True)
            seed = number('Seed')
            asked, axes = Asked(entry), axes_of(entry)
            button = gr.Button('Draw', variant='primary')
        with gr.Column(**RIGHT):
            if entry.kind == 'image':
                first = None if asked.given else stored(entry)
                outputs = [caption("From the model's card, until you press Draw" if first else 'Samples'),
                           picture('', first, 480)]
            elif entry.kind == 'sound':
                outputs = [gr.Audio(label='Samples, one after the other', interactive=False),
                           picture('Their spectrograms: louder is brighter')]
            else:
                outputs = [gr.Plot(show_label=False)] if entry.model.num_sites > 1 else []
                outputs.append(gr.Dataframe(headers=entry.columns, label='Samples', interactive=False, max_height=320))

    @explained
    def show(count, seed, *values):
        across, up = values[:2] if axes else (0, 1)
        condition = asked.read(*values[len(axes):])
        seed = whole(seed, 'Seed')
        events = views.drawn(entry, whole(count, 'How many', 1), seed, condition)
        if entry.kind == 'image':
            return f'Samples of seed {seed}', views.grid(entry, events)
        if entry.kind == 'sound':
            return views.sounds(entry, events, pathlib.Path(tempfile.mkdtemp(dir=folder)))
        rows = events.reshape(len(events), -1)
        table = np.round(rows.astype('float64'), 4).tolist()
        return [views.scatter(entry, rows, across, up), table] if len(outputs) == 2 else table

    inputs = [count, seed, *axes, *asked.inputs]
    button.click(show, inputs, outputs)
    for axis in axes:
        axis.change(show, inputs, outputs)


def axes_of(entry: Entry) -> list[gr.Dropdown]:
    """Asks which two numbers of a row to plot, where there are more."""
    if entry.kind != 'table' or entry.model.num_sites < 3:
        return []
    places = list(zip(entry.columns, range(len(entry.columns))))
    return [gr.Dropdown(places, value=place, label=label, interactive=True)
            for place, label in ((0, 'Across'), (1, 'Up'))]


def completion(entry: Entry):
    """Draws what is missing of a drawing."""
    shape = entry.model.event_shape
    with gr.Row():
        with gr.Column(**LEFT):
            if shape[-1] == 1:
                gr.Markdown('Draw on the pad. The **blue** part is unknown: the model draws it, given the rest.')
                sheet = pad(*shape[:2], entry.shades, unknown=True)
                with gr.Row():
                    starts = [gr.Button('Start with half a sample', size='sm')]
                    if entry.has_data:
                        starts.append(gr.Button('Start with half a test picture', size='sm'))
            else:
                gr.Markdown('The upper half of a picture is known; the model draws the lower one, given that.')
            asked = Asked(entry)
            given = event_given(entry, asked, 'The picture') if shape[-1] == 3 else None
            button = gr.Button('Complete', variant='primary')
            steps, seed = chain_steps(entry), number('Seed')
        with gr.Column(**RIGHT):
            out, said = picture('What is known, and completions'), gr.Markdown()
    first = [sheet] if given is None else given.inputs

    @explained
    def complete(steps, seed, *values):
        own, conditions = values[:len(first)], values[len(first):]
        if given is None:
            shades, mask = shades_and_mask(own[0], shape)
            event = entry.values_of(shades)
        else:
            event, mask = given.read(*own, *conditions), views.halved(shape)
        if mask.all():
            raise ValueError('All of it is known already: leave a part of it unknown.')
        found = views.completed(entry, event, mask, COMPLETIONS, whole(seed, 'Seed'), asked.read(*conditions), steps)
        low, high = entry.span
        known = np.where(mask == 1, event, low + 0.35 * (high - low))[None]
        return (views.grid(entry, np.concatenate([known, found.events[:, 0]]), columns=3, pixels=140),
                f'Top left is what is known; the others are {COMPLETIONS} ways to go on, {drawn_by(found)}')

    button.click(complete, [steps, seed, *first, *asked.inputs], [out, said])
    if given is None:
        def half_of(event):
            low, high = entry.span
            return on_pad((event - low) / (high - low), views.halved(shape))

        starts[0].click(explained(lambda seed, *values: half_of(
            views.drawn(entry, 1, whole(seed, 'Seed'), asked.read(*values))[0])), [seed, *asked.inputs], sheet)
        if entry.has_data:
            starts[1].click(explained(lambda seed: half_of(
                entry.examples[0][whole(seed, 'Seed') % len(entry.examples[0])])), seed, sheet)


def chain_steps(entry: Entry) -> gr.Slider:
    """Asks how far chains go, where completions come from those."""
    is_chain = not isinstance(entry.model, AutoregressiveModel | UnnormalizedModel)
    return gr.Slider(20, 1000, views.chain_steps_of(entry.model), step=10, visible=is_chain, interactive=True,
                     label='Steps of the chain', info='More take longer and come nearer.')


def rows_completed(entry: Entry):
    """Draws what is missing in a row of a table."""
    gr.Markdown('Clear the cells of the row that are not known: the model draws them, given the rest.')
    asked = Asked(entry)
    row = gr.Dataframe(half_known(entry), headers=entry.columns, row_count=1, interactive=True, type='array',
                       datatype='str', label='A row', column_count=len(entry.columns))
    with gr.Row():
        seed, steps = number('Seed'), chain_steps(entry)
    button = gr.Button('Complete', variant='primary')
    out, said = gr.Dataframe(headers=entry.columns, label='Completions', interactive=False), gr.Markdown()

    @explained
    def complete(row, steps, seed, *values):
        try:
            cells = [float(cell) if str(cell or '').strip() else np.nan for cell in row[0]]
        except ValueError as error:
            raise ValueError('A cell of the row is neither a number nor empty.') from error
        mask = ~np.isnan(cells)
        event = np.where(mask, cells, 0.).reshape(entry.model.event_shape)
        found = views.completed(entry, event, mask.astype('float32').reshape(event.shape), COMPLETIONS,
                                whole(seed, 'Seed'), asked.read(*values), steps)
        return np.round(found.events[:, 0].astype('float64'), 4).tolist(), f'The rows are {drawn_by(found)}'

    button.click(complete, [row, steps, seed, *asked.inputs], [out, said])


def drawn_by(found: Completion) -> str:
    """How completions were drawn, and whether to rely on them."""
    exactly = 'exactly' if found.is_exact else 'approximately'
    doubt = f" Don't rely on them: {found.doubt}." if found.doubt else ''
    return f'drawn {exactly} by {found.method}.{doubt}'


def half_known(entry: Entry) -> list:
    """A row, of the data if they are here, of which the first half is known."""
    row = entry.examples[0][0] if entry.has_data else np.zeros(entry.model.num_sites)
    known = (len(row) + 1) // 2
    return [[f'{value:.4g}' for value in row[:known]] + [''] * (len(row) - known)]


def likelihood(entry: Entry, tab: gr.Tab):
    """Scores an event, site by site where that is known."""
    with gr.Row():
        with gr.Column(**LEFT):
            what = ''
            if entry.scores_sites:
                what = f' It judges each {entry.site} **given those before it**; bright is what it did not expect.'
            gr.Markdown(f'How likely is a {entry.noun} under the model?{what}')
            asked = Asked(entry)
            given = event_given(entry, asked, f'The {entry.noun}')
            button = gr.Button('Score', variant='primary')
        with gr.Column(**RIGHT):
            said = gr.Markdown()
            if entry.scores_sites:
                shown = gr.Plot(show_label=False, elem_classes='picture')
            else:
                shown = picture('', height=320, visible=entry.kind == 'image')

    @explained
    def score(*values):
        own, conditions = values[:len(given.inputs)], values[len(given.inputs):]
        event = given.read(*own, *conditions)
        found = views.scored(entry, event, asked.read(*conditions))
        figures = entry.in_words({'nll': -found.nats, 'bits_per_dim': found.bits_per_dim})
        words = f'### {figures}\n\n{entry.meaning}'
        if entry.scores_sites:
            return words, views.surprise(entry, event, found.sites)
        return words, views.grid(entry, event[None], pixels=320) if entry.kind == 'image' else None

    inputs, outputs = [*given.inputs, *asked.inputs], [said, shown]
    button.click(score, inputs, outputs)
    tab.select(score, inputs, outputs)


def latent_space(entry: Entry, tab: gr.Tab):
    """Moves through latents: from one draw to another, and among three."""
    in_plane = views.can_be_placed(entry) and entry.model.num_latents == 2
    asked = Asked(entry)
    if views.can_be_placed(entry):
        low, high, names = (-3, 3, ('First latent', 'Second latent')) if in_plane else (
            0, 1, ('From the first draw to the second', 'From the first draw to the third'))
        with gr.Row():
            with gr.Column(**LEFT):
                gr.Markdown('The model has two latents: move them.' if in_plane else
                            f'Three draws span a plane among the {entry.model.num_latents:,} latents: move in it.')
                right, down = (gr.Slider(low, high, 0, step=(high - low) / 60, label=name, interactive=True)
                               for name in names)
                seed = number('Seed of the draws', visible=not in_plane)
            with gr.Column(**RIGHT):
                here = picture(f'The {entry.noun} there', height=320)
                if in_plane and entry.model.condition is None:
                    plane = picture('All of the plane')

        @explained
        def move(right, down, seed, *values):
            event = views.place(entry, whole(seed, 'Seed of the draws'), right, down, asked.read(*values))
            return views.grid(entry, event[None], pixels=320)

        where = [right, down, seed, *asked.inputs]
        for slider in right, down, seed:
            slider.change(move, where, here, show_progress='hidden', trigger_mode='always_last')
        tab.select(move, where, here)
        if in_plane and entry.model.condition is None:
            tab.select(explained(lambda: views.grid(entry, cards.plane(entry.model), cards.SIDE, 40)), None, plane)
    gr.Markdown('From one draw to another in equal steps:')
    with gr.Row():
        seeds = [number('Seed of the first'), number('Seed of the last')]
        seeds[1].value = 1
    ways = picture('The way')

    @explained
    def go(first, last, *values):
        ends = whole(first, 'Seed of the first'), whole(last, 'Seed of the last')
        events = views.way(entry, ends, asked.read(*values))
        return views.grid(entry, events, columns=views.WAY, pixels=112)

    ends = [*seeds, *asked.inputs]
    for component in ends:
        component.change(go, ends, ways)
    tab.select(go, ends, ways)


def translation(entry: Entry):
    """Makes one kind of picture of another."""
    with gr.Row():
        with gr.Column(**LEFT):
            gr.Markdown('The model knows two kinds of pictures, A and B, and no pairs of them.')
            direction = gr.Radio([('from A to B', 'AB'), ('from B to A', 'BA')], value='AB', label='Direction',
                                 interactive=True)
            given = Given(
                entry, entry.model.event_shape, (lambda index: np.stack(
                    [part[index % len(part)] for part in entry.examples])) if entry.has_data else None,
                None, entry.values_of, entry.shades, 'The picture')
            button = gr.Button('Translate', variant='primary')
        with gr.Column(**RIGHT):
            out = picture('The picture, its translation, and that translated back')

    @explained
    def translate(direction, *values):
        event = given.read(*values)
        event = event['AB'.index(direction[0])] if event.ndim == 4 else event  # An example of each kind.
        return views.grid(entry, views.there_and_back(entry, event, direction), columns=3, pixels=200)

    button.click(translate, [direction, *given.inputs], out)


def labels(entry: Entry):
    """Tells the label of a picture."""
    with gr.Row():
        with gr.Column(**LEFT):
            gr.Markdown('What does the model take it for?')
            given = event_given(entry, None, 'The picture')
            button = gr.Button('Tell', variant='primary')
        with gr.Column(**RIGHT):
            shown, out = picture('The picture', height=240), gr.Label(label='Probability', num_top_classes=5)

    @explained
    def tell(*values):
        event = given.read(*values)
        return views.grid(entry, event[None], pixels=240), views.probabilities(entry, event)

    button.click(tell, given.inputs, [shown, out])
