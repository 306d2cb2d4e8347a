"""The command that opens the page of `tfdgm.demo` in the browser.

What needs no TensorFlow does not import it, as in `cli`.
"""

import contextlib
import errno
import importlib
import os
import signal
import socket
import webbrowser
from typing import Annotated

import typer

import zoo
from tfdgm import config_file
from tfdgm.command_line import terminal
from tfdgm.command_line.arguments import folder_of, start_tensorflow

FIRST = 'nade_binarized_mnist'
HOST, PORT = '127.0.0.1', 7860


def demo(
    model: Annotated[str, typer.Argument(
        help='Which model to show first: a name from `tfdgm list`, a folder, or hf://user/model.')] = FIRST,
    port: Annotated[int, typer.Option(min=1, max=65535, help='The port to listen on.')] = PORT,
    host: Annotated[str, typer.Option(
        help='The address to listen at; by default this machine alone can open the page.')] = HOST,
    open_: Annotated[bool, typer.Option('--open/--no-open', help='Whether to open the browser.')] = True,
):
    """Try models in the browser: draw, complete a drawing, see what is likely, move through latent spaces.

    Example: `tfdgm demo vae_fashion_mnist`

    Nothing leaves this machine. Ctrl-C ends it.
    """
    require_gradio()
    folder = folder_of(model)
    config_file.read_config(folder)
    require_port(host, port)
    names = zoo.names()
    if model not in names:
        names = [model, *names]
    with terminal.status('Starting'):
        start_tensorflow()
        from tfdgm.demo import page

    def started(address):
        terminal.say(f'{address} shows the page; Ctrl-C ends it')
        if open_:
            webbrowser.open(address)

    try:
        with ended_by(signal.SIGTERM):
            page.serve(names, lambda name: folder if name == model else zoo.folder(name), model, host, port, started)
    except KeyboardInterrupt:
        terminal.say('\nEnded.')


def require_gradio():
    """Raises unless Gradio is installed; it is told to count and report nothing.

    Raises:
        RuntimeError: if it is not.
    """
    os.environ |= {'GRADIO_ANALYTICS_ENABLED': 'False', 'HF_HUB_DISABLE_TELEMETRY': '1'}
    try:
        importlib.import_module('gradio')
    except ImportError as error:
        raise RuntimeError("The demo needs the package gradio: pip install 'tfdgm[demo]'.") from error


@contextlib.contextmanager
def ended_by(number: signal.Signals):
    """A context in which a signal does what Ctrl-C does, so that nothing temporary stays."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def require_port(host: str, port: int):
    """Raises, before anything else is done, if a port is taken.

    Raises:
        OSError: if it is, or there is no such address here.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            raise OSError(f'{host} is not one of the IPv4 addresses of this machine ({error.strerror}). Choose one by '
                          '--host, or leave that out: then this machine alone can open the page.') from error
        raise OSError(f'The port {port} of {host} cannot be had ({error.strerror}): another program may listen there, '
                      'perhaps another demo. Choose one by --port.') from error


COMMANDS = (demo,)
