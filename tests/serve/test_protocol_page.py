"""`docs/protocol.md` says what the code does: its limits, its requests and its examples."""

import json
import re
from pathlib import Path
from typing import get_args

from wmenv.serve.limits import Limits
from wmenv.worlds.remote import schema

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
SIZES = {"KiB": 2**10, "MiB": 2**20}


def test_every_limit_is_on_the_page_with_its_value():
    on_page = dict(re.findall(r"^\| `(\w+)` \| ([\d]+(?: [KM]iB)?)", PAGE, flags=re.MULTILINE))
    for name, value in Limits():
        number, _, unit = on_page.pop(name).partition(" ")
        assert int(number) * SIZES.get(unit, 1) == value, name
    assert not on_page


def test_the_requests_on_the_page_are_requests_and_all_are_there():
    found = {}
    for block in re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL):
        for text in re.findall(r'^\{"op".*?(?=^\{|\Z)', block, flags=re.DOTALL | re.MULTILINE):
            request = schema.request_of(json.loads(text))
            found[request.op] = type(request)
    assert set(found.values()) == set(get_args(schema.AnyRequest))
