"""Tests of the host platform."""
