# Analysis: what finds mistakes without a test for them. Debian packages: clang clang-tidy clang-format cppcheck valgrind.
# make check-static: clang-format, clang-tidy, cppcheck, gcc -fanalyzer. Findings of a file are asked for again when it changes.
# make check-sanitize: all under AddressSanitizer and UBSan. make check-valgrind: unit tests. make fuzz: FUZZ_SECONDS each (60).
ANALYSIS := $(BUILD)/analysis
FORMATTED = $(wildcard $(foreach folder,supervisor/* bpf tests/*,$(folder)/*.c $(folder)/*.h) tests/nodes/*/*.c tests/nodes/*/*.h)
ANALYSIS_HEADERS := $(wildcard supervisor/*/*.h bpf/*.h)
# Our own warnings are gcc's; clang-tidy would complain of those that it does not have.
TIDY_CFLAGS = $(filter-out -W%,$(IX_CFLAGS))
BPF_CFLAGS = -target bpf -D__TARGET_ARCH_$(ARCH) -I/usr/include/$(MULTIARCH) -Ibpf

.PHONY: check-static check-format check-tidy check-cppcheck check-analyzer
check-static: check-format check-tidy check-cppcheck check-analyzer

check-format:
	@clang-format --dry-run -Werror $(FORMATTED)

check-tidy: $(SOURCES:%=$(ANALYSIS)/%.tidy) $(BPF_SOURCES:%=$(ANALYSIS)/%.tidy)

# One file for each run: clang-tidy 14 forgets va_start() in the second.
$(ANALYSIS)/supervisor/%.tidy: supervisor/% $(ANALYSIS_HEADERS) .clang-tidy | $(SKELETONS)
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(TIDY_CFLAGS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

$(ANALYSIS)/bpf/%.tidy: bpf/% $(ANALYSIS_HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(BPF_CFLAGS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

check-cppcheck: | $(SKELETONS)
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,style,performance,portability --std=c11 \
	  --library=posix,gnu,tests/analysis/cppcheck-library.xml --suppressions-list=tests/analysis/cppcheck-suppressions.txt \
	  -D_GNU_SOURCE -D__x86_64__ -DINTERREX_VERSION='"$(VERSION)"' -Isupervisor -Ibpf supervisor bpf

check-analyzer: $(SOURCES:%=$(ANALYSIS)/%.analyzer)

# Of gcc 12's analyzer only what follows a value through its scope's end; its guesses about other files' functions are wrong.
$(ANALYSIS)/%.analyzer: % $(ANALYSIS_HEADERS) | $(SKELETONS)
	@mkdir -p $(@D)
	@$(CC) -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-mismatching-deallocation -Wno-analyzer-null-argument \
	  -Wno-analyzer-null-dereference -Wno-analyzer-use-of-uninitialized-value $(IX_CFLAGS) -c -o $@.o $<
	@rm $@.o && touch $@
