"""Many events at once: a few programs serve all counts, and memory does not grow with how many there are."""

import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.systems import WITHOUT_CONDITION, every_system, make, some_events
from tests.test_fit import run
from tfdgm.conditions import Label
from tfdgm.execution import pieces

# They share what is tested here.
some_systems = every_system('made_masks', 'wavenet', 'maf')


@pytest.fixture
def eight_at_once(monkeypatch):
    monkeypatch.setattr(tfdgm.GenerativeModel, 'sampling_batch', 8)
    for system in tfdgm.DensityModel, tfdgm.FFJORD, tfdgm.CausalTransformer, tfdgm.MADE:
        monkeypatch.setattr(system, 'scoring_batch', 8)


@every_system('made_masks', 'wavenet', 'maf', 'rbm', also=WITHOUT_CONDITION)
def test_the_first_samples_of_a_seed_do_not_depend_on_how_many_are_drawn(system, eight_at_once):
    conditional = system not in WITHOUT_CONDITION
    model = make(system, **{'condition': Label(3)} if conditional else {'burn_in': 3})
    dist = model.distribution(1 if conditional else None)
    samples = dist.sample(21, seed=3).numpy()
    # FFJORD's solver chooses its steps for all of a batch.
    equal = {'atol': 1e-2 if system == 'ffjord' else 1e-5}
    for count in 0, 1, 3, 8, 9, 16:
        np.testing.assert_allclose(dist.sample(count, seed=3), samples[:count], **equal)
    in_graph = tf.function(lambda count: dist.sample(count, seed=3), input_signature=[tf.TensorSpec((), tf.int32)])
    for count in 1, 9, 21:
        np.testing.assert_allclose(in_graph(count), samples[:count], **equal)
    static = tf.function(lambda: dist.sample(11, seed=3))
    np.testing.assert_allclose(static(), samples[:11], **equal)
    assert len(np.unique(samples, axis=0)) > 8 or model.support.is_discrete, 'pieces have seeds of their own'


@pytest.mark.xla
@pytest.mark.parametrize('system', ['made_masks', *(
    pytest.param(system, marks=pytest.mark.slow) for system in ('nade', 'maf'))])
def test_that_holds_under_xla(system, eight_at_once):
    dist = make(system).distribution()
    samples = dist.sample(19, seed=3).numpy()
    for count in 3, 12:
        np.testing.assert_allclose(dist.sample(count, seed=3), samples[:count], atol=1e-5)
    in_graph = tf.function(lambda: dist.sample(11, seed=3), jit_compile=True)
    np.testing.assert_allclose(in_graph(), samples[:11], atol=1e-5)


def test_each_event_keeps_its_condition(eight_at_once):
    model = tfdgm.FVSBN(1, condition=Label(2))
    model.condition_bias.kernel.assign([[[-99.]], [[99.]]])
    labels = np.random.default_rng(0).integers(2, size=21)
    np.testing.assert_array_equal(model.distribution(labels).sample(seed=0)[:, 0], labels)
    np.testing.assert_array_equal(model.distribution(labels).sample(3, seed=0)[..., 0], np.stack([labels] * 3))
    in_graph = tf.function(lambda labels: model.distribution(labels).sample(2, seed=0),
                           input_signature=[tf.TensorSpec([None], tf.int32)])
    np.testing.assert_array_equal(in_graph(labels.astype('int32'))[..., 0], np.stack([labels] * 2))
    known = np.arange(21)[:, None] % 2
    completed = model.distribution(labels).sample(seed=0, observed=known, mask=np.ones([21, 1]))
    np.testing.assert_array_equal(completed, known)


def test_samples_and_their_densities_are_those_of_sample(eight_at_once):
    model = make('maf')
    dist = model.distribution()
    x, log_prob = dist.experimental_sample_and_log_prob(19, seed=4)
    np.testing.assert_allclose(x, dist.sample(19, seed=4), atol=1e-5)
    np.testing.assert_allclose(log_prob, dist.log_prob(x), atol=1e-4)


def test_sampling_all_counts_makes_a_few_functions():
    model = tfdgm.FVSBN(4)
    for count in range(1, 70):
        assert model.distribution().sample(count, seed=0).shape == (count, 4)
    functions = model.__dict__['_compiled_methods']
    assert len(functions) <= 8 and sum(one.experimental_get_tracing_count() for one in functions.values()) <= 8


@some_systems
def test_events_are_scored_alike_in_pieces_and_at_once(system, eight_at_once):
    model = make(system, condition=Label(3))
    x = some_events(model, 21)
    labels = np.arange(21) % 3
    dist = model.distribution(labels)
    with tf.GradientTape() as tape:
        at_once = dist.log_prob(x)
    assert any(gradient is not None for gradient in tape.gradient(at_once, model.trainable_weights))
    tolerance = 1e-2 if system == 'ffjord' else 1e-4
    np.testing.assert_allclose(dist.log_prob(x), at_once, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('sites, size', [(1, 2**14), (64, 2**13), (784, 512), (3072, 128), (16_000, 64)])
def test_pieces_are_smaller_where_events_are_larger(sites, size):
    assert pieces.size_of(sites) == size


@pytest.mark.slow
def test_scoring_ten_thousand_images_takes_little_memory():
    """The images that took 10 GB at once."""
    run("""
        import pathlib, re, numpy as np, zoo
        model = zoo.load('gated_pixelcnn_binarized_mnist')
        images = (np.random.default_rng(0).random((10_000, 28, 28, 1)) < 0.2).astype('float32')
        assert model.distribution().log_prob(images).shape == (10_000,)
        peak = int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]) / 2**20
        assert peak < 2, f'{peak:.2f} GiB'
    """)


