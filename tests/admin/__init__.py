"""Tests of `notifications.admin`."""
