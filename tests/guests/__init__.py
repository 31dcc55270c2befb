"""Real guests: images, devices, and an unmodified Linux."""
