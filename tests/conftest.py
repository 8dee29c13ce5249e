"""What every test needs: the fakes by name, and property tests that do not fail because a machine is slow."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `from tests.fakes import ...`

settings.register_profile("wmenv", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("wmenv")
