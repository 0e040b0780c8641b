"""Our program with another time of day: the number in the file named by ``AHEAD`` says by how many seconds it is ahead, at any moment."""

import os
import time
from pathlib import Path
from unittest.mock import patch

from calling_card.cli import main

if __name__ == "__main__":
    ahead, now = Path(os.environ["AHEAD"]), time.time
    with patch.object(time, "time", lambda: now() + int(ahead.read_text(encoding="ascii"))):
        main()
