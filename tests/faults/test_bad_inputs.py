"""Eleven of the bad inputs of `bad_inputs.py`, each among two good cases and all of them in one folder."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "bad_inputs.py"
CHOSEN = (
    *("gz_checksum", "nii_narrower", "nrrd_data_system", "nrrd_data_list", "mha_axes", "npz_bit", "png_checksum"),
    *("labels_mirrored", "pipe", "name_newline", "prompts_box_nan"),
)


@pytest.mark.skipif(sys.platform == "win32", reason="children are forked")
def test_a_bad_input_costs_its_case_one_line_and_nothing_else(tmp_path):
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), *CHOSEN], capture_output=True, text=True, check=False
    )
    assert f"bad inputs: {len(CHOSEN)} of {len(CHOSEN)} as wanted" in ended.stdout, ended.stdout + ended.stderr
    assert "10 of them at once among 7 good cases: as wanted" in ended.stdout, ended.stdout
    assert ended.returncode == 0
