"""Networks from events to vectors and back, which several families choose by the shape of the events."""
