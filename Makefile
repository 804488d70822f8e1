# From videos to a robot policy: every stage is a target. `make help` lists them.

ACTION ?= pick_up
SEED ?= 0
SEEDS ?=
TRACKS ?=
VIDEO ?=
PROMPT ?=
CHECKPOINT ?=
PHYSICS ?= batch
RUNS ?= runs
STEPS ?=
ONLY ?=
SPEC ?= easy
DEVICE ?= cpu
PYTHON ?= python3
VENV ?= .venv
PYTEST ?=
GRIPPER ?=
ENVS ?=
CONFIG ?=
WANDB ?=
RESUME ?=

# What users give is text that make and the shell must not look into: make takes it as it is, without $(...) expanded,
# and recipes read it from their environment, as "$$NAME". PYTEST alone is text for the shell: arguments of developers.
GIVEN := ACTION SEED SEEDS TRACKS VIDEO PROMPT CHECKPOINT PHYSICS RUNS STEPS ONLY SPEC DEVICE PYTHON VENV POLICY \
  REAL_TRACKS VIDEOS SPECS SCENES STATES STUDIES RAY GRIPPER ENVS CONFIG WANDB
$(foreach name,$(GIVEN),$(if $(filter command environment,$(firstword $(origin $(name)))),\
  $(eval override $(name) := $$(value $(name)))))

