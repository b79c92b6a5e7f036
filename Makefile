# watchlet: see README.md, docs/tour.md
#
#   make, make router, make tiny    build/watchlet, build/router/…, build/tiny/…
#   make run                        show events live
#   make check                      tests (CHECK_DEPS=1 as root installs what they need;
#                                   CHECK_JOBS=2: of two builds at once)
#   make check-asan                 all tests under ASan and UBSan; check has some of them
#   make check-truncation           ... under clang's check of implicit conversions
#   make check-valgrind             ... under valgrind
#   make analyze                    gcc -fanalyzer, clang-tidy, cppcheck, -Wconversion
#   make check-boot                 real kernels in QEMU
#   make sizes, make bench          figures
#   make install DESTDIR= PREFIX=   binary, links, man pages
#   make dist URL=                  a tarball, and the packages' files that fit it
#   make busybox BUSYBOX=dir        put the applet into a BusyBox source tree
#
# Any option or size of Config.in is a variable:
#   make BUILD=out CONFIG_FEATURE_WATCHLET_TREE=n CONFIG_WATCHLET_MAX_PATHS=16
# or is kept in .config, over which variables win:
#   make menuconfig, make nconfig, make oldconfig     (need kconfig-frontends)
#   make defconfig, router_defconfig, tiny_defconfig  start anew
#   make olddefconfig                                 what is new at its default
#   make savedefconfig                                defconfig: what differs

BUILD = build
PREFIX = /usr
DESTDIR =
VERSION = 0.1
URL = https://example.org/watchlet
# full, router or tiny: what `make` and `make install` make. Options win over it
PRESET = full
# n: a dynamic binary, hardened or not as CFLAGS and LDFLAGS say
STATIC = y

# musl-gcc when it is there, else the C compiler with its own libc
ifeq ($(origin CC),default)
CC := $(shell command -v musl-gcc || echo cc)
endif
NM = nm
# the compiler's own; empty: keep the symbols, for a packager who strips
STRIP = $(shell $(CC) -print-prog-name=strip) -s -R .comment -R .eh_frame
# -Os, and what the compiler has of these that make it smaller
CFLAGS := -Os $(shell for f in -Oz -fno-thread-jumps; do \
	$(CC) -Werror $$f -S -x c -o /dev/null /dev/null 2>/dev/null && echo $$f; done)
WARN = -Wall -Wextra -Wundef -Wdeclaration-after-statement -Wold-style-definition \
	-Wstrict-prototypes -Wshadow -Wvla
ALL_CFLAGS = -std=gnu99 -funsigned-char -fno-builtin-printf -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-stack-protector \
	-fomit-frame-pointer $(STATIC_CFLAGS) $(WARN) $(CPPFLAGS) $(CFLAGS)
ifeq ($(STATIC),y)
STATIC_CFLAGS = -fno-pie
STATIC_LDFLAGS = -static -Wl,--build-id=none -Wl,-z,norelro \
	-Wl,-z,noseparate-code -Wl,-z,common-page-size=16
else
STATIC_LDFLAGS = $(CFLAGS)
endif
ALL_LDFLAGS = $(STATIC_LDFLAGS) -Wl,--gc-sections $(LDFLAGS)

# ----- the configuration: //config: blocks of the applet, and the command line

APPLET = applet/watchlet.c
LIBBB = applet/standalone/libbb.c
# what make menuconfig writes; read when it is there
KCONFIG_CONFIG = .config
# the preset; then every CONFIG_ of the command line, and those of the environment
# that are ours. They win over .config
OPTIONS = $(shell sed -n 's@^//config:config @CONFIG_@p' $(APPLET))
SETTINGS = $(PRESET_$(PRESET)) $(foreach v,$(filter CONFIG_%,$(.VARIABLES)),\
	$(if $(filter environment,$(origin $(v))),$(if $(filter $(v),$(OPTIONS)),$(v)=$($(v))),$(v)=$($(v))))
TINY = CONFIG_WATCHLET=n $(shell sed -n 's@^//config:config \(FEATURE_WATCHLET_.*\)@CONFIG_\1=n@p' $(APPLET))
ROUTER = $(shell sed -n 's@^//config:config \(WATCHLET_INOTIFYWAIT\)@CONFIG_\1=n@p' $(APPLET))
PRESET_router = $(ROUTER)
PRESET_tiny = $(TINY)
ifeq ($(filter full router tiny,$(PRESET)),)
$(error PRESET=$(PRESET): is full, router or tiny)
endif

.DEFAULT_GOAL = all
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all router tiny asan analyze FORCE run recording check check-asan check-truncation check-valgrind check-boot check-generated generated sizes sizes-doc bench bench-doc busybox install dist clean cross check-cross \
	menuconfig nconfig oldconfig defconfig router_defconfig tiny_defconfig olddefconfig savedefconfig

all: $(BUILD)/watchlet
router:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/router $(ROUTER) all
tiny:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tiny $(TINY) all

