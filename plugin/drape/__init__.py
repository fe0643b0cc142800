"""Drape: nobody exposed in multi-camera operating-room video."""

__version__ = "0.1.0"
