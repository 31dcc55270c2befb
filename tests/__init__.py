"""All tests; a package, so that differential tests reach the reference model."""
