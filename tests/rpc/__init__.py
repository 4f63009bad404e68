"""Tests of notifications.rpc."""
