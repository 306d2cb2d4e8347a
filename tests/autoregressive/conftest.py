"""Which properties of the systems belong to the default suite."""

import pathlib

import pytest

HERE = pathlib.Path(__file__).parent
# What shared machinery gives to all systems alike, and takes long: one of images and one of sequences do.
SHARED = {'test_a_seed_means_the_same_samples_with_xla_and_without',
          'test_mixed_precision_trains_and_sums_in_float32', 'test_two_fits_with_one_seed_give_the_same_weights',
          'test_fit_under_xla_lowers_the_loss', 'test_completion_keeps_what_is_known_in_every_shape',
          'test_shapes_are_those_that_tfp_documents', 'test_saving_keeps_every_log_probability',
          'test_gradients_reach_every_weight', 'test_sample_frequencies_match_probabilities',
          'test_continuous_samples_follow_the_density', 'test_continuous_density_integrates_to_one',
          'test_samples_have_the_length_asked_for', 'test_equal_vectors_act_as_a_vector_for_all_steps',
          'test_the_likelihood_of_a_short_event_is_that_of_a_short_model',
          'test_an_adapted_model_is_the_transformed_distribution'}
REPRESENTATIVE = 'made', 'pixel_cnn', 'wavenet'
# It goes through all cases of every output, condition and order.
THOROUGH = 'made'


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of each test, the first case of each system is in the default suite, and the others are slow."""
    seen = set()
    for item in items:
        system = getattr(item, 'callspec', None) and item.callspec.params.get('system')
        if not system or item.path.parent != HERE:
            continue
        shared = item.originalname in SHARED
        test = item.path, item.originalname, system
        if (test in seen and (shared or system != THOROUGH)) or (shared and system not in REPRESENTATIVE):
            item.add_marker(pytest.mark.slow)
        seen.add(test)
