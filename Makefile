# NTT: make help lists the targets.  GNU make, no configure.
#
# A program is cmd/NAME.c or everything in cmd/NAME/.  Everything in lib/ is
# libntt.a; a test may also use what is private to a program.

VERSION = 0.2
# Where patches and reports of weaknesses go: "ntt --help" ends with it, the
# package names it.  Here, and nowhere else.
CONTACT = NTT maintainers <maintainers@ntt.invalid>
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/ntt
DOCDIR = $(PREFIX)/share/doc/ntt
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
UNITDIR = $(PREFIX)/lib/systemd/system
DESTDIR =
export DESTDIR BINDIR MANDIR DATADIR DOCDIR COMPLETIONDIR UNITDIR

CC = gcc
CFLAGS = -O2 -g
WARN = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wvla -Wformat=2 -Werror
B = build
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -D_FORTIFY_SOURCE=2 -pthread \
	-DNTT_VERSION='"$(VERSION)"' -DNTT_CONTACT='"$(CONTACT)"' -Ilib -I$(B) $(BLAKE3_CFLAGS) $(LIB_CFLAGS)

LIB_CFLAGS := $(shell pkg-config --cflags libpq fuse3 2>/dev/null)
# What a program does not use the linker leaves out.
LIBS = -Wl,--as-needed -lpq -lmicrohttpd -larchive -lzstd -ljansson -lblkid -lmagic -lcap \
	-lcrypto -lncursesw -ltinfo -lfuse3 $(BLAKE3_LIBS) -lm

# The system's BLAKE3 where there is one, ours where there is not.
ifeq ($(shell pkg-config --exists libblake3 2>/dev/null && echo yes),yes)
BLAKE3_CFLAGS := -DNTT_SYSTEM_BLAKE3 $(shell pkg-config --cflags libblake3)
BLAKE3_LIBS := $(shell pkg-config --libs libblake3)
endif

