#: make check-static    clang-format, clang-tidy, cppcheck, gcc -fanalyzer
#: make check-sanitize  all tests under AddressSanitizer and UBSan
#: make check-valgrind  unit tests under valgrind
#: make fuzz            each fuzzer for FUZZ_SECONDS (60)
# Analysis: what finds mistakes without a test for them. Debian packages: clang clang-tidy clang-format cppcheck valgrind.
# make check-static: clang-format, clang-tidy, cppcheck, gcc -fanalyzer. Findings of a file are asked for again when it changes.
# make check-sanitize: all under AddressSanitizer and UBSan. make check-valgrind: unit tests. make fuzz: FUZZ_SECONDS each (60).
ANALYSIS := $(BUILD)/analysis
FORMATTED = $(wildcard $(foreach folder,supervisor/* bpf library include/* tests/*,$(folder)/*.c $(folder)/*.h) tests/nodes/*/*.c tests/nodes/*/*.h)
ANALYSIS_HEADERS := $(wildcard supervisor/*/*.h bpf/*.h include/*/*.h)
# Our own warnings are gcc's; clang-tidy would complain of those that it does not have.
TIDY_CFLAGS = $(filter-out -W%,$(IX_CFLAGS))
BPF_CFLAGS = -target bpf -D__TARGET_ARCH_$(ARCH) -I/usr/include/$(MULTIARCH) -Ibpf

.PHONY: check-static check-format check-tidy check-cppcheck check-analyzer
check-static: check-format check-tidy check-cppcheck check-analyzer

check-format:
	@clang-format --dry-run -Werror $(FORMATTED)

check-tidy: $(SOURCES:%=$(ANALYSIS)/%.tidy) $(LIBINTERREX_SOURCES:%=$(ANALYSIS)/%.tidy) $(BPF_SOURCES:%=$(ANALYSIS)/%.tidy)

# One file for each run: clang-tidy 14 forgets va_start() in the second.
$(ANALYSIS)/supervisor/%.tidy: supervisor/% $(ANALYSIS_HEADERS) .clang-tidy | $(SKELETONS)
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(TIDY_CFLAGS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

$(ANALYSIS)/library/%.tidy: library/% $(ANALYSIS_HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(filter-out -W%,$(LIBINTERREX_CFLAGS)) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

$(ANALYSIS)/bpf/%.tidy: bpf/% $(ANALYSIS_HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(BPF_CFLAGS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

check-cppcheck: | $(SKELETONS)
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,style,performance,portability --std=c11 \
	  --library=posix,gnu,tests/analysis/cppcheck-library.xml --suppressions-list=tests/analysis/cppcheck-suppressions.txt \
	  -D_GNU_SOURCE -D__x86_64__ -DINTERREX_VERSION='"$(VERSION)"' -Iinclude -Isupervisor -Ibpf supervisor bpf library

check-analyzer: $(SOURCES:%=$(ANALYSIS)/%.analyzer) $(LIBINTERREX_SOURCES:%=$(ANALYSIS)/%.analyzer)

# Of gcc 12's analyzer only what follows a value through its scope's end; its guesses about other files' functions are wrong.
$(ANALYSIS)/%.analyzer: % $(ANALYSIS_HEADERS) | $(SKELETONS)
	@mkdir -p $(@D)
	@$(CC) -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-mismatching-deallocation -Wno-analyzer-null-argument \
	  -Wno-analyzer-null-dereference -Wno-analyzer-use-of-uninitialized-value $(IX_CFLAGS) -c -o $@.o $<
	@rm $@.o && touch $@

.PHONY: check-sanitize check-valgrind fuzz sanitized-tests sanitized-fuzzers
# Kernel and scenario tests too: the roles' own processes run sanitised, sandboxes and all.
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZED_LIVES = 20000
FUZZ_SECONDS = 60
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SEEDS := $(patsubst examples/%.yaml,$(BUILD)/tests/fuzz/fuzz_config.corpus/%.yaml,$(wildcard examples/*/*.yaml)) \
  $(BUILD)/tests/fuzz/fuzz_symbols.corpus/elf $(BUILD)/tests/fuzz/fuzz_watches.corpus/words

# clang, because its sanitizers share one file of reports; gcc's do not.
check-sanitize:
	@$(MAKE) BUILD=$(BUILD)/sanitize CC=$(CLANG) WARNINGS= CFLAGS='-O1 -g -fno-omit-frame-pointer $(SANITIZERS)' SANITIZED=1 sanitized-tests
	@$(MAKE) fuzz FUZZ_SECONDS=5

fuzz:
	@$(MAKE) BUILD=$(BUILD)/fuzz CC=$(CLANG) WARNINGS= SANITIZED=1 FUZZ_SECONDS=$(FUZZ_SECONDS) \
	  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link $(SANITIZERS)' sanitized-fuzzers

REPORTS = $(abspath $(BUILD))/reports
ifdef SANITIZED
# Fortified calls go past the sanitizers.
IX_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(IX_CFLAGS)) -DINTERREX_SANITIZED
$(BUILD)/interrex: $(BUILD)/tests/analysis/sanitizer_reports.o
$(BUILD)/tests/analysis/sanitizer_reports.o: IX_CFLAGS += -DSANITIZER_REPORTS='"$(REPORTS)"'
endif

sanitized-tests: all tests $(BUILD)/tests/sim/simulate_machine
	@install -m 666 /dev/null $(REPORTS)
	@$(BUILD)/tests/sim/simulate_machine $(SANITIZED_LIVES)
	@ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 INTERREX_TEST_PATIENCE=3 tests/run-all $(BUILD)
	@! grep . $(REPORTS)

# What a run finds is kept in the build, and tried first by the next one; an input that fails is named X.crash-*.
sanitized-fuzzers: $(FUZZERS) $(FUZZ_SEEDS)
	@set -e; for fuzzer in $(FUZZERS); do mkdir -p $$fuzzer.corpus; \
	  $$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -print_final_stats=1 -artifact_prefix=$$fuzzer. \
	    $$fuzzer.corpus >$$fuzzer.log 2>&1 || { tail -n 60 $$fuzzer.log >&2; exit 1; }; \
	  sed -n "s/^stat::number_of_executed_units: */$$(basename $$fuzzer): inputs without a failure: /p" $$fuzzer.log; done

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIBRARY_OBJECTS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(IX_CFLAGS) -fsanitize=fuzzer $(IX_LDFLAGS) -o $@ $< $(LIBRARY_OBJECTS) $(IX_LIBS)

$(BUILD)/tests/fuzz/fuzz_config.corpus/%.yaml: examples/%.yaml
	@mkdir -p $(@D)
	@cp $< $@

# Chance alone makes no ELF file: a small one to start from, after the argument and the name that are looked for.
$(BUILD)/tests/fuzz/fuzz_symbols.corpus/elf:
	@mkdir -p $(@D)
	@echo 'int commit_block(int height) { return height; }' | \
	  $(CC) -shared -nostdlib -Wl,-z,noseparate-code,-z,max-page-size=16,--build-id=none -x c -o $@.so -
	@{ printf '\001\014commit_block'; cat $@.so; } >$@ && rm $@.so

# Each word that is looked for, to the notify socket or as output: so often that all is full if nobody reads.
$(BUILD)/tests/fuzz/fuzz_watches.corpus/words:
	@mkdir -p $(@D)
	@for word in 'READY=1' 'STOPPING=1' 'STATUS=a' 'X_INTERREX_HEIGHT=7' 'X_INTERREX_GATE=8' 'X_INTERREX_GATE=attached'; do \
	  printf "\\375\\$$(printf %03o $${#word})%s" "$$word"; done >$@
	@printf '\376\012height=12\n\376\012halt at 9\n\003\012X_INTERREX' >>$@

# System calls that Debian's valgrind 3.19 does not know, and the tests that end there: by openat2(2) a release is added, by
# pidfd_open(2) the end of a command is waited for, which valgrind would not look into anyway.
VALGRIND_LACKS = openat2 pidfd_open
LACKING_openat2 = test_gate_users test_plan test_plan_ahead test_release test_release_identity test_release_trust
LACKING_pidfd_open = test_cli test_cli_words test_cosmovisor

check-valgrind: $(filter-out $(foreach call,$(VALGRIND_LACKS),$(LACKING_$(call):%=$(BUILD)/tests/unit/%)),$(UNIT_TESTS))
	@$(foreach call,$(VALGRIND_LACKS),echo "skipped under valgrind: $(LACKING_$(call)) (valgrind 3.19 does not know $(call))";)
	@failed=; for t in $^; do \
	  valgrind --quiet --suppressions=tests/analysis/valgrind-suppressions.txt --leak-check=full --show-leak-kinds=definite,indirect,possible \
	    --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 $$t || failed="$$failed $$t"; done; \
	  [ -z "$$failed" ] || { echo "valgrind finds errors in$$failed" >&2; exit 1; }
