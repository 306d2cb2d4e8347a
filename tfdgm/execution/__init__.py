"""How models are run: many events in pieces, empty batches, gradients and numbers that are not finite."""
