# Holdfast: every task has one verb. `make help` lists them.
#
# Object files go to build/<flavor>/; sources and tests are found by wildcard, so none is forgotten.

CXX ?= g++
JOBS ?= $(shell nproc)
FLAVOR ?= release
B := build/$(FLAVOR)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror
CXXFLAGS := -std=c++20 -g1 -fno-omit-frame-pointer $(WARN) -Isrc -I. -isystem /usr/include/lua5.1 -MMD -MP -pthread
LDFLAGS := -pthread $(shell command -v mold >/dev/null 2>&1 && echo -fuse-ld=mold)
# Lua as C++: its errors are exceptions, so destructors run. Its libraries are C and call it by name.
LUA := -l:liblua5.1-cjson.a -l:liblua5.1-bitop.a -l:liblua5.1-c++.a
LIBS := $(LUA) -levent -levent_pthreads -lrocksdb -lyaml-cpp -lspdlog -lfmt -lisal -luring -llz4 -lxxhash

ifeq ($(FLAVOR),release)
CXXFLAGS += -O2 -march=x86-64-v2 -DHF_JEMALLOC
LIBS += -ljemalloc
else ifeq ($(FLAVOR),asan)
# gcc sees uninitialised values in std::regex and std::function that are not there, but only here.
CXXFLAGS += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-maybe-uninitialized
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(FLAVOR),tsan)
CXXFLAGS += -O1 -fsanitize=thread -Wno-maybe-uninitialized
LDFLAGS += -fsanitize=thread
else ifeq ($(FLAVOR),mutant)
CXXFLAGS += -O2 -DHOLDFAST_MUTANTS
else ifeq ($(FLAVOR),fuzz)
CXX := clang++
# What is a warning is gcc's to say.
CXXFLAGS += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-error
LDFLAGS += -fsanitize=fuzzer,address,undefined
endif

LAYERS := base engine store replica resp coord gateway node
LIB_SRC := $(filter-out src/node/main.cc,$(foreach l,$(LAYERS),$(shell find src/$(l) -name '*.cc')))
LIB_OBJ := $(LIB_SRC:%.cc=$(B)/%.o)
TEST_SRC := $(shell find tests/unit tests/support -name '*.cc')
TEST_OBJ := $(TEST_SRC:%.cc=$(B)/%.o)

.PHONY: all build help deps run test unit integration clients crash failover mutants sim sim-protocol museum fuzz bench wal-bench lint tidy format \
	asan tsan clean cluster

all: build
ifeq ($(FLAVOR),release)
build: build/holdfast
build/holdfast: $(B)/holdfast
	@ln -sf $(FLAVOR)/holdfast $@
else
build: $(B)/holdfast
endif

$(B)/libholdfast.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcsT $@ $^

$(B)/holdfast: $(B)/src/node/main.o $(B)/libholdfast.a
	@echo "link $@"
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/unit_tests: $(TEST_OBJ) $(B)/libholdfast.a
	@echo "link $@"
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/%.o: %.cc
	@mkdir -p $(@D)
	@echo "c++ $<"
	@$(CXX) $(CXXFLAGS) -c -o $@ $<

# --- tasks ---

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

deps: ## install the Debian packages that are missing
	@scripts/deps.sh

build-all: deps
	@$(MAKE) --no-print-directory -j$(JOBS) build

run: build-all ## build and start a durable server on 127.0.0.1:6380
	@exec build/holdfast conf/standalone.yaml

test: deps ## everything a change must pass: lint of layers, unit, integration and client tests
	@scripts/test.sh

unit: ## unit tests of this flavor
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/unit_tests
	@$(B)/unit_tests $(TEST_ARGS)

integration: build ## real processes, redis-cli, hiredis, kill -9
	@tests/integration/run.sh $(ONLY)

clients: build ## client libraries: python3-redis, ioredis, node-redis
	@tests/integration/run.sh clients

crash: build ## turned bits (FLIPS), power cuts on the simulated disk (STATES), kill -9 under load (ROUNDS)
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/power_cut $(B)/unit_tests
	@HOLDFAST_FLIPS=$(or $(FLIPS),10000) $(B)/unit_tests -tc='*verify finds every bit*'
	@scripts/power_cuts.sh $(B)/power_cut $(or $(STATES),100000)
	@tests/crash/kill_rounds.py --rounds $(or $(ROUNDS),50)

