"""Tests of notifications.client."""
