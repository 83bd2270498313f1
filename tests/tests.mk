# Test programs: tests/unit/test_X.c and tests/kernel/test_X.c each become build/tests/{unit,kernel}/test_X.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
KERNEL_TESTS := $(patsubst tests/kernel/%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/test_*.c))
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
NODES := $(patsubst tests/nodes/%.c,$(BUILD)/tests/nodes/%,$(wildcard tests/nodes/*.c))

.PHONY: nodes tests
nodes: $(NODES)
tests: $(UNIT_TESTS) $(KERNEL_TESTS) $(NODES)

$(BUILD)/tests/nodes/%: tests/nodes/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -o $@ $< -lpthread

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIBRARY_OBJECTS) $(TEST_SUPPORT)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(IX_CFLAGS) -Itests $(IX_LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY_OBJECTS) $(IX_LIBS) -lcmocka

$(BUILD)/tests/kernel/%: tests/kernel/%.c $(LIBRARY_OBJECTS) $(TEST_SUPPORT)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(IX_CFLAGS) -Itests $(IX_LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY_OBJECTS) $(IX_LIBS) -lcmocka

check-unit: $(UNIT_TESTS)
	@set -e; for t in $^; do $$t; done
