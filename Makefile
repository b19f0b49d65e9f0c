# make demo   the main job: learn, judge, report        make test   tests and notebooks
# make lab    the course in JupyterLab                  make lint   format and lint
#
# For teachers: make student DIR=handout   the notebooks without solutions and outputs
#               make course                run all notebooks, store outputs and costs (ONLY="03 07")
#
# Each does the set-up first: a .venv here, made once and again when pyproject.toml or
# constraints.txt changes. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
TARGET ?= webcam
DIR ?= handout
ONLY ?=

.PHONY: demo test lab student course lint clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(BIN)/hfnmp demo --target $(TARGET)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=600 notebooks

lab: $(READY)
	$(BIN)/hfnmp lab

student: $(READY)
	$(BIN)/python -m hfnmp_lite.teach.classroom "$(DIR)"

course: $(READY)
	$(BIN)/python -m hfnmp_lite.teach.course $(ONLY)

lint: $(READY)
	$(BIN)/ruff format --check hfnmp_lite tests notebooks
	$(BIN)/ruff check hfnmp_lite tests notebooks

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "Python %d.%d was found as $(PYTHON); hfnmp_lite needs 3.11, 3.12 or 3.13. " % v + \
	  "Install one and name it: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once; some minutes and about 6 GB, see README.md)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
	  --editable '.[classroom,dev]'
	@touch $@
