"""Sessions for programs elsewhere: viewers that speak one of two protocols are front ends of usframe."""
