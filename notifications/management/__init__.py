"""What operators type: `manage.py` commands."""
