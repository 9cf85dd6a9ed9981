# spangate: build, tests and checks. "make help" lists the targets.
# SPDX-License-Identifier: Apache-2.0

MODE ?= release
SAN ?=
PREFIX ?= /usr/local
CC = gcc
AR = gcc-ar

comma := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(MODE))
BUILD ?= build/$(VARIANT)
GEN := build/gen
VERSION := 0.1.0
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

# The layers, from the bottom up, and what each may lean on (tables/ always).
LAYERS := base conf net h2 grpc message integrity store forward receive admin daemon command
uses_base :=
uses_conf := base
uses_net := conf base
uses_h2 := net base
uses_grpc := h2 net base
uses_message := base
uses_integrity := message conf base
uses_store := conf base
uses_forward := grpc net message store conf base
uses_receive := grpc net message integrity store forward conf base
uses_admin := net store forward integrity message conf base
uses_daemon := admin receive forward store integrity message grpc h2 net conf base
uses_command := daemon admin receive forward store integrity message grpc h2 net conf base

PACKAGES := libnghttp2 libevent libssl libcrypto libprotobuf-c libfyaml jansson zlib rdkafka
LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lunistring -lpthread -lm
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wswitch-enum
CPPFLAGS := -D_GNU_SOURCE -Iserver -I$(GEN) $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) \
	-DSPANGATE_VERSION='"$(VERSION)"' -DSPANGATE_REVISION='"$(REVISION)"'
CFLAGS := -std=c11 -g $(WARN) -fstack-protector-strong -fPIE
# No build identifier: it depends on the directory, through the debug information.
LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--build-id=none
ifdef CI
CFLAGS += -Werror
endif
ifeq ($(VARIANT),release)
# Clearing a view of some 100 bytes by "rep stos" costs more than the rest of its span: 16 at a time.
TUNE := $(if $(filter x86_64,$(shell uname -m)),-mmemset-strategy=vector_loop:256:noalign$(comma)libcall:-1:noalign)
CFLAGS += -O3 -flto=auto -D_FORTIFY_SOURCE=2 $(TUNE)
LDFLAGS += -O3 -flto=auto $(TUNE)
else
CFLAGS += -O1 -fno-omit-frame-pointer -DSPANGATE_DEBUG
endif
ifdef COVERAGE
CFLAGS += --coverage
LDFLAGS += --coverage
endif
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif

