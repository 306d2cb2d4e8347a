"""The page, and the server that shows it on this machine."""

import functools
import html
import os
import pathlib
import tempfile
import threading
from collections.abc import Callable

import gradio as gr

from tfdgm import config_file
from tfdgm.demo import panels
from tfdgm.demo.entry import Entry
from tfdgm.pretrained.families import FAMILIES, family_of

TITLE = 'tfdgm: models to try'
# How many models stay in memory.
KEPT = 3
ALL = 'all families'
STYLE = """
.gradio-container { max-width: 1080px !important; width: 100% !important; margin: 0 auto !important; }
.head h1 { font-size: 1.6rem; font-weight: 650; margin: .4rem 0 .2rem; }
.head p, .entry p { color: var(--body-text-color-subdued); margin: 0; max-width: 46rem; }
.entry dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: .6rem 1.2rem;
            margin: .8rem 0 0; }
.entry dt { font-size: .75rem; color: var(--body-text-color-subdued); }
.entry dd { margin: 0; font-size: .9rem; overflow-wrap: anywhere; }
.entry summary { cursor: pointer; margin-top: .8rem; font-size: .85rem; color: var(--body-text-color-subdued); }
.entry li { font-size: .85rem; color: var(--body-text-color-subdued); margin-left: 1.2rem; list-style: disc; }
.picture img { image-rendering: pixelated; object-fit: contain; }
.caption { font-size: .85rem; color: var(--body-text-color-subdued); }
@media (max-width: 640px) { .entry dl { grid-template-columns: 1fr 1fr; } }
@media (max-width: 640px) { button[role=tab] { padding: 0 8px !important; } }
.fault { color: var(--error-text-color); }
"""


def build(names: list[str], folder_of: Callable[[str], pathlib.Path], first: str, folder: pathlib.Path) -> gr.Blocks:
    """Makes the page.

    Args:
        names: of the models to choose from.
        folder_of: from a name to the folder of that model.
        first: the model that is shown when the page opens.
        folder: where to write sounds.
    """
    @functools.lru_cache(maxsize=KEPT)
    def entry_of(name):
        return Entry(name, folder_of(name))

    families = {name: family_of(config_file.read_config(folder_of(name))) for name in names}

    def choices(family):
        return [name for name in names if family in (ALL, families[name])]

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML('<div class="head"><h1>Deep generative models to try</h1><p>Pick a model: it draws, completes what you '
                'draw, says how likely something is, or lets you move through its latent space, as far as it can. All '
                'of it runs on this machine.</p></div>')
        with gr.Row():
            family = gr.Dropdown([('All families', ALL), *((title, key) for key, title in FAMILIES.items()
                                                          if key in families.values())],
                                 value=ALL, label='Family', filterable=False, min_width=260)
            name = gr.Dropdown(names, value=first, label='Model', min_width=260)
        family.change(lambda family, name: gr.update(
            choices=choices(family), value=name if name in choices(family) else choices(family)[0]),
            [family, name], name, show_progress='hidden')

        @gr.render(inputs=name)
        def show(name):
            try:
                entry = entry_of(name)
            except (ValueError, RuntimeError, OSError) as error:
                gr.HTML(f'<p class="fault">{html.escape(str(error))}</p>')
            else:
                show_entry(entry, folder)
    return page


def show_entry(entry: Entry, folder: pathlib.Path):
    """Puts a model's facts and panels on the page."""
    gr.HTML(described(entry))
    shown = [(title, panel) for can, title, panel in (
        (entry.draws, 'Samples', lambda tab: panels.samples(entry, folder)),
        (entry.completes, 'Complete', lambda tab: (
            panels.completion if entry.kind == 'image' else panels.rows_completed)(entry)),
        (entry.scores, 'Likelihood', lambda tab: panels.likelihood(entry, tab)),
        (entry.walks, 'Latent space', lambda tab: panels.latent_space(entry, tab)),
        (entry.translates, 'Translate', lambda tab: panels.translation(entry)),
        (entry.classifies, 'Labels', lambda tab: panels.labels(entry))) if can]
    # Named after the model: Gradio would look for the tab that was open before, and show none.
    with gr.Tabs(selected=f'{entry.name}: {shown[0][0]}' if shown else None):
        for title, panel in shown:
            with gr.Tab(title, id=f'{entry.name}: {title}') as tab:
                panel(tab)


def described(entry: Entry) -> str:
    """What a model is, as HTML. Names come from files: they are shown, never obeyed."""
    facts = ''.join(f'<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>'
                    for name, value in entry.facts.items())
    cannot = ''.join(f'<li>{html.escape(sentence)}</li>' for sentence in entry.cannot)
    more = f'<details><summary>What it cannot do</summary><ul>{cannot}</ul></details>' if cannot else ''
    return f'<div class="entry"><p>{html.escape(entry.about)}</p><dl>{facts}</dl>{more}</div>'


def theme() -> gr.themes.Base:
    """Colours and letters; the letters are those of the machine, so that none come from another host."""
    return gr.themes.Soft(primary_hue='indigo', neutral_hue='slate', font=['system-ui', 'sans-serif'],
                          font_mono=['ui-monospace', 'monospace']).set(
        block_title_background_fill='none', block_title_background_fill_dark='none', block_title_padding='0',
        block_title_text_color='*body_text_color', block_title_text_color_dark='*body_text_color',
        block_title_text_weight='500')


def launched(page: gr.Blocks, host: str, port: int) -> str:
    """Starts to serve a page, and returns its address; no other host hears of it.

    Raises:
        OSError: if the port is taken.
    """
    # Gradio asks its own server whether it is there, which is none of a proxy's business.
    os.environ['no_proxy'] = ','.join(filter(None, [os.environ.get('no_proxy') or os.environ.get('NO_PROXY'), host]))
    return page.launch(server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
                       ssr_mode=False, pwa=False, enable_monitoring=False, footer_links=[], theme=theme(),
                       css=STYLE)[1]


def serve(names: list[str], folder_of: Callable[[str], pathlib.Path], first: str, host: str, port: int,
          started: Callable[[str], None]):
    """Shows the page until Ctrl-C.

    Args:
        names: see `build`.
        folder_of: see `build`.
        first: see `build`.
        host: the address to listen at.
        port: the port.
        started: is called with the page's address once it can be opened.

    Raises:
        OSError: if the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix='tfdgm-demo-') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder  # All that the page makes goes with it.
        page = build(names, folder_of, first, pathlib.Path(folder))
        try:
            started(launched(page, host, port))
            threading.Event().wait()
        finally:
            page.close(verbose=False)
