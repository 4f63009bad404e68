"""Submissions that staff review."""
