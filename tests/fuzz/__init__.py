"""Fuzzing of every entry that takes outside bytes."""
