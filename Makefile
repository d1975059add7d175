# Forwards to CMake and its programs. `make help` lists what there is.
#   PROFILE=quick|full   DEVICE=auto|cuda|sim|cpu   RESULTS=folder   BUDGET=seconds   L=lesson number   BUILD=folder   JOBS=n
.PHONY: all deps configure build bench sanitize counters cusim-speed peers plots test lesson lab grade docs doctor clean help
.NOTPARALLEL:
PROFILE ?= quick
DEVICE  ?= auto
BUILD   ?= build
RESULTS ?= $(BUILD)/results
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
# A real GPU is often lent by the minute: end in time, and let the same command go on. 0: no end.
BUDGET  ?= $(if $(filter cuda,$(DEVICE)),480,0)
GPU_auto = auto
GPU_cuda = cuda
GPU_sim  = sim
GPU_cpu  = off

all: build

help:
	@echo 'make bench plots     measure every lesson and draw the report (build/report/index.html)'
	@echo 'make test            everything that can be checked, through CTest'
	@echo 'make lesson L=07     build and run one lesson; ARGS="--size 1000" for its options'
	@echo 'make lab L=09        put the file of a lesson'"'"'s lab into labs/'
	@echo 'make grade L=09      grade it; FILE=path for another one'
	@echo 'make cusim-speed     how fast kernels run on the simulated GPU, in wall time'
	@echo 'make peers           all-reduce between two ranks, ours against OpenMPI'
	@echo 'make sanitize        compute-sanitizer over every lesson, on a real GPU (DEVICE=cuda)'
	@echo 'make counters        kernels counted by Nsight Compute (DEVICE=cuda) and by cusim (DEVICE=sim), side by side'
	@echo 'make doctor          what this machine has, and what each missing piece would add'
	@echo 'make                 build only'
	@echo 'make deps            install what is missing (apt)'
	@echo 'make docs            the documentation as HTML (needs pandoc)'
	@echo 'make clean           remove $(BUILD)'
	@echo 'settings: PROFILE=quick|full DEVICE=auto|cuda|sim|cpu RESULTS=folder BUDGET=seconds JOBS=n'

deps:
	@tools/deps.sh

configure: deps
	@test -n '$(GPU_$(DEVICE))' || { echo 'heddle: DEVICE=$(DEVICE): must be auto, cuda, sim or cpu' >&2; exit 2; }
	@mkdir -p $(BUILD)
	@cmake -S . -B $(BUILD) -DHEDDLE_GPU=$(GPU_$(DEVICE)) $(CMAKE_ARGS) >$(BUILD)/configure.log 2>&1 || \
	  { cat $(BUILD)/configure.log; exit 1; }

build: configure
	@cmake --build $(BUILD) -j$(JOBS) -- --no-print-directory

# Only what measuring needs: on a GPU machine the build takes from the same minutes.
bench: configure
	@cmake --build $(BUILD) -j$(JOBS) --target heddle-bench lessons -- --no-print-directory
	@$(BUILD)/bench/heddle-bench --lessons $(BUILD)/lessons --results $(RESULTS) --suite bench/suite.txt --profile $(PROFILE) --budget $(BUDGET)

# Real GPUs only: compute-sanitizer's four tools over every lesson's GPU variants.
sanitize: configure
	@cmake --build $(BUILD) -j$(JOBS) --target lessons -- --no-print-directory
	@sh tools/sanitize.sh $(BUILD) $(RESULTS) $(BUDGET) $(ARGS)

# On a real GPU those of Nsight Compute, else the simulator's; once RESULTS has both, side by side.
counters: configure
	@cmake --build $(BUILD) -j$(JOBS) --target lesson-01-roofline lesson-09-transpose lesson-12-gemm-gpu -- --no-print-directory
	@sh tools/counters.sh $(BUILD) $(RESULTS)

cusim-speed: build
	@cmake --build $(BUILD) --target cusim-speed -- --no-print-directory

peers: build
	@cmake --build $(BUILD) --target peers -- --no-print-directory

plots: build
	@$(BUILD)/plots/heddle-report --results $(RESULTS)/latest --out $(BUILD)/report --committed bench/results

# Tests run beside each other, one more than there are cores, as some sleep: a thread of OpenMP that waits leaves its core
# to them.
test: build
	@cd $(BUILD) && OMP_WAIT_POLICY=passive ctest -j$$(( $(JOBS) + 1 )) --output-on-failure

lesson: build
	@case '$(L)' in [0-9]|[0-9][0-9]) ;; *) echo 'heddle: L=$(L): a lesson number is needed: make lesson L=07' >&2; exit 2;; esac; \
	program=$$(ls $(BUILD)/lessons/lesson-$$(printf %02d $$(expr $(L) + 0))-* 2>/dev/null | head -n 1); \
	if [ -z "$$program" ]; then \
	  echo "heddle: there is no lesson $(L) yet; there are: $$(ls $(BUILD)/lessons | sed -n 's/^lesson-\([0-9]*\).*/\1/p' | tr '\n' ' ')" >&2; exit 2; fi; \
	"$$program" $(ARGS)

lab:
	@tools/lab.sh '$(L)' labs

grade: configure
	@tools/grade.sh '$(BUILD)' '$(L)' '$(FILE)'

doctor: configure
	@cmake --build $(BUILD) -j$(JOBS) --target heddle-doctor lessons -- --no-print-directory >$(BUILD)/doctor.log 2>&1 || { cat $(BUILD)/doctor.log; exit 1; }
	@$(BUILD)/bench/heddle-doctor --lessons $(BUILD)/lessons

docs:
	@tools/docs.sh $(BUILD)/docs

clean:
	rm -rf $(BUILD)
