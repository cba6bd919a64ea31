# Two commands for a newcomer: `make demo` and `make test`. Both install into .venv first.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := constraints.txt
export SAM2_BUILD_CUDA := 0

.PHONY: install demo test lint types tests docs wheel checkpoint clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: install
	$(BIN)/usframe demo

test: lint types tests docs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

tests: install
	$(BIN)/python -m pytest -n 2

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

wheel: install
	$(BIN)/python -m build --wheel --quiet --no-isolation

# The bundled demo checkpoint from nothing, about nine and a half hours on two cores; killed, the same command goes on.
TRAINING := checkpoints/training
TWO = OMP_NUM_THREADS=1 $(BIN)/torchrun --standalone --nproc_per_node 2 -m usframe run
checkpoint: install
	$(BIN)/usframe run $(TRAINING)/01_slices.yaml -o pretrained/slices
	$(BIN)/usframe run $(TRAINING)/02_clips.yaml -o pretrained/clips --checkpoint pretrained/slices/checkpoint_last.pt
	$(TWO) $(TRAINING)/03_detail.yaml -o pretrained/detail --checkpoint pretrained/clips/checkpoint_last.pt
	$(TWO) $(TRAINING)/04_long.yaml -o pretrained/long --checkpoint pretrained/detail/checkpoint_last.pt
	$(TWO) $(TRAINING)/05_faint.yaml -o pretrained/faint --checkpoint pretrained/long/checkpoint_last.pt
	$(TWO) $(TRAINING)/06_again.yaml -o pretrained/again --checkpoint pretrained/faint/checkpoint_last.pt
	$(TWO) $(TRAINING)/07_clutter.yaml -o pretrained/clutter --checkpoint pretrained/again/checkpoint_last.pt
	$(TWO) $(TRAINING)/08_follow.yaml -o pretrained/follow --checkpoint pretrained/clutter/checkpoint_last.pt
	$(TWO) $(TRAINING)/09_settle.yaml -o pretrained/settle --checkpoint pretrained/follow/checkpoint_last.pt
	$(BIN)/python checkpoints/local_memory.py pretrained/settle/checkpoint_last.pt pretrained/local
	$(TWO) $(TRAINING)/10_copy.yaml -o pretrained/copy --checkpoint pretrained/local/checkpoint_last.pt
	$(TWO) $(TRAINING)/11_track.yaml -o pretrained/track --checkpoint pretrained/copy/checkpoint_last.pt
	$(TWO) $(TRAINING)/12_click.yaml -o pretrained/click --checkpoint pretrained/track/checkpoint_last.pt
	$(TWO) $(TRAINING)/13_second.yaml -o pretrained/second --checkpoint pretrained/click/checkpoint_last.pt
	rm -f pretrained/demo.safetensors
	$(BIN)/usframe weights mix pretrained/track/checkpoint_last.pt pretrained/second/checkpoint_last.pt \
		pretrained/demo.safetensors --share 0.75 --half

clean:
	rm -rf .venv build dist site usframe_demo
