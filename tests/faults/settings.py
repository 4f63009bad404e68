"""The platform's settings for nodes under test: other limits, crash points, mechanisms switched off.

TEST_NOTIFICATIONS is JSON for `settings.NOTIFICATIONS`, SABOTAGE is read by `tests.faults.sabotage`.
"""

import json
import os

from config.settings import *  # noqa: F403

NOTIFICATIONS |= json.loads(os.environ.get("TEST_NOTIFICATIONS", "{}"))  # noqa: F405
INSTALLED_APPS += ["tests.faults.sabotage.Sabotage"]  # noqa: F405
