"""What densities are worth in use: `python benchmarks/applications.py --task classify|outliers|compress`.

- classify: the error of a `BayesClassifier` by `gated_pixelcnn_mnist_label` on MNIST's test split.
- outliers: how well each statistic of an `OutlierDetector` tells the test split of a set from other sets: AUROC.
  Thresholds and means come from the validation split. Fashion-MNIST by `gated_pixelcnn_fashion_mnist`, against MNIST;
  MNIST by `glow_mnist`, against Fashion-MNIST and grey emoji. The background model of the likelihood ratio is one that
  takes all sites to be independent, trained on the training split of the same set.
- compress: 1,000 test images of `binarized_mnist` by `gated_pixelcnn_binarized_mnist`, beside general compressors, all
  images in one file, a bit for each pixel; of PNG, one picture that holds them all.
"""

import argparse
import bz2
import io
import lzma
import time
import zlib

import keras
import numpy as np
import PIL.Image
from sklearn.metrics import roc_auc_score

import tfdgm
import zoo

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
    tasks = {'classify': classify, 'outliers': outliers, 'compress': compress}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--task', choices=tasks, action='append', help='which; all by default')
    parser.add_argument('--count', type=int, help='how many images of a split; all by default, 1,000 of compress')
    arguments = parser.parse_args()
    for name in arguments.task or tasks:
        tasks[name](arguments.count or (COUNT if name == 'compress' else None))


if __name__ == '__main__':
    main()
