"""Starts the command `tfdgm`; `python -m zoo` is the same.

It starts here, since whoever imports `tfdgm` gets all of it, with TensorFlow, as saved models need. The command needs
neither for its help, its lists and most of its errors.
"""

import importlib.util
import sys


def main():
    """Runs the command."""
    if 'tfdgm' not in sys.modules:
        # A package that has not run yet: single modules can be imported from it, and `tfdgm.command_line.cli` runs it
        # when it must.
        sys.modules['tfdgm'] = importlib.util.module_from_spec(importlib.util.find_spec('tfdgm'))
    from tfdgm.command_line import cli

    cli.main()


if __name__ == '__main__':
    main()
