"""The client's version. It is released together with the app, and has the app's number."""

__version__ = "0.1.0"
