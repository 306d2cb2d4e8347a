"""Held-out log-likelihood of RNADE on four tables, beside a normal distribution and a mixture of them.

    python benchmarks/tables.py FOLDER [--folds 10]

FOLDER holds the UCI repository's files winequality-red.csv, winequality-white.csv, ionosphere.csv and housing.csv,
with or without names in the first line. They are prepared as in arXiv:1306.0186: attributes with discrete values are
left out (here, fewer than 50 distinct ones), and one of each pair with a correlation above 0.98; each tenth of the
rows is held out in turn, and the rest gives the mean and the standard deviation by which all are standardised, so that
figures are nats of standardised values. A tenth of the rest is for validation: it ends RNADE's training, chooses the
number of the mixture's components, and in the first fold RNADE's weight decay for the table. About an hour.
"""

import argparse
import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import numpy as np
import scipy.stats
from rich.console import Console
from rich.table import Table
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold, train_test_split

import tfdgm

# Their columns of numbers, without the class, and the published figures: a normal distribution, RNADE.
TABLES = {
    'red wine': ('winequality-red.csv', range(11), -13.18, -9.36),
    'white wine': ('winequality-white.csv', range(11), -13.20, -10.23),
    'ionosphere': ('ionosphere.csv', range(34), -41.24, -2.50),
    'Boston housing': ('housing.csv', range(14), -11.37, -0.64),
}


def prepared(path, columns):
    """The rows of a table, `[rows, attributes]`, with the attributes that a density suits."""
    x = tfdgm.tables.read(path, list(columns)).astype('float64')
    x = x[:, [len(np.unique(column)) >= 50 for column in x.T]]
    kept = []
    for column in range(x.shape[1]):
        if all(abs(np.corrcoef(x[:, column], x[:, other])[0, 1]) <= 0.98 for other in kept):
            kept.append(column)
    return x[:, kept]


def normal(train, validation, test):
    """A normal distribution with every covariance."""
    everything = np.concatenate([train, validation])
    return scipy.stats.multivariate_normal(everything.mean(0), np.cov(everything.T)).logpdf(test)


def mixture(train, validation, test):
    """A mixture of normal distributions, of as many as the validation prefers."""
    models = [GaussianMixture(count, reg_covar=1e-3, n_init=2, random_state=0).fit(train)
              for count in (1, 2, 4, 8, 16, 32)]
    return max(models, key=lambda model: model.score(validation)).score_samples(test)


def trained_rnade(train, validation, weight_decay):
    """RNADE, ended by the validation."""
    keras.utils.set_random_seed(0)
    model = tfdgm.NADE(train.shape[1], output=tfdgm.outputs.MixtureOfGaussians(10), hidden_units=100, activation='relu')
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=weight_decay))
    model.fit(train, validation_data=(validation,), epochs=800, batch_size=50, verbose=0, callbacks=[
        keras.callbacks.EarlyStopping(patience=80, restore_best_weights=True)])
    return model


def chosen_weight_decay(train, validation):
    """That which the validation prefers."""
    def score(weight_decay):
        return np.mean(trained_rnade(train, validation, weight_decay).predict(validation, verbose=0))

    return max((0.3, 1., 3.), key=score)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('--folds', type=int, default=10, choices=range(2, 11), metavar='2…10', help='how many to do')
    parser.add_argument('--table', choices=TABLES, help='only one of them')
    arguments = parser.parse_args()

    table = Table('table', 'rows', 'attributes', 'normal', 'mixture', 'RNADE', 'published: normal', 'RNADE',
                  title='held-out log-likelihood, nats: mean over the rows, and standard error over the folds')
    for name in [arguments.table] if arguments.table else TABLES:
        file, columns, *published = TABLES[name]
        x = prepared(arguments.folder / file, columns)
        scores, weight_decay = [], None
        for fold, (rest, held_out) in enumerate(KFold(10, shuffle=True, random_state=0).split(x)):
            if fold == arguments.folds:
                break
            z = ((x - x[rest].mean(0)) / x[rest].std(0)).astype('float32')
            train, validation = train_test_split(z[rest], test_size=0.1, random_state=0)
            weight_decay = weight_decay or chosen_weight_decay(train, validation)
            rnade = trained_rnade(train, validation, weight_decay)
            scores.append([np.mean(log_probs) for log_probs in (
                normal(train, validation, z[held_out]), mixture(train, validation, z[held_out]),
                rnade.predict(z[held_out], verbose=0))])
        errors = np.std(scores, axis=0, ddof=1) / np.sqrt(len(scores))
        table.add_row(name, f'{len(x):,}', str(x.shape[1]), *(
            f'{score:.2f} ± {error:.2f}' for score, error in zip(np.mean(scores, axis=0), errors)),
            *(f'{figure:.2f}' for figure in published))
    Console(width=130).print(table)


if __name__ == '__main__':
    main()