# Targets lie below VENV, and a target's name has neither blanks nor signs.
SIGNS := $$ ` ' " ; & | < > ( ) * ? : % \# \ ~
ifneq ($(words $(VENV))$(strip $(foreach sign,$(SIGNS),$(findstring $(sign),$(VENV)))),1)
$(error VENV=$(VENV): expected a folder whose name has no blanks and no signs)
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
FRANKA := $(VENV)-franka
# Of an action of one's own, ACTION is its file.
NAME := $(basename $(notdir $(ACTION)))
POLICY ?= $(RUNS)/$(NAME)/seed$(SEED)/policy.npz

# XLA's other scheduler can wait for ever in a physics program on few cores.
SCHEDULER := --xla_cpu_enable_concurrency_optimized_scheduler=false
export XLA_FLAGS := $(strip $(filter-out $(SCHEDULER),$(value XLA_FLAGS)) $(SCHEDULER))
# Compilation takes longer than anything else in short runs: keep its results.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 1
ifneq ($(words $(DEVICE))$(filter-out cpu gpu tpu,$(DEVICE)),1)
$(error DEVICE=$(DEVICE): expected cpu, gpu or tpu)
endif
ifeq ($(DEVICE),cpu)
export JAX_PLATFORMS ?= cpu
endif

comma := ,
EXTRAS := $(subst $() $(),$(comma),$(strip $(filter gpu tpu,$(DEVICE)) $(filter warp,$(PHYSICS)) $(if $(RAY),ray)))
INSTALLED := $(VENV)/.installed$(addprefix -,$(subst $(comma),-,$(EXTRAS)))
DEV_INSTALLED := $(VENV)/.installed-dev
DOCS_INSTALLED := $(VENV)/.installed-docs
VIEW_INSTALLED := $(VENV)/.installed-view
WEIGHTS := $(VENV)/.weights

# Real videos to measure state estimation on, where there are any.
REAL_TRACKS ?= $(or $(TRACKS),$(wildcard ../shared/data/real_tracks))
VIDEOS ?= $(wildcard ../shared/data/videos)
SPECS ?= $(wildcard ../shared/data/policy_benchmark)
SCENES ?= 20
STATES ?= $(RUNS)/$(NAME)
STUDIES ?= $(wildcard experiments/studies/*.toml)
RAY ?=

# $(call option,--tracks,TRACKS): the option with the variable's text, nothing where that is empty.
option = $${$2:+"$1=$$$2"}
# $(call each,--video=,VIDEO): the shell's arguments grow by one for each word, or by one where the whole is a file.
each = if [ -e "$$$2" ]; then set -- "$$@" $1"$$$2"; else for one in $$$2; do set -- "$$@" $1"$$one"; done; fi;
# After their defaults: export defines what is not.
export $(GIVEN)
WHICH = --action="$$ACTION" --seed="$$SEED" --runs="$$RUNS"
CLIPS = $(call each,--video=,VIDEO) $(call each,--prompt=,PROMPT)
TRAINING = --physics="$$PHYSICS" $(call option,--checkpoint,CHECKPOINT) $(call option,--tracks,TRACKS) \
  $(call option,--steps,STEPS) $(call option,--seeds,SEEDS) $(call option,--gripper,GRIPPER) $(call option,--envs,ENVS) \
  $(call option,--config,CONFIG) $(call option,--wandb,WANDB) $(if $(RESUME),--resume)
STUDY = --runs="$$RUNS" $(call option,--tracks,REAL_TRACKS) $(call option,--specs,SPECS) $(call option,--ray,RAY) \
  --out experiments/studies/results --page docs/results.md

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install train weights segment annotate fit masks failures benchmark run states cross-validate confusion skills arm calibration back-ends sweep studies-quick ablations speed profile wheel notebooks replay view setup-franka info docs docs-serve test test-quick test-slow fuzz lint format check clean clean-all

help: ## list targets and variables
	@echo "make TARGET [VARIABLE=VALUE ...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "variables"
	@echo "  ACTION     pull_left_to_right pull_right_to_left push_left_to_right push_right_to_left pick_up"
	@echo "             put_behind put_in_front_of put_next_to put_onto [$$ACTION]"
	@echo "  SEED       seed of training and benchmark [$$SEED]"
	@echo "  SEEDS      policies to train at once in 'make train', from SEED on; one when empty [$$SEEDS]"
	@echo "             and of each condition in 'make sweep', from 0 on; as the study says when empty"
	@echo "  TRACKS     folder of tracks to learn from; synthetic demonstrations when empty [$$TRACKS]"
	@echo "  VIDEO      video files that show ACTION to learn from, instead of TRACKS; one alone where its name has blanks [$$VIDEO]"
	@echo "  PROMPT     ROLE=x1,y1,x2,y2@FRAME for one VIDEO, or the file that 'make annotate' saves [$$PROMPT]"
	@echo "  CHECKPOINT weights of Segment Anything for VIDEO: see docs/own_videos.md [$$CHECKPOINT]"
	@echo "  PHYSICS    batch (CPU), mjx (any device) or warp (NVIDIA) [$$PHYSICS]"
	@echo "  RUNS       folder of all results [$$RUNS]"
	@echo "  STEPS      control steps of training; the default when empty [$$STEPS]"
	@echo "  GRIPPER    published, franka_hand or a file (.toml); that of the action's file when empty [$$GRIPPER]"
	@echo "  ENVS       environments stepped in parallel, or auto; the default when empty [$$ENVS]"
	@echo "  CONFIG     TOML file of settings, as 'real2sim config ACTION' prints it [$$CONFIG]"
	@echo "  RESUME     anything: go on from the last checkpoint of 'make train'"
	@echo "  WANDB      project of Weights & Biases that gets the numbers of 'make train' too [$$WANDB]"
	@echo "  SPEC       start states of the benchmark: easy, hard or a CSV file [$$SPEC]"
	@echo "  VIDEOS     folder of videos with reference masks or boxes, for 'make masks' [$$VIDEOS]"
	@echo "  SPECS      folder of the published start states easy.csv and hard.csv, for 'make skills' [$$SPECS]"
	@echo "  STATES     folder of fits or state files to replay; ACTION's below RUNS by default [$$STATES]"
	@echo "  STUDIES    files of 'make sweep' and 'make studies-quick'; all of experiments/studies by default"
	@echo "  RAY        address of a Ray cluster for them, or local; this process alone when empty [$$RAY]"
	@echo "  SCENES     synthetic scenes of each action in 'make states' [$$SCENES]"
	@echo "  ONLY       parts of 'make states': real, synthetic, masks; all when empty [$$ONLY]"
	@echo "  DEVICE     cpu, gpu or tpu: which jax to install and use [$$DEVICE]"
	@echo "  PYTHON     interpreter that makes the virtual environment, 3.11 or newer [$$PYTHON]"

install: $(INSTALLED) ## make the virtual environment and install the package
	@:

train: $(INSTALLED) $(if $(value VIDEO),$(WEIGHTS)) ## learn ACTION's policy from VIDEO or TRACKS
	@$(CLIPS) $(BIN)/real2sim train $(WHICH) $(TRAINING) "$$@"

weights: $(INSTALLED) $(WEIGHTS) ## get the model that cuts hands and things out of VIDEO (37 MB)
	@:

segment: $(INSTALLED) $(WEIGHTS) ## find hand and objects in VIDEO; overlays below RUNS/masks
	@$(call each,,VIDEO) $(call each,--prompt=,PROMPT) \
	  $(BIN)/real2sim segment --out="$$RUNS/masks" $(call option,--checkpoint,CHECKPOINT) "$$@"

annotate: $(INSTALLED) $(WEIGHTS) ## draw boxes and times of contact for one VIDEO, in a browser
	@$(BIN)/real2sim annotate $${VIDEO:+"$$VIDEO"} $(call option,--checkpoint,CHECKPOINT)

fit: $(INSTALLED) $(if $(value VIDEO),$(WEIGHTS)) ## fit cuboids to VIDEO, to TRACKS or to synthetic demonstrations
	@$(CLIPS) $(BIN)/real2sim fit --action="$$ACTION" --runs="$$RUNS" $(call option,--checkpoint,CHECKPOINT) \
	  $(call option,--tracks,TRACKS) "$$@"

benchmark: $(INSTALLED) ## success of ACTION's policy from the start states of SPEC
	@$(BIN)/real2sim benchmark $(WHICH) --physics="$$PHYSICS" --spec="$$SPEC"

run: $(INSTALLED) ## run ACTION's policy on the simulated arm, as on a robot
	@$(BIN)/python -m real2sim_jax.robot "$$POLICY"

states: $(INSTALLED) ## how good state estimation is: real videos of TRACKS, and synthetic truth
	@$(call each,--only=,ONLY) $(BIN)/python experiments/states/evaluate.py --scenes="$$SCENES" --out="$$RUNS/states" \
	  $(call option,--tracks,REAL_TRACKS) "$$@"

cross-validate: $(INSTALLED) ## how much the fit depends on its numbers, and how it does out of fold, on TRACKS
	@$(BIN)/python experiments/states/cross_validate.py --out="$$RUNS/cross_validation" $(call option,--tracks,REAL_TRACKS)

confusion: $(INSTALLED) ## the real videos of TRACKS fitted under every action's name
	@$(BIN)/python experiments/states/confusion.py --out="$$RUNS/confusion.json" $(call option,--tracks,REAL_TRACKS)

masks: $(INSTALLED) ## how good masks of the real videos of VIDEOS are, time and memory
	@$(BIN)/python experiments/perception/evaluate.py --out="$$RUNS/masks_evaluation" $(call option,--videos,VIDEOS)

failures: $(INSTALLED) ## what masks cannot be found of, and what helps: pictures of docs/own_videos.md
	@$(BIN)/python -m experiments.perception.failures

replay: $(INSTALLED) ## simulate the fitted trajectories of STATES: can physics repeat them?
	@if [ -f "$$TRACKS/actions.csv" ]; then set -- --actions="$$TRACKS/actions.csv"; fi; \
	  $(BIN)/real2sim replay --states="$$STATES" "$$@"

view: $(VIEW_INSTALLED) ## fits, demonstration and policy of ACTION in 3D, in a browser
	@$(BIN)/real2sim view "$$RUNS/$$ACTION" --seed="$$SEED"

skills: $(INSTALLED) ## train and benchmark all nine actions on TRACKS, and the published start states of SPECS
	@$(BIN)/python experiments/skills/train_all.py --runs="$$RUNS" $(call option,--tracks,REAL_TRACKS) \
	  $(call option,--specs,SPECS) $(call option,--steps,STEPS)

arm: $(INSTALLED) ## success of the kept policies through the simulated arm, on the published start states of SPECS
	@if [ -f "$$SPECS/easy.csv" ]; then set -- --spec="$$SPECS/easy.csv"; fi; \
	  $(BIN)/python experiments/robot/arm_success.py "$$@"

calibration: $(INSTALLED) ## success of the kept policies with objects off their place, on the start states of SPECS
	@if [ -f "$$SPECS/easy.csv" ]; then set -- --spec="$$SPECS/easy.csv"; fi; \
	  $(BIN)/python experiments/skills/calibration.py --runs="$$RUNS" "$$@"

back-ends: $(INSTALLED) ## do the kept policies work on the other physics engines?
	@$(PIP) -e ".[warp]"
	@$(BIN)/python experiments/skills/back_ends.py --runs="$$RUNS"

sweep: $(INSTALLED) ## STUDIES on ACTION (or all), as many SEEDS as they say: resumable
	@$(call each,,STUDIES) if [ "$$ACTION" != all ]; then set -- "$$@" $(call option,--actions,ACTION); fi; \
	  $(BIN)/real2sim sweep $(STUDY) $(call option,--seeds,SEEDS) \
	  $(if $(filter gpu tpu,$(DEVICE)),--physics="$(if $(filter batch,$(PHYSICS)),mjx,$$PHYSICS)") "$$@"

studies-quick: $(INSTALLED) ## the reduced version of STUDIES, less than 90 minutes on two cores: resumable
	@$(call each,,STUDIES) $(BIN)/real2sim sweep $(STUDY) --quick "$$@"

ablations: $(INSTALLED) ## what each part of the learner adds, about an hour on two cores: resumable
	@$(BIN)/real2sim sweep $(STUDY) --quick experiments/skills/ablations.toml

speed: $(INSTALLED) ## how fast the parts are, beside other programs; results below RUNS
	@$(PIP) -e ".[speed]" || echo "without DEODR: its column stays empty" >&2
	@$(PIP) -e ".[warp]" || echo "without Warp: its row stays away" >&2
	@$(BIN)/python experiments/speed/training.py --runs="$$RUNS" --device="$$DEVICE"
	@for script in $(filter-out %/training.py,$(wildcard experiments/speed/*.py)); do $(BIN)/python $$script --runs="$$RUNS" || exit 1; done

profile: $(INSTALLED) ## where the time of a few training iterations of ACTION goes; a trace in RUNS/profile
	@$(BIN)/real2sim profile --action="$$ACTION" --runs="$$RUNS" --physics="$$PHYSICS"

notebooks: $(DEV_INSTALLED) ## run the notebooks from top to bottom with tiny settings
	@$(BIN)/python -m pytest tests/test_notebooks.py -m "slow or not slow" $(PYTEST)

setup-franka: $(FRANKA)/fr3.xml ## franky-control, and Franka's protocol simulated, for the test against it
	@:

wheel: $(BIN)/python ## build the wheel, install it into an environment of its own and train a little with it
	@rm -rf build
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	@"$$PYTHON" -m venv build/venv
	@build/venv/bin/python -m pip install --quiet --disable-pip-version-check build/wheel/*.whl
	@cd build && venv/bin/real2sim --version && venv/bin/real2sim train --action pick_up --steps 61440 --rows 10

info: $(INSTALLED) ## what there is: versions, devices, runs
	@$(BIN)/real2sim info

docs: $(DOCS_INSTALLED) ## build the documentation in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "written to site/index.html"

docs-serve: $(DOCS_INSTALLED) ## show the documentation on 127.0.0.1 while it is written
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

test: $(DEV_INSTALLED) ## run the tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(PYTEST)

test-quick: $(DEV_INSTALLED) ## run the tests that need neither training nor large programs, less than two minutes
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow and not long" $(PYTEST)

test-slow: $(DEV_INSTALLED) ## run the tests that take minutes
	@$(BIN)/python -m pytest -m slow $(PYTEST)

fuzz: $(DEV_INSTALLED) ## damaged input for every reader: a table, and what fails below runs/fuzz; 5 minutes
	@$(BIN)/python -m tests.fuzz

lint: $(DEV_INSTALLED) ## check style and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/pyright

format: $(DEV_INSTALLED) ## rewrite the code in the project's style
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

check: lint test ## lint and test

clean: ## remove caches; results and the virtual environment stay
	@rm -rf .cache .pytest_cache .ruff_cache .hypothesis site build
	@find real2sim_jax tests experiments notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean ## remove the virtual environment too
	@rm -rf $(VENV) $(FRANKA) real2sim_jax.egg-info

$(INSTALLED): requirements.txt requirements-perception.txt pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps -r requirements-perception.txt || echo "without the networks for raw videos: see requirements-perception.txt" >&2
	@$(PIP) $(if $(EXTRAS),-e ".[$(EXTRAS)]",--no-deps -e .)
	@touch $@

# Where they cannot be had, masks come from colours and motion, and the next call tries again.
$(WEIGHTS): pyproject.toml $(INSTALLED)
	@{ $(PIP) "onnxruntime>=1.20" && $(BIN)/real2sim weights && touch $@; } || echo "without Segment Anything" >&2

$(DEV_INSTALLED): requirements-dev.txt $(INSTALLED)
	@$(PIP) -r requirements-dev.txt
	@touch $@

# The model is written last: where it is, everything before it went well.
$(FRANKA)/fr3.xml: tests/robot/make_fr3_model.py $(INSTALLED)
	@echo "installing franky-control into $(VENV), franka-sim into $(FRANKA) ..."
	@$(PIP) -e ".[franka,onnx]"
	@"$$PYTHON" -m venv $(FRANKA)
	@$(FRANKA)/bin/python -m pip install --quiet --disable-pip-version-check franka-sim==1.1.7
	@$(FRANKA)/bin/python tests/robot/make_fr3_model.py $@
$(DOCS_INSTALLED) $(VIEW_INSTALLED): $(VENV)/.installed-%: $(INSTALLED)
	@echo "installing the extra $* ..."
	@$(PIP) -e ".[$*]"
	@touch $@

$(BIN)/python:
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "$$PYTHON is missing or older than 3.11: try make PYTHON=python3.11" >&2; exit 2; }
	@"$$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$$PYTHON has no venv module: on Debian and Ubuntu, sudo apt install python3-venv" >&2; exit 2; }
	@"$$PYTHON" -m venv $(VENV)
