#: make check-unit, check-mechanisms, check-scenario
#:                      one kind of tests; TEST='glob*' in the environment picks some of them
#: make check-kernel    kernel and scenario tests on Debian 12's own kernel in QEMU
# Test programs: tests/{unit,kernel,scenario}/test_X.c each become build/tests/{unit,kernel,scenario}/test_X.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
KERNEL_TESTS := $(patsubst tests/kernel/%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/test_*.c))
SCENARIO_TESTS := $(patsubst tests/scenario/%.c,$(BUILD)/tests/scenario/%,$(wildcard tests/scenario/test_*.c))
# An archive, so that a test links only the support that it uses.
TEST_SUPPORT := $(BUILD)/tests/support.a
TEST_SUPPORT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %.bpf.c,$(wildcard tests/support/*.c)))
# Instruments of the tests in the kernel.
TEST_SKELETONS := $(patsubst %.bpf.c,$(BUILD)/%.skel.h,$(wildcard tests/support/*.bpf.c))
# Scenarios drive the program from outside; of its code they use what is common to all.
SCENARIO_OBJECTS := $(TEST_SUPPORT) $(filter $(BUILD)/supervisor/lib/%,$(LIBRARY_OBJECTS))

# Nodes and clients to test with: each folder tests/nodes/X is one C program; of ours it has libinterrex, as any node may.
NODES := $(patsubst tests/nodes/%/,$(BUILD)/tests/nodes/%,$(wildcard tests/nodes/*/))
GO := $(shell command -v go)
ifneq ($(GO),)
NODES += $(BUILD)/tests/nodes/testnode-go
endif

.PHONY: nodes tests check-unit check-mechanisms check-kernel check-scenario
nodes: $(NODES)
tests: $(UNIT_TESTS) $(KERNEL_TESTS) $(SCENARIO_TESTS) $(NODES)

.SECONDEXPANSION:
$(BUILD)/tests/nodes/%: $$(wildcard tests/nodes/%/*.c tests/nodes/%/*.h) $(BUILD)/libinterrex.a
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -Iinclude -o $@ $(filter %.c %.a,$^) -lpthread

$(BUILD)/tests/nodes/testnode-go: tests/nodes/testnode.go
	@mkdir -p $(@D)
	$(call quiet,GO)GO111MODULE=off $(GO) build -o $@ $<

# Else make takes them for intermediate files, and removes them after building a test alone.
.SECONDARY: $(TEST_SKELETONS)

$(TEST_SUPPORT_OBJECTS): IX_CFLAGS += -Itests -isystem $(BUILD)/tests/support
$(TEST_SUPPORT_OBJECTS): | $(TEST_SKELETONS)
$(TEST_SKELETONS:.skel.h=.bpf.o): $(wildcard tests/support/*.h)

$(TEST_SUPPORT): $(TEST_SUPPORT_OBJECTS)
	$(call quiet,AR)rm -f $@ && ar rcs $@ $^

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIBRARY_OBJECTS) $(TEST_SUPPORT) $(BUILD)/libinterrex.a
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(IX_CFLAGS) -Itests $(IX_LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY_OBJECTS) $(BUILD)/libinterrex.a $(IX_LIBS) \
	  -lcmocka

$(BUILD)/tests/kernel/%: tests/kernel/%.c $(LIBRARY_OBJECTS) $(TEST_SUPPORT)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(IX_CFLAGS) -Itests $(IX_LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY_OBJECTS) $(IX_LIBS) -lcmocka

$(BUILD)/tests/scenario/%: tests/scenario/%.c $(SCENARIO_OBJECTS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(IX_CFLAGS) -Itests $(IX_LDFLAGS) -o $@ $< $(SCENARIO_OBJECTS) $(IX_LIBS) -lcmocka

check-unit: $(UNIT_TESTS)
	@set -e; for t in $^; do $$t; done

check-mechanisms: $(KERNEL_TESTS)
	@set -e; for t in $^; do $$t; done

# PROGRAMS="test_faults test_snapshot": only these; TEST='I5_*': only these tests of them.
check-kernel: $(KERNEL_TESTS) $(SCENARIO_TESTS) $(BUILD)/interrex $(NODES)
	@TEST='$(TEST)' tests/qemu/check-kernel $(BUILD) $(PROGRAMS)

check-scenario: $(SCENARIO_TESTS) $(BUILD)/interrex $(NODES)
	@set -e; for t in $(SCENARIO_TESTS); do INTERREX=$(BUILD)/interrex $$t; done

-include $(TEST_SUPPORT_OBJECTS:.o=.d)

include tests/bench/bench.mk
include tests/analysis/analysis.mk
