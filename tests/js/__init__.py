"""Tests of the browser client: Node runs *.test.js, pytest the elements in Chromium."""