# full, with ASan and UBSan (-fsanitize=undefined has alignment, bounds, shifts …), which
# need a libc that is not musl
ASAN_CC = gcc
ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all
asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CC='$(ASAN_CC)' STATIC=n STRIP= \
		CFLAGS='-O1 -g -fno-omit-frame-pointer $(ASAN_FLAGS)' LDFLAGS='$(ASAN_FLAGS)' all

# written only when it changes, so that nothing is built in vain
$(BUILD)/autoconf.h: $(APPLET) scripts/autoconf FORCE
	@mkdir -p $(BUILD)
	@sh scripts/autoconf -c '$(KCONFIG_CONFIG)' $(APPLET) $(SETTINGS) > $@.new
	@cmp -s $@.new $@ || mv $@.new $@; rm -f $@.new

$(BUILD)/usage.h: $(APPLET) scripts/usage
	@mkdir -p $(BUILD)
	@sh scripts/usage $(APPLET) > $@

# what was built in, for tests/run
$(BUILD)/features: $(BUILD)/autoconf.h $(BUILD)/flags
	@sed -n 's/^#define ENABLE_FEATURE_WATCHLET_\(.*\) 1$$/\1/p; s/^#define ENABLE_WATCHLET_\(INOTIFYWAIT\) 1$$/\1/p' $< | tr '\n' ' ' > $@
	@$(if $(findstring -fsanitize,$(CFLAGS)),echo 'SANITIZED ' >> $@,:)

$(BUILD)/%.o: applet/%.c applet/standalone/libbb.h $(BUILD)/autoconf.h $(BUILD)/flags
	$(CC) $(ALL_CFLAGS) -I$(BUILD) -Iapplet/standalone -c -o $@ $<
$(BUILD)/libbb.o: $(LIBBB) applet/standalone/libbb.h $(BUILD)/autoconf.h $(BUILD)/usage.h $(BUILD)/flags
	$(CC) $(ALL_CFLAGS) -I$(BUILD) -Iapplet/standalone -c -o $@ $<

# it is what the compiler's built-in functions would call
$(BUILD)/small.o: applet/standalone/small.c applet/standalone/libbb.h $(BUILD)/autoconf.h $(BUILD)/flags
	$(CC) $(ALL_CFLAGS) -fno-builtin -I$(BUILD) -Iapplet/standalone -c -o $@ $<

# another compiler or other flags build anew
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@.new
	@cmp -s $@.new $@ || mv $@.new $@; rm -f $@.new

$(BUILD)/watchlet.unstripped: $(BUILD)/watchlet.o $(BUILD)/libbb.o $(BUILD)/small.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^
$(BUILD)/watchlet: $(BUILD)/watchlet.unstripped $(BUILD)/features
	$(if $(STRIP),$(STRIP) -o $@ $<,cp $< $@)
	@ln -sf watchlet $(BUILD)/inotifyd
	@if grep -q INOTIFYWAIT $(BUILD)/features; then ln -sf watchlet $(BUILD)/inotifywait; else rm -f $(BUILD)/inotifywait; fi

# ----- .config, in the habit of such projects

menuconfig nconfig oldconfig:
	@sh scripts/kconfig $@ '$(KCONFIG_CONFIG)'
defconfig:
	@sh scripts/kconfig $@ '$(KCONFIG_CONFIG)' $(APPLET) $(SETTINGS)
router_defconfig:
	@sh scripts/kconfig defconfig '$(KCONFIG_CONFIG)' $(APPLET) $(ROUTER) $(SETTINGS)
tiny_defconfig:
	@sh scripts/kconfig defconfig '$(KCONFIG_CONFIG)' $(APPLET) $(TINY) $(SETTINGS)
olddefconfig savedefconfig:
	@sh scripts/kconfig $@ '$(KCONFIG_CONFIG)' $(APPLET) $(SETTINGS)

# ----- generated files that are kept in the repository

Config.in: $(APPLET) scripts/config-in
	@sh scripts/config-in $(APPLET) > $@
generated: Config.in

# Config.in, and the help of the binary, say what the blocks say
check-generated: $(BUILD)/watchlet
	@sh scripts/config-in $(APPLET) | diff -u Config.in - || \
		{ echo 'Config.in differs from the //config: blocks: make generated' >&2; exit 1; }
	@sh scripts/usage $(APPLET) | cmp -s $(BUILD)/usage.h - || \
		{ echo '$(BUILD)/usage.h differs from the //usage: blocks: make' >&2; exit 1; }
	@sh scripts/help $(APPLET) $(BUILD)/autoconf.h > $(BUILD)/help.expected
	@$(BUILD)/watchlet --help | diff -u $(BUILD)/help.expected - || \
		{ echo '--help differs from the //usage: blocks' >&2; exit 1; }

# ----- use

# docs/run.svg: what `make run` shows
recording: all
	@sh scripts/demo $(BUILD)/watchlet < /dev/null | sh scripts/svg > docs/run.svg.new
	@mv docs/run.svg.new docs/run.svg

run: all
	@sh scripts/demo $(BUILD)/watchlet

# Builds that are tested at once, beside the fuzzers and what boots. Two take less time,
# but on two cores they are in each other's way
CHECK_JOBS = 1

