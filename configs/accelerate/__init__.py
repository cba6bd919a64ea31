"""Files for `accelerate launch --config_file`."""
