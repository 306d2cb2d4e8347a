"""A Sphinx extension: a page for each entry of the zoo, made of its card, and one that shows them all.

The pages are written into `docs/gallery` when a build begins. Sounds are copied beside them when it ends.
"""

import html
import os
import pathlib
import shutil

import zoo
from tfdgm import config_file
from tfdgm.pretrained.families import FAMILIES, family_of

GALLERY = pathlib.Path(__file__).parent / 'gallery'
PICTURES = 'samples.png', 'a_to_b.png', 'reconstructions.png'
INTRODUCTION = """# Gallery

All entries of the zoo. A picture shows samples; behind it is the entry's card, with its figures, how it was trained,
and more to see: interpolations, reconstructions, completions, translations, sounds.
"""


def figure_of(name: str) -> str:
    """What an entry reaches on its test split, in a few words."""
    config = config_file.read_config(zoo.folder(name))
    results = config.get('results', {}).get('test', {})
    if 'nll' in results:
        return f'{results["nll"]:,.2f} nats'
    if 'accuracy' in results:
        return f'{results["accuracy"]:.2%} of labels'
    if 'samples' in config:
        return f'Fréchet distance {config["samples"]["frechet_distance"]:,.3g}'
    return ''


def pictures_of(name: str) -> list:
    """The names of an entry's pictures, the one to show first in front."""
    found = sorted(path.name for path in zoo.folder(name).glob('*.png'))
    return sorted(found, key=lambda picture: picture not in PICTURES)


def from_gallery(name: str, file: str) -> str:
    """The path of an entry's file, seen from the pages."""
    return pathlib.Path(os.path.relpath(zoo.folder(name) / file, GALLERY)).as_posix()


def page_of(name: str) -> str:
    """An entry's page: its card, with the files where they are, and players of its sounds."""
    text = zoo.card(name).replace('](config.json)', f'](path:{from_gallery(name, "config.json")})')
    for picture in pictures_of(name):
        text = text.replace(f']({picture})', f']({from_gallery(name, picture)})')
    for sound in sorted(zoo.folder(name).glob('*.wav')):
        before, _, after = text.partition(f'[{sound.name}]({sound.name})')
        paragraph, _, rest = after.partition('\n\n')
        label = html.escape(f'{sound.stem} of {name}')
        text = (f'{before}{sound.name}{paragraph}\n\n```{{raw}} html\n<audio controls preload="none" '
                f'aria-label="{label}" src="../_sounds/{name}_{sound.name}"></audio>\n```\n\n{rest}')
    return text


def card_of(name: str) -> str:
    """An entry in the overview."""
    pictures = pictures_of(name)
    shown = [f':img-top: {from_gallery(name, pictures[0])}', f':img-alt: samples of {name}'] if pictures else []
    return '\n'.join([f':::{{grid-item-card}} {name}', f':link: {name}', ':link-type: doc', *shown, '',
                      figure_of(name), ':::'])


def overview(names: list[str]) -> str:
    """The page with all entries, by their families."""
    parts = [INTRODUCTION]
    for family, title in FAMILIES.items():
        cards = '\n\n'.join(card_of(name) for name in names
                            if family_of(config_file.read_config(zoo.folder(name))) == family)
        parts.append(f'## {title}\n\n::::{{grid}} 2 3 3 3\n:gutter: 2\n\n{cards}\n\n::::\n')
    listed = '\n'.join(names)
    return '\n'.join([*parts, f'```{{toctree}}\n:hidden:\n\n{listed}\n```\n'])


def write_if_changed(path: pathlib.Path, text: str):
    """Writes a page, unless it is so already: Sphinx reads anew what is younger than its build."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def write_pages(app):
    """Writes all pages, and removes those of entries that are no more."""
    GALLERY.mkdir(exist_ok=True)
    pages = {'index': overview(zoo.names()), **{name: page_of(name) for name in zoo.names()}}
    for path in GALLERY.glob('*.md'):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        write_if_changed(GALLERY / f'{name}.md', text)


def copy_sounds(app, error):
    """Copies the sounds that the pages play."""
    if error is None and app.builder.format == 'html':
        sounds = pathlib.Path(app.outdir) / '_sounds'
        sounds.mkdir(exist_ok=True)
        for name in zoo.names():
            for sound in zoo.folder(name).glob('*.wav'):
                shutil.copy(sound, sounds / f'{name}_{sound.name}')


def setup(app):
    app.connect('builder-inited', write_pages)
    app.connect('build-finished', copy_sounds)
    return {'parallel_read_safe': True}