# The real BusyBox is built from source first, where that can be had (77: not)
check:
ifeq ($(CHECK_DEPS),1)
	@sh tests/deps
endif
	@$(MAKE) --no-print-directory all router tiny
	@sh tests/busybox/build orig ours router router-tiny router-preset nommu patched || [ $$? = 77 ]
	@sh tests/boot/build amd64 mipsel s390x || [ $$? = 77 ]
	@sh tests/cross/build mipsel armhf arm64 s390x || [ $$? = 77 ]
	@sh tests/run -j $(CHECK_JOBS)
	@$(MAKE) --no-print-directory asan
	@ASAN_OPTIONS=detect_leaks=0 sh tests/run -s asan=$(BUILD)/asan $(ASAN_FILES)

# There is no heap to leak, and the search for leaks doesn't work under strace
ASAN_FILES = fuse hostile limits masks options records
check-asan: all asan
	@ASAN_OPTIONS=detect_leaks=0 sh tests/run -s asan=$(BUILD)/asan

# No implicit conversion to a narrower type changes a value while the tests run
TRUNC_FLAGS = -fsanitize=undefined,implicit-unsigned-integer-truncation,implicit-signed-integer-truncation \
	-fno-sanitize-recover=all
check-truncation:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/truncation CC=clang STATIC=n STRIP= \
		CFLAGS='-O1 -g $(TRUNC_FLAGS)' LDFLAGS='$(TRUNC_FLAGS)' all
	@sh tests/run -s truncation=$(BUILD)/truncation

# ... nor a value that nobody set, and no call gets one
check-valgrind: all
	@sh tests/valgrind $(BUILD)

analyze: $(BUILD)/autoconf.h $(BUILD)/usage.h
	@sh scripts/analyze $(BUILD)

# Build for another architecture: make cross ARCH=mipsel; test all under qemu-user
CROSS = mipsel mips armel armhf arm64 i386 ppc64el s390x
cross:
	@sh tests/cross/build $(or $(ARCH),$(CROSS))
check-cross:
	@sh tests/cross/build $(CROSS)
	@sh tests/run -j $(CHECK_JOBS) $(foreach a,$(CROSS),-s $(a)=build/cross/$(a))

# Real kernels, in QEMU: all five; "make check" boots three
check-boot:
ifeq ($(CHECK_DEPS),1)
	@sh tests/deps qemu-system-x86 qemu-system-arm qemu-system-mips qemu-system-misc cpio f2fs-tools exfatprogs samba
endif
	@sh tests/boot/build || [ $$? = 77 ]
	@sh tests/boot/run all

sizes: all router tiny
	@sh scripts/sizes $(BUILD)

sizes-doc:
	@sh scripts/sizes-doc > docs/sizes.md.new && mv docs/sizes.md.new docs/sizes.md

bench: all
	@sh tests/bench/run $(BUILD)/watchlet

# Takes minutes, and wants a machine that has nothing else to do.
bench-doc: all
	@sh tests/busybox/build orig >&2
	@sh tests/bench/run $(BUILD)/watchlet > $(BUILD)/bench.out; status=$$?; cat $(BUILD)/bench.out; [ $$status -le 1 ]
	@sh tests/bench/publish $(BUILD)/bench.out

busybox:
	@test -f '$(BUSYBOX)/include/libbb.h' -a -d '$(BUSYBOX)/miscutils' || \
		{ echo 'make busybox BUSYBOX=dir: dir is a BusyBox source tree' >&2; exit 1; }
	cp $(APPLET) '$(BUSYBOX)/miscutils/watchlet.c'
	@echo 'Now in $(BUSYBOX): make menuconfig (Miscellaneous Utilities), make'

install: all
	install -d '$(DESTDIR)$(PREFIX)/sbin' '$(DESTDIR)$(PREFIX)/share/man/man8'
	install -m 755 $(BUILD)/watchlet '$(DESTDIR)$(PREFIX)/sbin/watchlet'
	ln -sf watchlet '$(DESTDIR)$(PREFIX)/sbin/inotifyd'
	if [ -e $(BUILD)/inotifywait ]; then install -d '$(DESTDIR)$(PREFIX)/bin'; \
		ln -sf ../sbin/watchlet '$(DESTDIR)$(PREFIX)/bin/inotifywait'; \
		install -d '$(DESTDIR)$(PREFIX)/share/man/man1'; \
		install -m 644 docs/inotifywait.1 '$(DESTDIR)$(PREFIX)/share/man/man1/inotifywait.1'; fi
	install -m 644 docs/watchlet.8 '$(DESTDIR)$(PREFIX)/share/man/man8/watchlet.8'
	ln -sf watchlet.8 '$(DESTDIR)$(PREFIX)/share/man/man8/inotifyd.8'

# HEAD as $(BUILD)/dist/watchlet-VERSION.tar.gz, and beside it docs/packaging with
# VERSION, URL and the checksums filled in
dist:
	@sh scripts/dist '$(BUILD)/dist' '$(VERSION)' '$(URL)'

clean:
	rm -rf $(BUILD)
