"""What operations cost: measured by running them, published, and fitted to a log."""
