"""Builds the C core through cffi; everything else is in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["pyemu/_build_core.py:ffibuilder"])
