"""What densities are worth in use: `python benchmarks/applications.py --task classify|outliers|probe|augment|compress`.

- classify: the error of a `BayesClassifier` by `gated_pixelcnn_mnist_label` on MNIST's test split.
- outliers: how well each statistic of an `OutlierDetector` tells the test split of a set from other sets: AUROC.
  Thresholds and means come from the validation split. Fashion-MNIST by `gated_pixelcnn_fashion_mnist`, against MNIST;
  MNIST by `glow_mnist`, against Fashion-MNIST and grey emoji. The background model of the likelihood ratio is one that
  takes all sites to be independent, trained on the training split of the same set.
- probe: how well logistic regression reads the digits of MNIST, or the clothes of Fashion-MNIST, from features of each
  family, by 100, 1,000 and all labels of the training split; beside raw pixels and PCA. How much its weights are held
  down is chosen on the validation split. Features of binary models are means over several binarizations of an image,
  at random by its grey values; but of the autoregressive one, by one. The largest RBM is trained here, as `features.py`
  does it; others are the zoo's.
- augment: whether samples make a small classifier of MNIST better that has 10, 50 and 100 images of each label: its
  accuracy on the test split without; with samples of a VAE that learned from the same images alone; and with those of
  `gated_pixelcnn_mnist_label`, which has seen 50,000 labelled images, so it says what could be gained at best. Five
  times each.
- compress: 1,000 test images of `binarized_mnist` by `gated_pixelcnn_binarized_mnist`, beside general compressors, all
  images in one file, a bit for each pixel; of PNG, one picture that holds them all.
"""

import argparse
import bz2
import io
import lzma
import time
import zlib

import features
import keras
import numpy as np
import PIL.Image
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tfdgm
import zoo
from tfdgm.applications.features import layers_of

COUNT = 1000


def images(name, split='test', **options):
    """Arrays of a set."""
    return tfdgm.data.as_arrays(tfdgm.data.load(name, split, **options))


def classify(count):
    """The share of test images whose label a Bayes classifier gets wrong."""
    model = zoo.load('gated_pixelcnn_mnist_label')
    arguments = {'levels': 16, 'labels': True}
    x, y = images('mnist', 'train', **arguments)
    classifier = tfdgm.applications.BayesClassifier(model).fit(x, y)
    x, y = (part[:count] for part in images('mnist', **arguments))
    start = time.perf_counter()
    log_probs = classifier.predict_log_proba(x)
    wrong = np.argmax(log_probs, axis=1) != y
    print(f'{np.mean(wrong):.2%} ± {np.std(wrong) / np.sqrt(len(y)):.2%} of {len(y):,} test images wrong; '
          f'{-np.mean(log_probs[np.arange(len(y)), y]):.3f} nats of cross-entropy; '
          f'{1000 * (time.perf_counter() - start) / len(y):.0f} ms an image', flush=True)


def grey_emoji(levels=256):
    """Emoji in grey, 28x28 pixels, the bright background turned dark as MNIST's is."""
    _, grey = images('emoji_styles', 'testA', size=28, grey=True)
    return np.floor((255 - grey) * levels / 256)


def background(name, levels):
    """A model of the same images in which all sites are independent."""
    model = tfdgm.Independent((28, 28, 1), output=tfdgm.outputs.Categorical(levels))
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(images(name, 'train', levels=levels), epochs=3, batch_size=500, verbose=0)
    return model


