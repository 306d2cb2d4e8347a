"""What the command `tfdgm` prints. Names, cards and messages come from files: they are shown, never obeyed."""

import contextlib
import os
import re
import sys
import tempfile
import unicodedata

from rich.console import Console
from rich.markdown import Markdown
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

# What a terminal may act on, or show as something else: control characters, what turns the direction of writing or has
# no width, halves of surrogate pairs, and separators of lines and paragraphs.
ACTING = 'Cc', 'Cf', 'Cs', 'Zl', 'Zp'

STDERR = 2  # Its file descriptor.
SILENT = '3'  # The level at which TensorFlow prints fatal errors only.
# What its libraries say when they are loaded, and Beam's processes when they start, whatever the level is.
NOTICE = re.compile(rb'WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} \d\d:\d\d:|'
                    rb'To enable the following instructions:|(INFO|WARNING):(root|__main__):|\s*$')


ROOM = 16  # How wide the columns of a table may be, but for the first, which has what they leave.


def printable(text: str) -> str:
    """A text in which each character that a terminal may act on, but for the end of a line, is written as its code.

    >>> printable('\\x1b[31mred')
    '\\\\x1b[31mred'
    """
    return ''.join(
        character.encode('unicode_escape').decode() if unicodedata.category(character) in ACTING and character != '\n'
        else character for character in text)


class Shown:
    """What rich makes of something, printable: its Markdown has characters by their numbers, too."""

    def __init__(self, renderable):
        self.renderable = renderable

    def __rich_console__(self, console, options):
        for segment in console.render(self.renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def text_of(*parts) -> Text:
    """Texts as they are, without markup, some of them pairs with a style."""
    return Text.assemble(*((printable(part), '') if isinstance(part, str) else (printable(part[0]), part[1])
                           for part in parts))


def say(*parts, error: bool = False):
    """Prints texts in one line, however long it is."""
    Console(stderr=error).print(text_of(*parts), soft_wrap=True)


def say_error(message: str):
    """Prints what is wrong, in one line."""
    say(('error:', 'red'), ' ' + ' '.join(message.split()), error=True)


def say_warning(message: str):
    """Prints what the command could do without, in one line."""
    say(('warning:', 'yellow'), ' ' + ' '.join(message.split()), error=True)


def show_table(rows: list, columns: tuple, title: str | None = None):
    """Prints rows of texts; what is too long goes on in the next line, and leaves room for the other columns."""
    table = Table(title=title and text_of(title))
    for index, name in enumerate(columns):
        table.add_column(name, overflow='fold', max_width=ROOM if index else None)
    for row in rows:
        table.add_row(*map(text_of, row))
    Console().print(table)


def show_markdown(text: str):
    """Prints Markdown; where a link leads is said, for what it is called can be anything."""
    Console().print(Shown(Markdown(text, hyperlinks=False)))


def status(text: str):
    """A context in which the terminal says that something is being done."""
    return Console().status(text_of(text))


@contextlib.contextmanager
def without_notices():
    """Keeps TensorFlow's notices off the terminal while it is imported; TF_CPP_MIN_LOG_LEVEL below 3 asks for them."""
    if os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', SILENT) != SILENT:
        yield
        return
    # Its libraries write to the file descriptor itself, before they heed the variable.
    with tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        terminal = os.dup(STDERR)
        os.dup2(caught.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(terminal, STDERR)
            os.close(terminal)
            caught.seek(0)
            os.write(STDERR, b''.join(line for line in caught if not NOTICE.match(line)))
