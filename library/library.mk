# libinterrex, for nodes: build/libinterrex.a, build/libinterrex.so.0 and its link, and pkg-config's file for this tree
# (PKG_CONFIG_PATH=build). It needs nothing but libc, and none of the supervisor's code or flags.
LIBINTERREX_SOURCES := $(wildcard library/*.c)
LIBINTERREX_OBJECTS := $(LIBINTERREX_SOURCES:%.c=$(BUILD)/%.o)
LIBINTERREX_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -fstack-protector-strong -fPIC -fvisibility=hidden -Iinclude

# A library cannot bring what its sanitizers need; the program that is linked with it does.
LIBINTERREX_LDFLAGS = -Wl,-soname,libinterrex.so.0 -Wl,--version-script=library/interrex.map -Wl,-z,relro,-z,now
ifndef SANITIZED
LIBINTERREX_LDFLAGS += -Wl,-z,defs
endif

.PHONY: library
library: $(BUILD)/libinterrex.a $(BUILD)/libinterrex.so.0 $(BUILD)/libinterrex.so $(BUILD)/interrex-uninstalled.pc

$(LIBINTERREX_OBJECTS): $(BUILD)/library/%.o: library/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) $(LIBINTERREX_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libinterrex.a: $(LIBINTERREX_OBJECTS)
	$(call quiet,AR)rm -f $@ && ar rcs $@ $^

$(BUILD)/libinterrex.so.0: $(LIBINTERREX_OBJECTS) library/interrex.map
	$(call quiet,LINK)$(CC) $(CFLAGS) -shared $(LIBINTERREX_LDFLAGS) $(LDFLAGS) -o $@ $(LIBINTERREX_OBJECTS) -pthread

$(BUILD)/libinterrex.so: $(BUILD)/libinterrex.so.0
	$(call quiet,LN)ln -sf libinterrex.so.0 $@

$(BUILD)/interrex-uninstalled.pc: library/interrex.pc.in VERSION
	@mkdir -p $(@D)
	$(call quiet,GEN)sed 's|@PREFIX@|$(CURDIR)|; s|@INCLUDEDIR@|$(CURDIR)/include|; s|@LIBDIR@|$(abspath $(BUILD))|; s|@VERSION@|$(VERSION)|' $< > $@

-include $(LIBINTERREX_OBJECTS:.o=.d)