def outliers(count):
    """How often an event of one set has a higher score than one of another."""
    for model, name, levels, others in (
            ('gated_pixelcnn_fashion_mnist', 'fashion_mnist', 16, {'mnist': images('mnist', levels=16)}),
            ('glow_mnist', 'mnist', 256, {'fashion_mnist': images('fashion_mnist'), 'emoji': grey_emoji()})):
        held_out, inside = (images(name, split, levels=levels)[:count] for split in ('validation', 'test'))
        for statistic in 'likelihood', 'typicality', 'likelihood_ratio', 'complexity':
            beside = background(name, levels) if statistic == 'likelihood_ratio' else None
            detector = tfdgm.applications.OutlierDetector(zoo.load(model), statistic, beside).fit(held_out)
            scores = detector.score_samples(inside)
            for other, outside in others.items():
                found = detector.score_samples(outside[:count])
                area = roc_auc_score(np.repeat([1, 0], [len(scores), len(found)]), np.concatenate([scores, found]))
                caught = np.mean(found < detector.offset_)
                print(f'{name} by {model}, {statistic}: AUROC against {other} {area:.4f}, {caught:.1%} of these are '
                      f'told at {np.mean(scores < detector.offset_):.1%} false alarms', flush=True)


LARGE_RBM = 'RBM of 3,000 hidden units'
MODELS = {
    'mnist': ('gated_pixelcnn_binarized_mnist', 'glow_mnist', 'vae_binarized_mnist', 'conv_vae_binarized_mnist',
              'rbm_binarized_mnist', 'dbm_binarized_mnist', LARGE_RBM, 'aae_mnist', 'wae_mnist'),
    'fashion_mnist': ('gated_pixelcnn_fashion_mnist', 'vae_fashion_mnist', LARGE_RBM)}
STRENGTHS = 0.03, 0.3, 1.
BINARIZATIONS = 8


