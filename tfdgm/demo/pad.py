"""A pad to draw on with as many cells as an image has pixels, some of which may be left for a model to fill in."""

import pathlib

import gradio as gr
import numpy as np

SCRIPT = (pathlib.Path(__file__).parent / 'pad.js').read_text()
UNKNOWN = -1.
STYLE = """
.sheet { max-width: 320px; margin: 0 auto; }
canvas { width: 100%; display: block; touch-action: none; cursor: crosshair; image-rendering: pixelated;
         border-radius: 8px; border: 1px solid var(--border-color-primary); }
.tools { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px; }
button { flex: 1 1 auto; padding: 6px 10px; border-radius: 6px; font-size: 13px; cursor: pointer;
         border: 1px solid var(--border-color-primary); background: var(--background-fill-primary);
         color: var(--body-text-color); }
button[aria-pressed=true] { background: var(--color-accent); border-color: var(--color-accent); color: white; }
button:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
"""
TOOL = '<button type="button" data-tool="{0}" aria-pressed="{2}">{1}</button>'
ACTION = '<button type="button" data-action="{0}">{1}</button>'


def pad(rows: int, columns: int, shades: int, unknown: bool = False, **options) -> gr.HTML:
    """A pad of `rows` times `columns` cells.

    Its value is a list of a number for each cell, row by row: a shade from 0, paper, to 1, ink; or -1, not known.

    Args:
        rows: how many.
        columns: how many.
        shades: how many shades a cell can have, at least 2.
        unknown: whether cells can be unknown; the lower half is, at first.
        **options: of `gradio.HTML`.
    """
    start = np.zeros([rows, columns])
    tools, actions = [('ink', 'Ink', 'true'), ('paper', 'Paper', 'false')], [('clear', 'Clear')]
    if unknown:
        start[rows // 2:] = UNKNOWN
        tools.append(('unknown', 'Unknown', 'false'))
        actions.append(('forget', 'All unknown'))
    buttons = ''.join(TOOL.format(*tool) for tool in tools), ''.join(ACTION.format(*each) for each in actions)
    start = start.ravel().tolist()
    return gr.HTML(
        start, html_template='<div class="sheet"><canvas role="img" aria-label="pad to draw on"></canvas>'
                             + ''.join(f'<div class="tools">{row}</div>' for row in buttons) + '</div>',
        css_template=STYLE, js_on_load=SCRIPT, rows=rows, columns=columns, start=start, shades=shades, **options)


def shades_and_mask(value: list, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """What is on a pad: shades from 0 to 1, 0 where unknown, and a mask that is 1 where they are known.

    Raises:
        ValueError: if it is not what a pad of that many cells holds.

    >>> shades_and_mask([0, 1, -1, 0.5], (2, 2, 1))[1].ravel()
    array([1., 1., 0., 1.], dtype=float32)
    """
    cells = np.asarray(value, 'float32')
    valid = (cells == UNKNOWN) | ((cells >= 0) & (cells <= 1))
    if cells.size != np.prod(shape) or not valid.all():
        raise ValueError(f'A drawing for {shape} has as many numbers, each from 0 to 1 or -1.')
    cells = cells.reshape(shape)
    return np.maximum(cells, 0), (cells != UNKNOWN).astype('float32')


def on_pad(shades: np.ndarray, mask: np.ndarray) -> list:
    """The value of a pad that shows shades where a mask is 1."""
    return np.where(mask == 1, np.clip(shades, 0, 1), UNKNOWN).ravel().tolist()
