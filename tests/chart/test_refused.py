"""Values that the chart must refuse, each with words that help."""
# SPDX-License-Identifier: Apache-2.0
import pathlib

import pytest

from conftest import template

CASES = sorted((pathlib.Path(__file__).parent / "refused").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_refused(path):
    expected = path.read_text().partition("\n")[0].removeprefix("# expect: ")
    result = template("--values", path)
    assert result.returncode != 0, "it is taken"
    assert expected in result.stderr
