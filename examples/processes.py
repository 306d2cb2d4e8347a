"""Scores digits in two processes. TensorFlow does not survive a fork, so they start anew.

A child that was forked from a process in which TensorFlow has run waits for ever at its first computation.
"""

import concurrent.futures
import multiprocessing


def score(images):
    import zoo  # In the child: here its own TensorFlow starts.

    return zoo.load('nade_digits').predict(images, verbose=0)


if __name__ == '__main__':  # The children import this file, and must not start children themselves.
    import numpy as np

    import tfdgm

    images = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold'))
    processes = multiprocessing.get_context('spawn')  # Or 'forkserver'; 'fork' is what hangs.
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=processes) as pool:
        scores = np.concatenate(list(pool.map(score, np.split(images, 2))))
    print(f'{len(scores)} digits, {scores.mean():.2f} nats on average')