PROTOS := $(wildcard proto/*.proto)
GEN_C := $(PROTOS:proto/%.proto=$(GEN)/%.pb-c.c)
GEN_H := $(GEN_C:.c=.h)

sources = $(wildcard server/$(1)/*.c server/$(1)/rules/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
archive = $(BUILD)/lib$(1).a
BINARY := $(if $(filter build/release,$(BUILD)),build/spangate,$(BUILD)/spangate)

# Programs in Go that tests use, pinned in tests/tools/go-tools.
TOOLS := $(shell sed -n 's,^\([a-z][^ ]*\) .*,build/tools/bin/\1,p' tests/tools/go-tools)

# V=1 shows the commands.
ifndef V
.SILENT:
endif

.PHONY: all
all: $(BINARY) ## the binary (MODE=debug, SAN=address,undefined for variants)

$(BINARY): $(BUILD)/server/command/main.o $(foreach l,$(LAYERS),$(call archive,$(l)))
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

define layer_rules
objects_$(1) := $(filter-out %/command/main.o,$(call objects,$(1)))
$(if $(filter admin,$(1)),objects_$(1) += $(BUILD)/server/admin/ui.o)
$(if $(filter message,$(1)),objects_$(1) += $$(GEN_C:$(GEN)/%.c=$(BUILD)/gen/%.o))
$(BUILD)/lib$(1).a: $$(objects_$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcsT $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$(l))))

# What tells the commit is built anew when it is another.
$(BUILD)/server/command/command_serve.o $(BUILD)/server/command/command_version.o: $(BUILD)/revision
$(BUILD)/revision: force
	@mkdir -p $(@D)
	@echo $(REVISION) | cmp -s - $@ || echo $(REVISION) >$@
.PHONY: force

# Generated headers exist before anything that may include them is compiled.
$(BUILD)/server/%.o: server/%.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The dashboard's files and the API's description, as they are.
UI := $(sort $(wildcard server/admin/ui/*)) server/admin/openapi.json
$(BUILD)/server/admin/ui.o: $(UI)
	@mkdir -p $(@D)
	$(LD) -r -z noexecstack -b binary -o $@ $(UI)

$(BUILD)/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: proto/%.proto $(PROTOS)
	@mkdir -p $(GEN)
	protoc-c -Iproto --c_out=$(GEN) $<

# Unit tests: tests/unit/<layer>/test_*.c links its layer and those below it, nothing else.
unit_sources = $(wildcard tests/unit/$(1)/test_*.c)
UNIT := $(foreach l,$(LAYERS),$(patsubst %.c,$(BUILD)/%,$(call unit_sources,$(l))))
SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/support/*.c))
# A layer, what it leans on, and what that leans on, three steps down: the graph is no deeper.
lower = $(sort $(1) $(foreach l,$(1),$(uses_$(l))))
below = $(call lower,$(call lower,$(call lower,$(1))))
define unit_rules
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(SUPPORT) $(foreach u,$(call below,$(1)),$(call archive,$(u)))
	$(CC) $(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(LIBS) -lcmocka
endef
$(foreach l,$(LAYERS),$(eval $(call unit_rules,$(l))))

$(BUILD)/tests/%.o: tests/%.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: unit
unit: $(UNIT) ## unit tests of every layer
	@sh tests/run-unit.sh $(UNIT)

# Fuzzing: clang's libFuzzer over all of server/; "make check" feeds the corpus to the same targets
# built by $(CC).
FUZZ_CC := clang-14
FUZZ_BUILD := build/fuzz
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS := -std=c11 -g -O1 -fno-omit-frame-pointer -DSPANGATE_DEBUG \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# The dashboard's files are no code: their object serves any compiler.
FUZZ_OBJECTS := $(foreach l,$(LAYERS),$(patsubst $(BUILD)/%,$(FUZZ_BUILD)/%,$(filter-out %/ui.o,$(objects_$(l)))))
FUZZ_OBJECTS += $(filter %/ui.o,$(objects_admin))
# The simulated disk: fuzz_spool_open needs it.
FUZZ_SUPPORT := $(patsubst %.c,%.o,$(wildcard tests/unit/support/sim_disk*.c))
REPLAY := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/replay_%)
F ?= segment_decode
T ?= 60

$(FUZZ_BUILD)/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -w -MMD -MP -c -o $@ $<

$(FUZZ_BUILD)/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_BUILD)/tests/%.o: CPPFLAGS += -Itests/unit

$(FUZZ_BUILD)/fuzz_%: $(FUZZ_BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_OBJECTS) $(FUZZ_SUPPORT:%=$(FUZZ_BUILD)/%)
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay_main.o $(FUZZ_SUPPORT:%=$(BUILD)/%) $(foreach l,$(LAYERS),$(call archive,$(l)))
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

# libFuzzer's entry has no header that declares it.
$(BUILD)/tests/fuzz/%.o: CFLAGS += -Wno-missing-prototypes

.PHONY: fuzz fuzz-build replay
# Inputs that only add coverage stay in build/; one that fails joins the corpus.
fuzz: $(FUZZ_BUILD)/fuzz_$(F) ## libFuzzer on one parser: F=segment_decode T=60; what fails joins the corpus
	@mkdir -p tests/fuzz/corpus/$(F) $(FUZZ_BUILD)/corpus/$(F)
	$(FUZZ_BUILD)/fuzz_$(F) -max_total_time=$(T) -timeout=10 -print_final_stats=1 \
		-artifact_prefix=tests/fuzz/corpus/$(F)/ $(FUZZ_BUILD)/corpus/$(F) tests/fuzz/corpus/$(F)

fuzz-build: $(FUZZ_NAMES:%=$(FUZZ_BUILD)/fuzz_%)

# Fed by one thread: there is no race to find in it.
REPLAY_STEP := $(if $(filter thread,$(SAN)),,"replay:$(MAKE) replay")
replay: $(REPLAY) ## every fuzz target over its corpus, without libFuzzer
	@sh tests/fuzz/replay.sh $(REPLAY)

# Benchmarks: ratios to nginx, HAProxy and nghttpx in one run; fails nobody.
BENCH := $(BUILD)/tests/bench
$(BENCH)/driver: $(BENCH)/driver.o $(BENCH)/driver_link.o $(BENCH)/bench_segment.o $(BENCH)/waits.o $(call archive,base)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BENCH)/null_sink: $(BENCH)/null_sink.o $(call archive,base)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BENCH)/group_commit: $(BENCH)/group_commit.o $(BENCH)/waits.o $(call archive,base)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BENCH)/bench_walker: $(BENCH)/bench_walker.o $(call archive,integrity) $(foreach u,$(uses_integrity),$(call archive,$(u)))
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

.PHONY: bench bench-paths bench-peers bench-durable bench-tls
bench: $(BINARY) $(BENCH)/driver $(BENCH)/null_sink $(if $(wildcard tests/bench/bench_walker.c),$(BENCH)/bench_walker) ## ratios to three proxies and a bare sink, in one run (BENCH_FLAGS=-v)
	@$(PYTHON) tests/bench/run.py --driver $(BENCH)/driver --sink $(BENCH)/null_sink --spangate $(BINARY) $(BENCH_FLAGS)
	@$(PYTHON) tests/bench/paths.py --sink $(BENCH)/null_sink --spangate $(BINARY)

bench-paths: $(BINARY) $(BENCH)/null_sink ## the second half of it: relayed calls and HTTP (BENCH_FLAGS="--rounds 9")
	@$(PYTHON) tests/bench/paths.py --sink $(BENCH)/null_sink --spangate $(BINARY) $(BENCH_FLAGS)

bench-peers: $(BENCH)/driver $(BENCH)/null_sink
	@$(PYTHON) tests/bench/run.py --driver $(BENCH)/driver --sink $(BENCH)/null_sink --spangate "" $(BENCH_FLAGS)

# Torture: tests/torture/*.c are agents, backend and parent of the real binary in one process.
TORTURE := $(BUILD)/tests/torture
TORTURE_SHARED := $(patsubst %,$(TORTURE)/%.o,agents daemon ids loop peer rig sink)
TORTURES := $(TORTURE)/kill_loop $(TORTURE)/outage
PART ?= all
$(TORTURES): %: %.o $(TORTURE_SHARED) $(call archive,base)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: torture
torture: $(BINARY) $(TORTURES) $(BUILD)/tests/unit/store/test_spool_crash ## crash states, kills and outages at full size (PART=crash, kill or outage)
	@sh tests/torture/run.sh $(PART) $(BINARY) $(TORTURE) $(BUILD)/tests/unit/store/test_spool_crash

bench-tls: $(BINARY) ## what TLS costs beside clear text (BENCH_FLAGS="--rounds 5")
	@$(PYTHON) tests/bench/tls.py --spangate $(BINARY) $(BENCH_FLAGS)

bench-durable: $(BINARY) $(BENCH)/driver $(BENCH)/null_sink $(BENCH)/group_commit ## what the disk costs beside memory and a bare group commit (BENCH_FLAGS=--directory DIR)
	@$(PYTHON) tests/bench/durable.py --driver $(BENCH)/driver --sink $(BENCH)/null_sink --spangate $(BINARY) \
		--loop $(BENCH)/group_commit $(BENCH_FLAGS)

# Checks. Each step's last line is "N passed, N failed"; tests/run-steps.sh adds them up.
PYTHON := /usr/bin/python3
SHAPED := $(wildcard server/*/*.[ch] server/*/*/*.[ch] tests/unit/*/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch] tests/torture/*.[ch])
GENERATED := options:configuration.md metrics:metrics.md errors:errors.md methods:protocol.md rules:rules.md \
	diagnoses:diagnoses.md man1:man/spangate.1 man5:man/spangate.yaml.5

.PHONY: lint size format format-check gen gen-check
lint: ## layers, tables, the API's description, sizes, banned calls
	@sh tests/run-steps.sh "layers:$(PYTHON) tests/lint/layers.py" "tables:$(PYTHON) tests/lint/tables.py" \
		"banned:$(PYTHON) tests/lint/banned.py" "readme:$(PYTHON) tests/lint/readme.py" "api:$(PYTHON) tests/lint/api.py" "size:$(PYTHON) tests/lint/size.py"

size: ## functions over 80 lines or complexity 12, files over 600 lines
	@$(PYTHON) tests/lint/size.py

format: ## rewrites the C files as .clang-format says
	clang-format-14 -i $(SHAPED)

format-check:
	clang-format-14 --dry-run -Werror $(SHAPED)

gen: $(BINARY) ## stores what the program prints of itself: docs/configuration.md, docs/metrics.md ...
	@for pair in $(GENERATED); do \
		$(BINARY) print $${pair%%:*} >$(BUILD)/print.md && mv $(BUILD)/print.md docs/$${pair##*:} || exit 1; done
	@$(PYTHON) config/make_chart.py $(BINARY)

gen-check: $(BINARY)
	@for pair in $(GENERATED); do \
		$(BINARY) print $${pair%%:*} | cmp -s - docs/$${pair##*:} || \
		{ echo "docs/$${pair##*:} is not what the program prints: make gen"; exit 1; }; done
	@$(PYTHON) config/make_chart.py $(BINARY) --check

.PHONY: check check-proto check-system check-fault check-package check-agents check-kafka check-chart check-docs
# Sanitizer variants run what executes our code; the rest has one answer for all variants.
check: ## unit tests, fuzz corpus, lint, generated documents, format (SAN=address,undefined or thread)
	@sh tests/run-steps.sh "unit:$(MAKE) unit" $(REPLAY_STEP) \
		$(if $(SAN),,"lint:$(MAKE) lint" "gen:$(MAKE) gen-check" "format:$(MAKE) format-check")

check-proto: build/agents/python/ready ## proto/ field by field against the published Python agent's descriptors
	@$(PYTHON) tests/proto/check_proto.py --package build/agents/python/lib/python3*/site-packages

check-system: $(BINARY) ## the real binary against grpcio and hand-made HTTP/2 frames
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/system

check-fault: $(BINARY) $(TORTURES) ## backends that die, kills, full disks, too little memory
	@SPANGATE_BIN=$(abspath $(BINARY)) SPANGATE_TORTURE=$(abspath $(TORTURE)) sh tests/run-pytest.sh tests/fault

check-package: $(BINARY) ## what is installed, the .deb, the unit; alert rules and dashboard against a real Prometheus
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/package tests/alerts

check-docs: $(BINARY) ## every block of commands in README and docs, as a reader runs it; links between the pages
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/docs

check-agents: $(BINARY) build/agents/python/ready build/agents/node/ready ## the real Python and Node agents
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/agents

check-kafka: $(BINARY) build/kafka/ready ## OAP's topics through a real Kafka broker, its death included
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/kafka

build/kafka/ready: tests/kafka/pom.xml
	@rm -rf build/kafka && mkdir -p build/kafka
	mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(abspath build/kafka/jars)
	@touch $@

check-chart: $(BINARY) build/chart/python/ready $(filter %/helm %/kubeconform,$(TOOLS)) ## the Helm chart: rendered, refused, and its pods run for real
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/chart

build/chart/python/ready: tests/chart/requirements.txt
	@mkdir -p build/chart && rm -rf build/chart/python
	$(PYTHON) -m venv build/chart/python
	build/chart/python/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

build/agents/python/ready: tests/agents/requirements.txt
	@mkdir -p build/agents && rm -rf build/agents/python
	$(PYTHON) -m venv build/agents/python
	build/agents/python/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

build/agents/node/ready: tests/agents/package.json tests/agents/package-lock.json
build/agents/browser/ready: tests/browser/package.json tests/browser/package-lock.json
build/agents/node/ready build/agents/browser/ready:
	@rm -rf $(@D) && mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

.PHONY: ci
ci: export CI := 1
ci: ## all that CI runs
	@sh tests/run-steps.sh "check:SPANGATE_EXAMPLES=1000000 $(MAKE) check" "check-asan:$(MAKE) check SAN=address,undefined" \
		"check-tsan:$(MAKE) check SAN=thread" "fuzz:$(MAKE) fuzz-build" "proto:$(MAKE) check-proto" "analyze:$(MAKE) analyze" \
		"interop:$(MAKE) check-interop" "browser:$(MAKE) check-browser" \
		"system:$(MAKE) check-system" "system-asan:$(MAKE) check-system SAN=address,undefined" \
		"fault:$(MAKE) check-fault" "package:$(MAKE) check-package" "agents:$(MAKE) check-agents" \
		"kafka:$(MAKE) check-kafka" "chart:$(MAKE) check-chart" "docs:$(MAKE) check-docs"

# Parts that others wrote.
.PHONY: check-interop check-browser tools
check-interop: $(BINARY) $(patsubst %,build/tools/bin/%,grpcurl h2spec interop_client interop_server) ## gRPC's own interop pair, h2spec and grpcurl
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/interop

check-browser: $(BINARY) build/agents/browser/ready ## the browser agent and the dashboard in real Chromium
	@SPANGATE_BIN=$(abspath $(BINARY)) sh tests/run-pytest.sh tests/browser

tools: $(TOOLS) ## the programs of tests/tools/go-tools, into build/tools/bin

build/tools/bin/%: tests/tools/go-tools tests/tools/install.sh
	sh tests/tools/install.sh $* build/tools

# gcc's analyzer writes an object per file so that only what changed is looked at again.
ANALYZED := $(patsubst %.c,build/analyze/%.o,$(foreach l,$(LAYERS),$(call sources,$(l))))
build/analyze/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c11 -O1 -fanalyzer -Werror -MMD -MP -c -o $@ $<

# The one system header whose macros cppcheck must know.
QUEUE_H = $(shell echo '#include <sys/queue.h>' | $(CC) -E - | sed -n 's/^# [0-9]* "\(.*queue\.h\)".*/\1/p' | head -n 1)

.PHONY: analyze coverage deps install
analyze: $(ANALYZED) ## gcc -fanalyzer and cppcheck over server/
	cppcheck --quiet --std=c11 --language=c -D_GNU_SOURCE -Iserver --include=$(QUEUE_H) --error-exitcode=1 \
		--enable=warning,portability --inline-suppr --suppressions-list=tests/lint/cppcheck --max-configs=1 server

coverage: ## lines the unit tests reach: build/coverage/coverage.txt
	$(MAKE) BUILD=build/coverage MODE=debug COVERAGE=1 unit
	gcovr --root . --filter server/ --object-directory build/coverage --txt build/coverage/coverage.txt --print-summary

deps: ## the packages to install, as one line for apt
	@sh quickstart deps

SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
install: $(BINARY) ## binary, unit, settings, man pages, completion, alerts, dashboard, docs (DESTDIR, PREFIX, SYSCONFDIR, UNITDIR)
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) UNITDIR=$(UNITDIR) sh config/install.sh $(abspath $(BINARY))

.PHONY: deb
deb: $(BINARY) ## build/spangate_VERSION_ARCH.deb, reproducible (SOURCE_DATE_EPOCH)
	@rm -rf build/deb
	@DESTDIR=build/deb PREFIX=/usr SYSCONFDIR=/etc UNITDIR=/lib/systemd/system sh config/install.sh $(abspath $(BINARY))
	@sh config/debian/build.sh build/deb $(VERSION) build

.PRECIOUS: $(BUILD)/tests/%.o $(BUILD)/server/%.o $(GEN)/%.pb-c.c $(GEN)/%.pb-c.h
.PHONY: clean
clean: ## removes build/
	rm -rf build

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

-include $(shell find $(BUILD) build/fuzz build/analyze -name '*.d' 2>/dev/null)
