#: make bench           benchmarks: side by side, ratios with their spread
# Benchmarks: apart from the tests, and none fails for being slow. Each prints medians with their spread.
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/bench_*.c))

.PHONY: bench
bench: $(BENCHES) $(BUILD)/interrex $(NODES)
	@for b in $(BENCHES); do INTERREX=$(BUILD)/interrex $$b 2>&1 | grep -v '^\[' || exit 1; done

$(BUILD)/tests/bench/%: tests/bench/%.c tests/bench/spread.c tests/bench/spread.h $(SCENARIO_OBJECTS) $(SKELETONS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(IX_CFLAGS) -Itests $(IX_LDFLAGS) -o $@ $< tests/bench/spread.c $(SCENARIO_OBJECTS) $(IX_LIBS) -lcmocka -lpthread
