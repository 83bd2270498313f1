#: make install         into DESTDIR and PREFIX
#: make deb, make rpm   packages, into build/package
# make install DESTDIR=, make deb, make rpm. Works included from the Makefile and by itself (make -f packaging/packaging.mk deb).
BUILD ?= build
VERSION ?= $(shell cat VERSION)
PREFIX ?= /usr
LIBDIR ?= $(PREFIX)/lib
UNITDIR ?= $(PREFIX)/lib/systemd/system
INSTALL ?= install
PACKAGE_DIR := $(abspath $(BUILD))/package
SOURCE_COPY := $(PACKAGE_DIR)/interrex-$(VERSION)
# The same sources make the same bytes: all times in the packages are the last commit's, or the changelog's without git.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || dpkg-parsechangelog -l packaging/debian/changelog -S Timestamp)
export SOURCE_DATE_EPOCH

.PHONY: install deb rpm package-source

# Without prerequisites on purpose: dh and rpmbuild have built already, perhaps as another user.
install:
	@test -x $(BUILD)/interrex && test -e $(BUILD)/libinterrex.so.0 || { echo "install: there is no $(BUILD)/interrex or no library beside it; run make first" >&2; exit 1; }
	$(INSTALL) -d $(DESTDIR)/etc/interrex
	$(INSTALL) -D -m 0755 $(BUILD)/interrex $(DESTDIR)$(PREFIX)/bin/interrex
	$(INSTALL) -D -m 0644 packaging/systemd/interrex@.service $(DESTDIR)$(UNITDIR)/interrex@.service
	$(INSTALL) -D -m 0644 packaging/systemd/interrex.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/interrex.conf
	$(INSTALL) -D -m 0644 packaging/man/interrex.1 $(DESTDIR)$(PREFIX)/share/man/man1/interrex.1
	$(INSTALL) -D -m 0644 packaging/man/interrex.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/interrex.yaml.5
	$(INSTALL) -D -m 0644 packaging/man/interrex.3 $(DESTDIR)$(PREFIX)/share/man/man3/interrex.3
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/include/interrex $(DESTDIR)$(LIBDIR)/pkgconfig
	$(INSTALL) -m 0644 include/interrex/*.h $(DESTDIR)$(PREFIX)/include/interrex
	$(INSTALL) -m 0644 $(BUILD)/libinterrex.a $(BUILD)/libinterrex.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libinterrex.so.0 $(DESTDIR)$(LIBDIR)/libinterrex.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@INCLUDEDIR@|$(PREFIX)/include|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' \
	  library/interrex.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/interrex.pc && chmod 0644 $(DESTDIR)$(LIBDIR)/pkgconfig/interrex.pc
	$(INSTALL) -D -m 0644 packaging/completion/interrex.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/interrex
	cd examples && find . -type f | LC_ALL=C sort | while read -r file; do \
	  mode=0644; test ! -x "$$file" || mode=0755; \
	  $(INSTALL) -D -m $$mode "$$file" "$(DESTDIR)$(PREFIX)/share/doc/interrex/examples/$$file" || exit 1; done

# Packages are built in a copy, so that the tree stays as it is and nothing of an earlier build gets in.
package-source:
	@test ! -e .git || git diff --quiet HEAD || echo "package: the tree has changes that are in no commit; they are packaged too" >&2
	rm -rf $(SOURCE_COPY) && mkdir -p $(SOURCE_COPY)
	tar -c --exclude=./build --exclude=./.git --exclude='./*.deb' --exclude='./*.rpm' . | tar -x -C $(SOURCE_COPY)

deb: package-source
	@test "$$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" = "$(VERSION)" || \
	  { echo "deb: packaging/debian/changelog is not about version $(VERSION); add an entry for it" >&2; exit 1; }
	cp -r $(SOURCE_COPY)/packaging/debian $(SOURCE_COPY)/debian
	cd $(SOURCE_COPY) && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD dpkg-buildpackage --build=binary --no-sign
	@rm -rf $(SOURCE_COPY)
	@ls $(PACKAGE_DIR)/*.deb

rpm: package-source
	tar -c --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner -C $(PACKAGE_DIR) \
	  interrex-$(VERSION) | gzip -n > $(PACKAGE_DIR)/interrex-$(VERSION).tar.gz
	rm -rf $(SOURCE_COPY) $(PACKAGE_DIR)/rpmbuild
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD rpmbuild -bb --nodeps --define "_topdir $(PACKAGE_DIR)/rpmbuild" \
	  --define "_sourcedir $(PACKAGE_DIR)" --define "_rpmdir $(PACKAGE_DIR)" --define "interrex_version $(VERSION)" \
	  packaging/rpm/interrex.spec
	@rm -rf $(PACKAGE_DIR)/rpmbuild
	@ls $(PACKAGE_DIR)/*/*.rpm
