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
	$(BIN)/mkdocs build --strict --quiet

wheel: install
	$(BIN)/python -m build --wheel --quiet --no-isolation

# The bundled demo checkpoint from nothing, about eight and a half hours on two cores; killed, the same command goes on.
TWO = OMP_NUM_THREADS=1 $(BIN)/torchrun --standalone --nproc_per_node 2 -m usframe run
checkpoint: install
	$(BIN)/usframe run pretrain_demo -o pretrained/slices
	$(BIN)/usframe run pretrain_demo_memory -o pretrained/clips --checkpoint pretrained/slices/checkpoint_last.pt
	$(TWO) pretrain_demo_detail -o pretrained/detail --checkpoint pretrained/clips/checkpoint_last.pt
	$(TWO) pretrain_demo_long -o pretrained/long --checkpoint pretrained/detail/checkpoint_last.pt
	$(TWO) pretrain_demo_faint -o pretrained/faint --checkpoint pretrained/long/checkpoint_last.pt
	$(TWO) pretrain_demo_again -o pretrained/again --checkpoint pretrained/faint/checkpoint_last.pt
	$(TWO) pretrain_demo_clutter -o pretrained/clutter --checkpoint pretrained/again/checkpoint_last.pt
	$(TWO) pretrain_demo_follow -o pretrained/follow --checkpoint pretrained/clutter/checkpoint_last.pt
	$(TWO) pretrain_demo_settle -o pretrained/settle --checkpoint pretrained/follow/checkpoint_last.pt
	$(BIN)/python checkpoints/local_memory.py pretrained/settle/checkpoint_last.pt pretrained/local
	$(TWO) pretrain_demo_copy -o pretrained/copy --checkpoint pretrained/local/checkpoint_last.pt
	$(TWO) pretrain_demo_track -o pretrained/track --checkpoint pretrained/copy/checkpoint_last.pt

clean:
	rm -rf .venv build dist site usframe_demo
