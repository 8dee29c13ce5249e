"""How good the learned world is: beside the truth, running free, and under direction. A table, then one JSON line.

`python benchmarks/quality.py [--quick] [--weights FILE] [--passes K] [--data DIR]`; held-out episodes are made when
they are not there. Intervals are 95 % bootstrap over episodes and dreams; of what is handled beside the truth, over
moments.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from wmenv.runtime import environment_facts
from wmenv.train.quality.report import measure, table

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path("data/heldout"))
    options = parser.parse_args()
    figures = measure(options.weights, options.data, options.passes, quick=options.quick)
    print(table(figures))
    print(json.dumps({"benchmark": "quality", **figures, **environment_facts()}))
