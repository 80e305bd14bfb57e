# NTT: make help lists the targets.  GNU make, no configure.

VERSION = 0.1
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/ntt
DOCDIR = $(PREFIX)/share/doc/ntt
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
UNITDIR = $(PREFIX)/lib/systemd/system

CC = gcc
CFLAGS = -O2 -g
WARN = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wvla -Wformat=2 -Werror
B = build

PG_CFLAGS := $(shell pkg-config --cflags libpq 2>/dev/null)
DB_LIBS = -lpq
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -D_FORTIFY_SOURCE=2 -pthread \
	-DNTT_VERSION='"$(VERSION)"' -Ilib $(BLAKE3_CFLAGS) $(PG_CFLAGS)

# The system's BLAKE3 where there is one, ours where there is not.
ifeq ($(shell pkg-config --exists libblake3 2>/dev/null && echo yes),yes)
BLAKE3_CFLAGS := -DNTT_SYSTEM_BLAKE3 $(shell pkg-config --cflags libblake3)
BLAKE3_LIBS := $(shell pkg-config --libs libblake3)
endif

PROGRAMS = $(patsubst cmd/%.c,%,$(wildcard cmd/*.c))
LIB_SRC = $(wildcard lib/*.c)
LIB_OBJ = $(patsubst %.c,$(B)/%.o,$(LIB_SRC)) $(B)/lib/sqltext.o \
	$(B)/lib/sandbox_init.o
UNIT = $(patsubst test/unit/%.c,$(B)/test/unit/%,$(wildcard test/unit/*_test.c))
TOOLS = $(patsubst test/%.c,$(B)/test/%, \
	$(wildcard test/bench/*.c test/tools/*.c))
PRELOADS = $(patsubst test/%.c,$(B)/test/%.so,$(wildcard test/preload/*.c))
FUZZERS = $(patsubst test/fuzz/%.c,$(B)/test/fuzz/%,$(wildcard test/fuzz/*.c))

all: $(PROGRAMS:%=$(B)/bin/%)

# Libraries by program; the rest of the link line is the same for all.  Only
# what is named here can be linked: ntt-mount-helper must not reach libpq.
include libs.mk

$(B)/bin/%: $(B)/cmd/%.o $(B)/libntt.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(LIBS_$*) $(BLAKE3_LIBS) -lm

$(B)/libntt.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The SQL travels inside the programs, so that they need no data files.
$(B)/lib/sqltext.o: lib/sqltext.S $(wildcard sql/*.sql)
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

$(B)/lib/sandbox_init.o: lib/sandbox_init.S contrib/sandbox-init
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

$(B)/test/unit/%: $(B)/test/unit/%.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(DB_LIBS) $(BLAKE3_LIBS) -lm

$(B)/test/bench/%: $(B)/test/bench/%.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(DB_LIBS) $(BLAKE3_LIBS) -lm

$(B)/test/tools/%: $(B)/test/tools/%.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(LIBS_test_$*) $(BLAKE3_LIBS) -lm

$(B)/test/preload/%.so: test/preload/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -fPIC -shared -o $@ $< -ldl

# A fuzzer is a file with LLVMFuzzerTestOneInput(); without libFuzzer the
# replay main feeds it the files it is given.
$(B)/test/fuzz/%: $(B)/test/fuzz/%.o $(B)/test/replay.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_fuzz_$*) \
		$(BLAKE3_LIBS) -lm

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: all deps check check-asan tests bench install uninstall dist clean \
	quickstart help prove defects load valgrind tsan analyze coverage

help:
	@echo 'make              the programs, in $(B)/bin'
	@echo 'make quickstart   install what is missing, build, run a sample medium'
	@echo 'make check        install what the tests need, build, run them'
	@echo 'make check-asan   the same tests with ASan and UBSan'
	@echo 'make prove        try to break the promises: TIME=900 seconds, SEED=N'
	@echo 'make defects      plant defects in a copy: which are noticed?'
	@echo 'make load         N=1000000 files through 16 copiers: is memory flat?'
	@echo 'make valgrind, make tsan, make analyze, make coverage'
	@echo 'make bench        measure against peers; bench-NAME for one of:'
	@echo '                  $(BENCHES)'
	@echo 'make deps         install what building needs'
	@echo 'make install      below PREFIX ($(PREFIX)), DESTDIR in front'
	@echo 'make uninstall, make dist, make clean'

deps:
	contrib/install-deps build

# Variables of pkg-config are read when make starts, so what was installed in
# this run is seen by the make below it.
check:
	contrib/install-deps test
	$(MAKE) -s -j$$(nproc) tests
	NTT_BUILD=$(B) test/run

tests: all $(UNIT) $(FUZZERS) $(TOOLS) $(PRELOADS)

# Inside user-mode-linux there is no room for the sanitizer's shadow memory, and
# its library does not let another one go before it.
SANITIZE = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
check-asan:
	contrib/install-deps test
	$(MAKE) -s -j$$(nproc) tests B=$(B)-asan CFLAGS='$(SANITIZE)'
	NTT_BUILD=$(B)-asan ASAN_OPTIONS=detect_leaks=0 \
		NTT_TEST_NOT='[a-z]*_uml|sandbox|examples|prove' test/run

# Bounded by TIME; what it did not keep it prints with the command that does
# the same again.
TIME = 900
SEED = $(shell date +%s)
prove:
	contrib/install-deps test
	$(MAKE) -s -j$$(nproc) tests
	test/prove/prove --build $(B) --time $(TIME) --seed $(SEED)

defects: tests
	test/prove/defects

# A medium of N files that is computed, all else real.
N = 1000000
load:
	contrib/install-deps test
	$(MAKE) -s -j$$(nproc) tests
	test/prove/load --build $(B) --inodes $(N)

valgrind tsan analyze coverage:
	contrib/install-deps test analyze
	B=$(B) test/analyze/$@

BENCHES = $(patsubst test/bench/%.sh,%,$(wildcard test/bench/*.sh))
bench: $(BENCHES:%=bench-%)
bench-%: tests
	NTT_BUILD=$(B) test/bench/$*.sh

quickstart:
	contrib/install-deps build
	$(MAKE) -s -j$$(nproc) all
	contrib/quickstart $(B)

MAN = $(wildcard man/*.[157])
UNITS = $(notdir $(wildcard contrib/systemd/*))
install: all
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(DATADIR)/sql' \
		'$(DESTDIR)$(DOCDIR)' '$(DESTDIR)$(COMPLETIONDIR)'
	install -m 755 $(PROGRAMS:%=$(B)/bin/%) '$(DESTDIR)$(BINDIR)'
	for page in $(MAN); do \
		dir='$(DESTDIR)$(MANDIR)/man'$${page##*.}; \
		install -d "$$dir" && install -m 644 $$page "$$dir" || exit 1; \
	done
	install -m 644 sql/*.sql '$(DESTDIR)$(DATADIR)/sql'
	install -m 644 README COPYING SECURITY NEWS '$(DESTDIR)$(DOCDIR)'
	install -m 644 contrib/completion/ntt '$(DESTDIR)$(COMPLETIONDIR)'
	for name in $(filter-out ntt,$(PROGRAMS)); do \
		ln -sf ntt '$(DESTDIR)$(COMPLETIONDIR)'/$$name || exit 1; \
	done
	install -d '$(DESTDIR)$(UNITDIR)'
	for unit in $(UNITS); do \
		sed 's,/usr/local/bin,$(BINDIR),' contrib/systemd/$$unit \
			>'$(DESTDIR)$(UNITDIR)'/$$unit || exit 1; \
	done

uninstall:
	rm -f $(PROGRAMS:%='$(DESTDIR)$(BINDIR)'/%)
	for page in $(MAN); do \
		rm -f '$(DESTDIR)$(MANDIR)/man'$${page##*.}/$${page##*/}; \
	done
	rm -f $(PROGRAMS:%='$(DESTDIR)$(COMPLETIONDIR)'/%)
	rm -f $(UNITS:%='$(DESTDIR)$(UNITDIR)'/%)
	rm -rf '$(DESTDIR)$(DATADIR)' '$(DESTDIR)$(DOCDIR)'

dist:
	git archive --prefix=ntt-$(VERSION)/ -o ntt-$(VERSION).tar.gz HEAD

clean:
	rm -rf $(B) $(B)-asan $(B)-clang $(B)-tsan $(B)-cov ntt-$(VERSION).tar.gz
