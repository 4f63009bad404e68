"""What people do in their browsers: a real Chromium against a node that really runs."""
