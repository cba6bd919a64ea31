"""Sessions for programs elsewhere: viewers that speak the nnInteractive protocol are front ends of usframe."""