failover: build ## kill, stop, pause, cut off primaries, ROUNDS of each kind, clients watching: times, nothing lost
	@HOLDFAST_ROUNDS=$(or $(ROUNDS),1) /usr/bin/python3 tests/integration/failover_test.py

mutants: ## each forbidden mistake, made alone: a test must fail
	@scripts/mutants.sh $(ONLY)

sim: ## whole nodes on simulated disks, network and clocks, SEEDS seeds (or the one SEED)
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim
	@$(B)/sim --seeds $(or $(SEEDS),300) $(if $(SEED),--seed $(SEED))

sim-protocol: ## the replication protocol alone, SEEDS seeds (or the one SEED)
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim_protocol
	@$(B)/sim_protocol --seeds $(or $(SEEDS),1000) $(if $(SEED),--seed $(SEED))

museum: ## historical mistakes of replication, each made alone: the simulator must catch it
	@scripts/museum.sh $(or $(SEEDS),10000) $(ONLY)

fuzz: ## libFuzzer targets, FUZZ_SECONDS each
	@scripts/fuzz.sh $(or $(FUZZ_SECONDS),60)

bench: build ## side by side with Debian's redis-server, as ratios; BENCH_ARGS="--section NAME": one part
	@scripts/bench.py $(BENCH_ARGS)

wal-bench: ## the log alone, beside the device and fio
	@scripts/deps.sh fio
	@$(MAKE) --no-print-directory -j$(JOBS) build/wal_bench
	@build/wal_bench

asan: ## all unit and integration tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory FLAVOR=asan -j$(JOBS) build build/asan/unit_tests
	@build/asan/unit_tests
	@HOLDFAST=build/asan/holdfast tests/integration/run.sh

tsan: ## unit tests and a short load under ThreadSanitizer
	@$(MAKE) --no-print-directory FLAVOR=tsan -j$(JOBS) build build/tsan/unit_tests
	@TSAN_OPTIONS=suppressions=tests/support/tsan.supp build/tsan/unit_tests

cluster: build-all ## start a local cluster (3 coordinators, 3 storage nodes, a gateway), and say how to use it
	@scripts/cluster.sh start

lint: tidy ## the house lint, format, clang-tidy of changed files
	@scripts/lint.sh

tidy:
	@python3 scripts/tidy.py

format: ## rewrite sources with clang-format
	@git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' | xargs clang-format -i

reference: build ## write conf/reference.yaml from the option table
	@build/holdfast reference > conf/reference.yaml

clean: ## remove what was built
	@rm -rf build

# A test program per file in tests/programs, linked with hiredis.
build/tests/%: tests/programs/%.cc
	@mkdir -p $(@D)
	@$(CXX) -std=c++20 -O1 -g $(WARN) -Wno-conversion -o $@ $< -lhiredis -levent

# The protocol alone: so little that each mutant of the museum is a matter of seconds.
PROTOCOL := base/assert base/random base/crc32c base/status store/entry replica/log_tail replica/replica_core \
	replica/replica_leader replica/replica_follower replica/coordinated_core replica/elected_core coord/view_change
$(B)/sim_protocol: $(patsubst %,$(B)/tests/sim/%.o,protocol_main protocol_world protocol_faults sim_replica campaign) $(PROTOCOL:%=$(B)/src/%.o)
	@echo "link $@"
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

SIM := main cluster_world cluster_layout cluster_faults cluster_aimed_faults cluster_oracles cluster_node cluster_client cluster_told cluster_operator coordinator_client asker workload reply campaign
$(B)/sim: $(SIM:%=$(B)/tests/sim/%.o) $(patsubst %,$(B)/%.o,$(basename $(wildcard tests/support/history/*.cc))) $(B)/libholdfast.a
	@echo "link $@"
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/power_cut: $(B)/tests/crash/power_cut.o $(B)/libholdfast.a
	@echo "link $@"
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libholdfast.a
	@echo "link $@"
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

# One operation of a table, alone, at many keys: see docs/BENCHMARKS.md.
$(B)/table_bench: $(B)/tests/bench/table_bench.o $(B)/libholdfast.a
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

# The protocol between nodes alone: see docs/PROTOCOL.md.
$(B)/wire_bench: $(B)/tests/bench/wire_bench.o $(B)/libholdfast.a
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

# The log alone, as a device.
$(B)/wal_bench: $(B)/tests/bench/wal_bench.o $(B)/libholdfast.a
	@$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)
build/wal_bench: $(B)/wal_bench
	@ln -sf $(FLAVOR)/wal_bench $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
