"""The set of skipped tests is empty, and stays so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.mark.parametrize(
    "module",
    [
        "import pytest\ndef test_a(): pytest.skip('not here')\n",
        "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n",
        "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False\n",
        "import pytest\npytest.skip('not here', allow_module_level=True)\n",
    ],
    ids=["call", "mark", "expected failure", "module"],
)
def test_a_skipped_test_fails_the_suite(tmp_path: Path, module: str) -> None:
    shutil.copy(_CONFTEST, tmp_path / "conftest.py")
    (tmp_path / "test_it.py").write_text(module + "def test_b(): pass\n")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode != 0
    assert "no test may be" in ended.stdout
