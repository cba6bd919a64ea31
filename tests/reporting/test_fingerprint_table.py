"""What a data set is like, for the terminal."""

from usframe.reporting.text import columns, fingerprint_lines


def test_the_table_has_a_line_per_quantity():
    summary = {
        "slices": {"min": 4, "median": 5.0, "max": 120, "n": 3},
        "spacing_d_mm": {"min": 0.123456, "median": 1.5, "max": 12345.6, "n": 3},
        "volume_1 ml": {"min": 0.5, "median": 0.75, "max": 1.0, "n": 2},
    }
    assert columns(fingerprint_lines(summary), left={0}).splitlines() == [
        "over cases       min  median    max  n",
        "slices             4       5    120  3",
        "spacing d mm  0.1235     1.5  12346  3",
        "object 1 ml      0.5    0.75      1  2",
    ]
