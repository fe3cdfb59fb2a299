"""Packaging by pbr; everything it needs stands in setup.cfg."""

import setuptools

setuptools.setup(setup_requires=['pbr>=6.0.0'], pbr=True)
