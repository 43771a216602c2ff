# Holdfast: every task has one verb. `make help` lists them.
#
# Object files go to build/<flavor>/; sources and tests are found by wildcard, so none is forgotten.

CXX ?= g++
JOBS ?= $(shell nproc)
FLAVOR ?= release
B := build/$(FLAVOR)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror
CXXFLAGS := -std=c++20 -g1 -fno-omit-frame-pointer $(WARN) -Isrc -I. -MMD -MP -pthread
LDFLAGS := -pthread $(shell command -v mold >/dev/null 2>&1 && echo -fuse-ld=mold)
LIBS := -levent -levent_pthreads -lrocksdb -lyaml-cpp -lspdlog -lfmt -lisal

ifeq ($(FLAVOR),release)
CXXFLAGS += -O2 -march=x86-64-v2 -DHF_JEMALLOC
LIBS += -ljemalloc
else ifeq ($(FLAVOR),asan)
CXXFLAGS += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(FLAVOR),tsan)
CXXFLAGS += -O1 -fsanitize=thread
LDFLAGS += -fsanitize=thread
else ifeq ($(FLAVOR),fuzz)
CXX := clang++
CXXFLAGS += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=fuzzer,address,undefined
endif

LAYERS := base engine store replica resp coord gateway node
LIB_SRC := $(filter-out src/node/main.cc,$(foreach l,$(LAYERS),$(shell find src/$(l) -name '*.cc')))
LIB_OBJ := $(LIB_SRC:%.cc=$(B)/%.o)
TEST_SRC := $(shell find tests/unit tests/support -name '*.cc')
TEST_OBJ := $(TEST_SRC:%.cc=$(B)/%.o)

.PHONY: all build help deps run test unit integration clients crash sim fuzz bench lint tidy format \
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

-include $(shell find $(B) -name '*.d' 2>/dev/null)