def features_of(name, data, splits):
    """What a probe sees of grey images: pixels, their principal components, or a model's features, of each split."""
    if name in ('pixels', 'PCA'):
        return [x.reshape(len(x), -1) / 255 for x in splits]
    model = features.trained(data, 3000, 0.05, 0.05, 30) if name == LARGE_RBM else zoo.load(name)
    # Of an autoregressive model, what its last hidden layer says of a site, on average.
    layer = next((layer for layer in layers_of(model) if 'penultimate' in layer), None)
    transformer = tfdgm.applications.Features(model, layer).fit(events_of(model, splits[0][:1], 0))
    count = BINARIZATIONS if model.support.levels == 2 and layer is None else 1
    return [np.concatenate([
        np.mean([transformer.transform(events_of(model, part, seed)) for seed in range(count)], axis=0)
        for part in np.array_split(x, len(x) // 1000 + 1)]) for x in splits]


def events_of(model, x, seed):
    """Grey images as a model's events: with fewer levels, or, of two, each 1 as often as its grey value says."""
    if model.support.levels == 2:
        return (np.random.default_rng(seed).random(x.shape) < x / 255).astype('float32')
    return np.floor(x * model.support.levels / 256)


def probe(count):
    """Accuracies of logistic regression on features."""
    for data, models in MODELS.items():
        splits = [[part[:count] for part in images(data, split, labels=True)]
                  for split in ('train', 'validation', 'test')]
        labels = [y for _, y in splits]
        order = np.random.default_rng(0).permutation(len(labels[0]))
        for name in 'pixels', 'PCA', *models:
            train, validation, test = features_of(name, data, [x for x, _ in splits])
            for labelled in 100, 1000, len(order):
                chosen = order[:labelled]
                steps = [PCA(min(50, labelled), random_state=0)] if name == 'PCA' else []
                # Probabilities and grey values are of one scale already.
                steps += [StandardScaler()] if train.min() < 0 or train.max() > 1 else []
                readers = [make_pipeline(*steps, LogisticRegression(C=strength, max_iter=100)).fit(
                    train[chosen], labels[0][chosen]) for strength in STRENGTHS]
                reader = max(readers, key=lambda reader: reader.score(validation, labels[1]))
                print(f'{data}, {name}, {labelled:,} labels: {reader.score(test, labels[2]):.2%}', flush=True)


def small_classifier():
    """A convolutional network for 28x28 pixels of 16 levels."""
    model = tfdgm.Classifier((28, 28, 1), levels=16, condition=tfdgm.conditions.Label(10), filters=8)
    model.compile(keras.optimizers.Adam(2e-3))
    return model


def small_generator(few):
    """A conditional VAE of images, trained on few of them."""
    model = tfdgm.VAE((28, 28, 1), num_latents=16, hidden_units=(256,), output=tfdgm.outputs.Categorical(16),
                      condition=tfdgm.conditions.Label(10))
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(few.shuffle(10_000, seed=0).repeat().batch(50), steps_per_epoch=600, verbose=0)
    return model


def augment(count):
    """Accuracies with samples beside the data and without."""
    x, y = images('mnist', 'train', levels=16, labels=True)
    test, truth = images('mnist', levels=16, labels=True)
    large = zoo.load('gated_pixelcnn_mnist_label')
    for each in 10, 50, 100:
        scores = []
        for seed in range(5):
            keras.utils.set_random_seed(seed)
            order = np.random.default_rng(seed).permutation(len(x))
            chosen = np.concatenate([order[y[order] == label][:each] for label in range(10)])
            few = tf.data.Dataset.from_tensor_slices((x[chosen], y[chosen]))
            scores.append([])
            for generator in None, small_generator(few), large:
                examples = few if generator is None else tfdgm.applications.augment(few, generator, 5, seed=seed)
                keras.utils.set_random_seed(seed)
                reader = small_classifier()
                reader.fit(examples.shuffle(10_000, seed=seed).repeat().batch(50), steps_per_epoch=30 * each, verbose=0)
                scores[-1].append(np.mean(reader.classify(test).numpy() == truth))
        plain, own, best = np.mean(scores, axis=0)
        print(f'{each} images of each label: {plain:.2%}', flush=True)
        for name, mean, column in ('a VAE of the same images', own, 1), ('gated_pixelcnn_mnist_label', best, 2):
            gains = np.subtract(scores, np.array(scores)[:, :1])[:, column]
            print(f'  with four times as many samples of {name}: {mean:.2%}, {gains.mean():+.2%} ± '
                  f'{gains.std(ddof=1) / np.sqrt(len(gains)):.2%}', flush=True)


def compress(count):
    """How many bytes images take."""
    model = zoo.load('gated_pixelcnn_binarized_mnist')
    x = images('binarized_mnist')[:count]
    start = time.perf_counter()
    packed = tfdgm.applications.compress(model, x)
    seconds = time.perf_counter() - start
    assert np.array_equal(tfdgm.applications.decompress(model, packed), x)
    bits = -np.sum(model.predict(x, verbose=0)) / np.log(2)
    raw = np.packbits(x.astype('uint8')).tobytes()
    file = io.BytesIO()
    picture = x.reshape(-1, 28, 28)
    PIL.Image.fromarray(np.uint8(255 * np.concatenate(picture))).convert('1').save(file, 'PNG', optimize=True)
    sizes = {'PNG': len(file.getvalue()), 'zlib': len(zlib.compress(raw, 9)), 'bz2': len(bz2.compress(raw)),
             'xz': len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))}
    print(f'{len(packed):,} bytes of {len(x):,} images, {8 * len(packed) / bits - 1:+.2%} of the {bits:,.0f} bits that '
          f'the model says; {1000 * seconds / len(x):.0f} ms an image', flush=True)
    for name, size in sizes.items():
        print(f'{name}: {size:,} bytes; the model takes {1 - len(packed) / size:.0%} less', flush=True)


def main():
    """Runs the tasks that are asked for."""
    tasks = {'classify': classify, 'outliers': outliers, 'probe': probe, 'augment': augment, 'compress': compress}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--task', choices=tasks, action='append', help='which; all by default')
    parser.add_argument('--count', type=int, help='how many images of a split; all by default, 1,000 of compress')
    arguments = parser.parse_args()
    for name in arguments.task or tasks:
        tasks[name](arguments.count or (COUNT if name == 'compress' else None))


if __name__ == '__main__':
    main()
