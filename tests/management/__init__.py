"""Tests of the `manage.py` commands."""