PROGRAMS = $(sort $(basename $(notdir $(wildcard cmd/*))))
STATEMENTS = $(wildcard sql/[a-z]*.sql)
objects = $(patsubst %,$(B)/%.o,$(basename $(wildcard $(1:=.[cS]))))
program = $(call objects,cmd/$(1) cmd/$(1)/*)
built = $(patsubst test/%.c,$(B)/test/%$(2),$(wildcard test/$(1).c))
UNIT = $(call built,unit/*_test)
FUZZERS = $(call built,fuzz/*)
TOOLS = $(call built,bench/*) $(call built,tools/*)
PRELOADS = $(call built,preload/*,.so)
LINK = $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
	$(LIBS)

#: make              the programs, in build/bin
all: $(PROGRAMS:%=$(B)/bin/%)
tests: all $(UNIT) $(FUZZERS) $(TOOLS) $(PRELOADS)

# That the one program with root rights to mount links nothing else is a
# promise; test/mount.bats looks.
$(B)/bin/ntt-mount-helper: LIBS = -lblkid $(BLAKE3_LIBS)

.SECONDEXPANSION:
$(B)/bin/%: $$(call program,$$*) $(B)/libntt.a | $(B)/bin
	$(LINK)

$(B)/bin:
	mkdir -p $@

$(B)/libntt.a: $(call objects,lib/*/*) $(B)/sql/statements.o
	rm -f $@
	$(AR) rcs $@ $^

# What is private to programs, for tests; main() stays with its program.
$(B)/private.a: $(filter-out %/main.o,$(call objects,cmd/*/*))
	rm -f $@
	$(AR) rcs $@ $^

# A fuzzer is a file with LLVMFuzzerTestOneInput(); without libFuzzer the
# replay main feeds it the files it is given.
$(FUZZERS): $(B)/test/replay.o
$(UNIT) $(TOOLS) $(FUZZERS): %: %.o $(B)/private.a $(B)/libntt.a
	$(LINK)

$(B)/test/preload/%.so: test/preload/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -fPIC -shared -o $@ $< -ldl

$(B)/test/%.o: ALL_CFLAGS += -Icmd
$(B)/%.o: %.c | $(B)/sql/statements.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The statements in sql/, as texts for C.
$(B)/sql/statements.%: sql/embed.awk $(STATEMENTS)
	@mkdir -p $(@D)
	awk -v header=$(filter h,$*) -f sql/embed.awk $(STATEMENTS) >$@.new
	mv $@.new $@

$(B)/sql/statements.o: $(B)/sql/statements.c $(B)/sql/statements.h
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Texts that travel inside the programs, so that they need no data files.
$(B)/%.o: %.S $(wildcard sql/*.sql) contrib/sandbox-init
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

.SECONDARY:
-include $(shell find $(B) -path $(B)/deb -prune -o -type f -name '*.d' -print \
	2>/dev/null)

.PHONY: all help deps ready check check-fast check-account check-asan tests \
	bench install uninstall deb dist clean quickstart prove defects load \
	valgrind tsan analyze coverage

help:
	@sed -n 's/^#: //p' Makefile
	@echo 'benches:' $(BENCHES)

#: make deps         install what building needs
deps:
	contrib/install-deps build

# Variables of pkg-config are read when make starts, so what was installed in
# this run is seen by the make below it.
ready:
	contrib/install-deps test
	$(MAKE) -s -j$$(nproc) tests

#: make check        install what the tests need, build, run them
check: ready
	NTT_BUILD=$(B) test/run

#: make check-fast   those that take less than three minutes together
check-fast: ready
	NTT_BUILD=$(B) NTT_TEST_FAST=1 test/run

#: make check-asan   the same tests with ASan and UBSan; FAST=1: the fast ones
# Inside user-mode-linux there is no room for the sanitizer's shadow memory, and
# its library does not let another one go before it.  What reads texts of the
# project, and what takes minutes to do the same steps again, is left out.
FAST = 0
SANITIZE = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
check-asan:
	$(MAKE) ready B=$(B)-asan CFLAGS='$(SANITIZE)'
	NTT_BUILD=$(B)-asan ASAN_OPTIONS=detect_leaks=0 \
		NTT_TEST_TAGS='!guest' NTT_TEST_FAST=$(FAST) \
		NTT_TEST_NOT='[a-z]*_uml|sandbox|examples|prove|copier_steps|deb|house|docs|completion|statements' \
		test/run

#: make check-account IMAGES=20 damaged and cut images of every kind
# What was not kept is printed with the command that does the same again.
IMAGES = 20
check-account: ready
	NTT_BUILD=$(B) test/account/run $(IMAGES)

#: make prove        try to break the promises: TIME=900 seconds, SEED=N
# Bounded by TIME; what it did not keep it prints with the command that does
# the same again.
TIME = 900
SEED = $(shell date +%s)
prove: ready
	test/prove/prove --build $(B) --time $(TIME) --seed $(SEED)

#: make defects      plant defects in a copy: which are noticed?
defects: tests
	test/prove/defects

#: make load         N=1000000 files through 16 copiers: is memory flat?
# A medium of N files that is computed, all else real.
N = 1000000
load: ready
	test/prove/load --build $(B) --inodes $(N)

#: make valgrind, make tsan, make analyze, make coverage
valgrind tsan analyze coverage:
	contrib/install-deps test analyze
	B=$(B) test/analyze/$@

#: make bench        measure against peers: build/bench.md; bench-NAME for one
# Sizes are in variables that test/bench/NAME.sh names: RUNS=3 FILES=10000 …
BENCHES = $(patsubst test/bench/%.sh,%,$(wildcard test/bench/*.sh))
bench: tests
	NTT_BUILD=$(B) test/bench/run
bench-%: tests
	NTT_BUILD=$(B) test/bench/$*.sh

#: make quickstart   install what is missing, build, run a sample medium
quickstart:
	contrib/install-deps build
	$(MAKE) -s -j$$(nproc) all
	contrib/quickstart $(B)

#: make install      below PREFIX (/usr/local), DESTDIR in front
#: make uninstall, make dist, make clean
install: all
	contrib/install-tree install $(B) $(PROGRAMS)
uninstall:
	contrib/install-tree uninstall $(B) $(PROGRAMS)

#: make deb          a Debian package, in build
deb:
	contrib/install-deps build deb
	contrib/build-deb $(B) $(VERSION) '$(CONTACT)'

dist:
	git archive --prefix=ntt-$(VERSION)/ -o ntt-$(VERSION).tar.gz HEAD

clean:
	rm -rf $(B) $(B)-asan $(B)-clang $(B)-tsan $(B)-cov ntt-$(VERSION).tar.gz
