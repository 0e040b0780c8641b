"""Our program, whose time of day is a minute ahead from the moment on that there is the file that ``AHEAD`` names."""

import os
import time
from pathlib import Path
from unittest.mock import patch

from calling_card.cli import main

MINUTE = 61
"""Seconds; at their end a minute has passed for a server that counts whole ones."""

if __name__ == "__main__":
    ahead, now = Path(os.environ["AHEAD"]), time.time
    with patch.object(time, "time", lambda: now() + MINUTE * ahead.exists()):
        main()
