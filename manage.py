#!/usr/bin/env python
"""Django's command line for the platform and its notifications."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Commands talk to people.
    os.environ.setdefault("LOG_FORMAT", "line")
    from django.core.management import execute_from_command_line

    from config.embedded import VAR_DIR, fill_in_beside_run

    fill_in_beside_run(os.environ, VAR_DIR)
    execute_from_command_line(sys.argv)
