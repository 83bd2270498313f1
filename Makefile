# make help says what can be made.
#: make                 build into build/ (V=1 shows the commands)
#: make demo            the main job on a real node (./setup demo installs what it needs first)
#: make check           every test that runs on this machine within minutes (./setup check likewise)
#: make check-sim       the simulator alone
#: make clean           remove build/
CC = gcc
CLANG = clang
BPFTOOL = $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
BUILD = build
# One short line for what is built; V=1 shows the commands.
quiet = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' '$(1)' '$@' && )
VERSION := $(shell cat VERSION)
MULTIARCH := $(shell $(CC) -print-multiarch)
ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')

PACKAGES = libbpf libelf libseccomp libcap libsystemd yaml-0.1 jansson libsodium sqlite3
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wno-format-truncation -Werror
CFLAGS ?= -O2 -g
IX_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DINTERREX_VERSION='"$(VERSION)"' $(WARNINGS) -fno-strict-aliasing -fstack-protector-strong \
  -D_FORTIFY_SOURCE=2 -fPIE -isystem $(BUILD)/bpf -Ibpf -Iinclude -Isupervisor $(shell pkg-config --cflags $(PACKAGES))
IX_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
IX_LIBS = $(shell pkg-config --libs $(PACKAGES)) -lpthread

SOURCES := $(wildcard supervisor/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
BPF_SOURCES := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SOURCES:bpf/%.bpf.c=$(BUILD)/bpf/%.skel.h)
# Else make takes them for intermediate files, and removes them in front of everybody when all is built.
.SECONDARY: $(SKELETONS) $(SKELETONS:.skel.h=.bpf.o)
# What tests link against: everything but the program's own main().
LIBRARY_OBJECTS := $(filter-out $(BUILD)/supervisor/cli/main.o,$(OBJECTS))

.PHONY: all clean demo check check-sim help
all: $(BUILD)/interrex library nodes

$(BUILD)/interrex: $(OBJECTS)
	$(call quiet,LINK)$(CC) $(CFLAGS) $(IX_LDFLAGS) -o $@ $^ $(IX_LIBS)

$(BUILD)/%.bpf.o: %.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	$(call quiet,BPF)$(CLANG) -O2 -g -target bpf -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Werror -I/usr/include/$(MULTIARCH) -Ibpf -c $< -o $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call quiet,SKEL)$(BPFTOOL) gen skeleton $< name $(subst -,_,$(notdir $*))_bpf > $@.tmp && mv $@.tmp $@

$(BUILD)/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(IX_CFLAGS) -MD -MP -c $< -o $@

-include $(OBJECTS:.o=.d)
include library/library.mk
include tests/tests.mk
include packaging/packaging.mk

demo: all
	@INTERREX=$(abspath $(BUILD))/interrex examples/anvil/demo

# Everything that runs on this machine within minutes. Apart: check-kernel (Debian 12's own kernel in QEMU), check-static, fuzz.
check: all tests check-sim
	@tests/run-all $(BUILD)

$(BUILD)/tests/sim/simulate_machine: $(wildcard tests/sim/*.c tests/sim/*.h) $(LIBRARY_OBJECTS)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(CFLAGS) $(IX_CFLAGS) $(IX_LDFLAGS) -o $@ $(filter %.c,$^) $(filter $(BUILD)/supervisor/director/machine%.o $(BUILD)/supervisor/lib/base.o,$(LIBRARY_OBJECTS))

check-sim: $(BUILD)/tests/sim/simulate_machine
	@$< 200000

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

clean:
	rm -rf $(BUILD)
