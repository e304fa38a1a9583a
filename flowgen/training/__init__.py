"""Training: losses, optimisers, and the loop."""
