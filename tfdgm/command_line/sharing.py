"""Commands by which a model leaves: as a SavedModel, and to the Hugging Face hub.

What needs no TensorFlow does not import it, as in `cli`.
"""

import pathlib
from typing import Annotated

import typer

from tfdgm import config_file, hub
from tfdgm.command_line import terminal
from tfdgm.command_line.arguments import Name, folder_of, start_tensorflow


def export(
    name: Name,
    output: Annotated[pathlib.Path, typer.Option(
        '--output', '-o', help='The folder to write, new or empty; TensorFlow Serving wants a number for its name.')],
    xla: Annotated[bool | None, typer.Option(
        '--xla/--no-xla', help='Whether XLA compiles samples and log-probabilities; by default where it is faster. '
        'Choose --no-xla for a server without XLA.', show_default=False)] = None,
):
    """Write a SavedModel, which TensorFlow Serving and the C API run without Python.

    Example: `tfdgm export nade_digits -o models/nade_digits/1`
    """
    folder = folder_of(name)
    config_file.read_config(folder)
    start_tensorflow()
    from tfdgm import pretrained

    model = pretrained.load(folder)
    with terminal.status(f'Exporting {type(model).__name__}'):
        signatures = model.export(output, verbose=False, jit_compile='auto' if xla is None else xla)
    terminal.say(f'{output} has the signatures {", ".join(signatures)}')


def push(
    folder: Annotated[pathlib.Path, typer.Argument(help='A folder that `tfdgm train` wrote.')],
    repository: Annotated[str, typer.Argument(help='Where to, as user/model; it is made if it is not there.')],
    private: Annotated[bool, typer.Option('--private', help='Let only those see it whom you choose.')] = False,
    message: Annotated[str | None, typer.Option('--message', '-m', help='What is new, for the history.')] = None,
):
    """Share a model: check its folder and upload it to the Hugging Face hub, where `hf://user/model` is its name.

    Example: `tfdgm push my_nade user/my_nade`
    """
    address = hub.destination(repository)
    config_file.read_config(folder / config_file.CONFIG)
    start_tensorflow()
    from tfdgm.pretrained import sharing

    page = sharing.push(folder, repository, private=private, message=message)
    terminal.say(f'{folder} is at {page}; its name is {address}')


COMMANDS = export, push
