# NTT: make help lists the targets.  GNU make, no configure.

VERSION = 0.1
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/ntt
DOCDIR = $(PREFIX)/share/doc/ntt
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions

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
BLAKE3_CFLAGS := $(shell pkg-config --cflags libblake3)
BLAKE3_LIBS := $(shell pkg-config --libs libblake3)
else
BLAKE3_CFLAGS = -Ilib/blake3
BLAKE3_SRC = $(wildcard lib/blake3/*.c)
endif

PROGRAMS = $(patsubst cmd/%.c,%,$(wildcard cmd/*.c))
LIB_SRC = $(wildcard lib/*.c) $(BLAKE3_SRC)
LIB_OBJ = $(patsubst %.c,$(B)/%.o,$(LIB_SRC)) $(B)/lib/sqltext.o
UNIT = $(patsubst test/unit/%.c,$(B)/test/unit/%,$(wildcard test/unit/*_test.c))
TOOLS = $(patsubst test/%.c,$(B)/test/%, \
	$(wildcard test/bench/*.c test/tools/*.c))
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

$(B)/test/unit/%: $(B)/test/unit/%.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(DB_LIBS) $(BLAKE3_LIBS) -lm

$(B)/test/bench/%: $(B)/test/bench/%.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(DB_LIBS) $(BLAKE3_LIBS) -lm

$(B)/test/tools/%: $(B)/test/tools/%.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libntt.a \
		$(LIBS_test_$*) $(BLAKE3_LIBS) -lm

# A fuzzer is a file with LLVMFuzzerTestOneInput(); without libFuzzer the
# replay main feeds it the files it is given.
$(B)/test/fuzz/%: $(B)/test/fuzz/%.o $(B)/test/replay.o $(B)/libntt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(BLAKE3_LIBS) -lm

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: all deps check check-asan bench install uninstall dist clean \
	quickstart help
