"""Scoring by Apache Beam: what `tfdgm score --runner` does.

What needs no TensorFlow does not import it, as in `cli`.
"""

import typer

from tfdgm import config_file, logs
from tfdgm.command_line import terminal
from tfdgm.command_line.arguments import folder_of, label_of, start_tensorflow


def score(name: str, pattern: str, output: str | None, label: str | None, runner: str, options: list):
    """Scores the events in files into other files, by one of Beam's runners.

    Raises:
        typer.BadParameter: if there is no output, or what should be options are none.
        RuntimeError: if the pipeline fails.
    """
    if output is None:
        raise typer.BadParameter('--runner writes files: say what their names begin with, by -o.')
    if options and not options[0].startswith('-'):
        raise typer.BadParameter(f'Unexpected {options[0]}; put a pattern of several files in quotes.')
    config_file.read_config(folder_of(name))
    start_tensorflow()
    from tfdgm import pretrained

    # Beam says much of what it lacks for other machines, and of what it does.
    with logs.errors_alone():
        try:
            from tfdgm.beam import scoring
        except ImportError as error:
            raise RuntimeError(str(error)) from error
    model = pretrained.fresh(folder_of(name))
    # Without a label, each record has its own condition.
    condition = None if label is None else label_of(label, model.condition)
    with logs.errors_alone(), terminal.without_notices(), terminal.status(f'Scoring {pattern}'):
        try:
            scored = scoring.score(name, pattern, output, runner, options, condition)
        except RuntimeError as error:
            # Beam gives the trace of the process that failed, whose last line says why.
            why = str(error).strip().splitlines()[-1]
            if 'Channel closed' in why:
                why = ('one of its processes was killed, perhaps for want of memory: --direct_num_workers=1, after --, '
                       'takes less.')
            raise RuntimeError(f'The pipeline failed: {why}') from error
    refused = f', and {scored.refused:,} refused: the files …-refused-* beside them say why' if scored.refused else ''
    count = '' if scored.used is None else f'{scored.used:,} '
    terminal.say(f'{count}log-probabilities in {scored.files}{refused}')
