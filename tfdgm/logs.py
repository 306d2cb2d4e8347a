"""What other libraries log."""

import contextlib
import logging


@contextlib.contextmanager
def errors_alone(name: str | None = None):
    """A block in which a logger, by default the root of all, passes on errors alone; afterwards it is as it was."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
