"""What it takes to score a large data set by Apache Beam on this machine, beside one process without it, as a table.

    python benchmarks/beam.py [--count 1000000] [--workers 1,2] [--shards 32] [--model made_digits] [--folder FOLDER]

The events are drawn from the model and written as Parquet shards, and as one array for `tfdgm score` without a runner,
which holds all of it in memory. Each command scores a tenth of the events first, and then all: the difference tells how
many it scores in a second, without its start, and how its memory grows. That is the peak of the resident sets of all
its processes together, in which what they share counts several times.
"""

import argparse
import contextlib
import glob
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet

ROOT = pathlib.Path(__file__).parents[1]
INTERVAL = 0.2  # Seconds between looks at the memory.


def make(folder, count, shards, name):
    """Draws events and writes them: as Parquet shards with their ids, and as one array."""
    import zoo

    model = zoo.load(name)
    array = np.lib.format.open_memmap(folder / 'data.npy', 'w+', 'float32', (count, *model.event_shape))
    for shard, places in enumerate(np.array_split(np.arange(count), shards)):
        events = model.distribution().sample(len(places), seed=shard).numpy()
        array[places[0]:places[-1] + 1] = events
        flat = pa.ListArray.from_arrays(np.arange(0, events.size + 1, model.num_sites, 'int32'), events.ravel())
        pyarrow.parquet.write_table(pa.table({'id': places, 'event': flat}), folder / f'data-{shard:05}.parquet',
                                    row_group_size=10_000)
    array.flush()


def run(command):
    """Runs a command; its seconds, and the most memory that its processes have together, in MiB."""
    begin, peak = time.perf_counter(), 0
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, 'PYTHONPATH': os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])})
    parent = psutil.Process(running.pid)
    while running.poll() is None:
        total = 0
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        peak = max(peak, total / 2**20)
        time.sleep(INTERVAL)
    if running.returncode:
        raise SystemExit(f'{" ".join(command)} failed.')
    return time.perf_counter() - begin, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=1_000_000)
    parser.add_argument('--workers', default='1,2')
    parser.add_argument('--shards', type=int, default=32)
    parser.add_argument('--model', default='made_digits')
    parser.add_argument('--folder', type=pathlib.Path)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = arguments.folder or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tenth, whole = root / 'tenth', root / 'whole'
        for folder, count in (tenth, arguments.count // 10), (whole, arguments.count):
            folder.mkdir(parents=True)
            make(folder, count, arguments.shards, arguments.model)
        score = [sys.executable, '-m', 'zoo', 'score', arguments.model]
        commands = {'tfdgm score': lambda folder: [
            *score, str(folder / 'data.npy'), '-o', str(folder / 'plain.csv')]}
        for workers in map(int, arguments.workers.split(',')):
            title = f'Beam, {workers} process{"es" if workers > 1 else ""}'
            commands[title] = lambda folder, workers=workers: [
                *score, str(folder / 'data-*.parquet'), '-o', str(folder / f'beam-{workers}'), '--runner',
                'DirectRunner', '--', f'--direct_num_workers={workers}']
        print(f'{arguments.count:,} events of {arguments.model}, {os.cpu_count()} cores\n')
        print('| | a tenth, s | all, s | events/s between | a tenth, MiB | all, MiB |')
        print('|---|---|---|---|---|---|')
        for title, command in commands.items():
            (begin, few), (seconds, peak) = run(command(tenth)), run(command(whole))
            print(f'| {title} | {begin:.1f} | {seconds:.1f} | {0.9 * arguments.count / (seconds - begin):,.0f} | '
                  f'{few:,.0f} | {peak:,.0f} |', flush=True)
        plain = pd.read_csv(whole / 'plain.csv')['log_prob'].to_numpy()
        for workers in arguments.workers.split(','):
            scored = pd.concat(map(pd.read_parquet, glob.glob(str(whole / f'beam-{workers}-*-of-*.parquet'))))
            found = scored.sort_values('id')['log_prob'].to_numpy()
            print(f'\nBeam, {workers}: {len(found):,} scores, at most {np.abs(found - plain).max():.1e} nats from '
                  'those without it')


if __name__ == '__main__':
    main()
