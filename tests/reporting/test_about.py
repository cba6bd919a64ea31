"""How a page tells its run."""

from usframe.reporting.page.about import cited, facts

RUN = {
    **{"command": "usframe run", "date": "2026-11-27T08:05:01+00:00", "backbone": "medsam2", "mode": "slice"},
    **{"checkpoint": "/somewhere/medsam2.pt", "checkpoint_sha256": "abcdef0123456789ff", "frames": "largest"},
    **{"device": "cuda", "device_name": "a card", "precision": "bf16", "processes": 1, "shards": 0, "seed": 3},
    **{"seconds": 184.2, "seconds_per_stage": {"read": 0.01, "encode": 61.0}, "slices_per_second": 12.345},
    **{"box_margin": 0, "noise": {"box": 0.0, "mask": 2}, "postprocess": [], "components": None},
    **{"peak_memory": {"host_mb": 12345}, "versions": {"usframe": "0.1.0", "torch": "2.9"}, "platform": "Linux"},
}


def test_a_run_is_told_in_words():
    told = facts(RUN)
    assert told["Date"] == "2026-11-27 08:05:01 UTC"
    assert told["Time"] == "3 min 4 s (encode 1 min 1 s); 12.3 slices a second"
    assert told["Network"] == "medsam2, weights medsam2.pt, SHA-256 abcdef0123456789ff"
    assert told["Computed on"] == "cuda (a card), bf16, 1 process"
    assert told["Memory"] == "at most 12,345 MiB"
    assert told["Noise"] == "mask 2"
    assert told["Software"] == "usframe 0.1.0, torch 2.9, Linux"


def test_what_is_off_or_of_another_mode_is_not_told():
    assert not {"After the network", "Components", "Prompted slices", "Command"} & set(facts(RUN))
    assert facts(RUN | {"mode": "propagate"})["Prompted slices"] == "largest"
    assert facts({"mode": "propagate", "patience": 0, "noise": {"box": 0.1, "mask": 0}}) == {
        "Mode": "propagate",
        "Noise": "box 0.1",
    }
    assert facts({"mode": "propagate", "patients_left": 2}) == {"Mode": "propagate", "Patients left": "2"}


def test_two_modes_are_named_and_a_share_says_of_what():
    assert facts(RUN | {"mode": "both"})["Mode"] == "slice and propagate"
    assert (
        "prompts box, modes slice and propagate, seed 3." in cited(RUN | {"mode": "both"}, "Compared", ["box"])[0]
    )
    assert facts(RUN | {"loader_share": 0.034})["Waited for data"] == "3% of the time"


def test_a_seed_of_zero_is_told():
    assert facts(RUN | {"seed": 0})["Seed"] == "0"


def test_a_sentence_for_a_paper_and_the_papers_of_the_network():
    sentence, *papers = cited(RUN, "Compared", ["box", "mask"])
    assert sentence == (
        "Compared with usframe 0.1.0, network medsam2 (SHA-256 of its weights abcdef0123456789…), "
        "prompts box, mask, mode slice, seed 3."
    )
    assert [paper.split(",")[0] for paper in papers] == ["Ma et al.", "Ravi et al."]
    assert cited({"seed": 1}, "Scored", []) == ["Scored with usframe, seed 1."]
