"""Arrays reach the host, and a machine says what it is."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from wmenv.runtime import environment_facts, to_host, to_tensor


def test_a_numpy_array_passes_through():
    array = np.arange(3)
    assert to_host(array) is array


def test_a_tensor_is_copied_once():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(3)
    host = to_host(tensor)
    tensor[0] = 9
    assert host.tolist() == [0, 1, 2]
    assert to_tensor(host, beside=tensor).device == tensor.device


def test_facts_are_plain_values_that_every_record_can_hold():
    facts = environment_facts()
    assert {"cpu", "cores", "amx", "gpu", "python", "torch", "numpy", "gymnasium", "commit"} <= facts.keys()
    assert facts["numpy"] == np.__version__
    assert json.loads(json.dumps(facts)) == facts


def test_asking_for_facts_does_not_import_torch():
    probe = (
        "import sys; from wmenv.runtime import environment_facts; environment_facts(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
