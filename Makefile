# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Patchbay.  One makefile; `make help` lists the targets.
#
# Variables: BUILD=dir, V=1 (show commands), DEVELOPER=1 (-Werror), T=stem (tests of one stem),
# CC, CLANG, CFLAGS, LDFLAGS, DESTDIR, PREFIX.

BUILD ?= build
PREFIX ?= /usr
SYSCONFDIR ?= /etc
UNITDIR ?= /lib/systemd/system
SECS ?= 60
B := $(BUILD)

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= bpftool
CFLAGS ?= -O2 -g
export PATH := $(PATH):/usr/sbin:/sbin# where bpftool is
export BUILD T V
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifeq ($(V),1)
Q :=
msg :=
else
Q := @
msg = @printf '  %-8s %s\n' $1 $(patsubst $(B)/%,%,$2);
endif

# ---- what is installed -----------------------------------------------------------------------
# Asked for on first use only: `make help deps check demo` must work before anything is installed.

once = $(eval $1 := $$(call $2))$($1)
need = $(if $(shell command -v $1 2>/dev/null),$1,$(error $1 is missing: apt-get install $2, or make deps))
PACKAGES := libbpf=libbpf-dev libelf=libelf-dev zlib=zlib1g-dev libuv=libuv1-dev \
	jansson=libjansson-dev ldns=libldns-dev inih=libinih-dev libmnl=libmnl-dev \
	libseccomp=libseccomp-dev libcap-ng=libcap-ng-dev libcrypto=libssl-dev
pc-names = $(foreach p,$1,$(firstword $(subst =, ,$p)))
pc-have = $(shell $(call need,pkg-config,pkg-config) --exists $1 2>/dev/null && echo yes)
pc-check = $(foreach p,$1,$(if $(call pc-have,$(call pc-names,$p)),,$(error \
	$(call pc-names,$p) is missing: apt-get install $(lastword $(subst =, ,$p)), or make deps)))
pc = $(if $(call pc-have,$(call pc-names,$2)),,$(call pc-check,$2))$(shell pkg-config $1 $(call pc-names,$2))

find-pkg-cflags = $(call pc,--cflags,$(PACKAGES))
find-pkg-libs = $(call pc,--libs,$(PACKAGES))
find-test-libs = $(call pc,--libs,criterion=libcriterion-dev)
find-test-cflags = $(call pc,--cflags,criterion=libcriterion-dev)
find-clang = $(call need,$(CLANG),clang)
find-bpftool = $(call need,$(BPFTOOL),bpftool)
find-cc = $(call need,$(CC),gcc)
find-sysinc = $(addprefix -idirafter ,$(wildcard /usr/include/$(shell $(the-cc) -print-multiarch) /usr/include))
pkg-cflags = $(call once,pkg-cflags,find-pkg-cflags)
pkg-libs = $(call once,pkg-libs,find-pkg-libs)
test-libs = $(call once,test-libs,find-test-libs)
test-cflags = $(call once,test-cflags,find-test-cflags)
the-clang = $(call once,the-clang,find-clang)
the-bpftool = $(call once,the-bpftool,find-bpftool)
the-cc = $(call once,the-cc,find-cc)
sysinc = $(call once,sysinc,find-sysinc)

# ---- flags -----------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
BPF_WARN := -Wall -Wextra -Wshadow -Wtautological-unsigned-zero-compare
ifeq ($(DEVELOPER),1)
WARN += -Werror
BPF_WARN += -Werror
endif
INC := -Iinclude -I$(B)/skel -iquote . -iquote control -iquote loader
C_FLAGS = -std=gnu11 -D_GNU_SOURCE= $(WARN) $(INC) $(pkg-cflags) $(CPPFLAGS) $(CFLAGS)
SAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_FLAGS = -std=gnu11 -D_GNU_SOURCE= $(WARN) $(INC) $(pkg-cflags) $(CPPFLAGS) $(SAN)
FUZZ_FLAGS = -std=gnu11 -D_GNU_SOURCE= -w $(INC) $(pkg-cflags) $(CPPFLAGS) $(SAN)
LINT_FLAGS = $(filter-out -Werror -W%,$(C_FLAGS))
TEST_INC := -iquote tests/lib -iquote tests
TEST_FLAGS = $(TEST_INC) $(test-cflags)
BPF_FLAGS = -target bpf -g -O2 -mcpu=v3 $(BPF_WARN) -Iinclude -Ibpf -Ivmlinux $(sysinc)
LINK = -Wl,--as-needed -Wl,-z,relro,-z,now
DEPS = -MMD -MP
# ---- sources: by folder, nothing is listed ---------------------------------------------------

BPF_SRC := $(wildcard bpf/*.bpf.c)
LOAD_SRC := $(wildcard loader/*.c)
MAINS := control/agent/main.c control/agent/helper.c control/cli/patchbay.c control/frames/main.c
CTL_SRC := $(filter-out $(MAINS),$(wildcard control/*.c \
	$(foreach d,registry names gossip table memcached frames agent cli,control/$d/*.c)))
TLIB_SRC := $(wildcard tests/lib/*.c)
stem-is = $(if $T,$(filter $1/$2$T $1/$2$T_%,$3),$3)
UNIT := $(call stem-is,tests/unit,test_,$(patsubst %.c,%,$(wildcard tests/unit/test_*.c)))
LIVE := $(call stem-is,tests/bpf,test_,$(patsubst %.c,%,$(wildcard tests/bpf/test_*.c)))
FUZZ := $(call stem-is,tests/fuzz,fuzz_,$(patsubst %.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
# tests/tools/NAME.c is a program, NAME_*.c are further parts of it
programs = $(filter-out $(addsuffix _%,$1),$1)
TOOL := $(call programs,$(patsubst tests/tools/%.c,%,$(wildcard tests/tools/*.c)))
BENCH := $(call programs,$(patsubst tests/bench/%.c,%,$(wildcard tests/bench/*.c)))

# tests/bpf/NAME.bpf.c is loaded by tests only
SKELS := $(BPF_SRC:bpf/%.bpf.c=$(B)/skel/%.skel.h) \
	$(patsubst tests/bpf/%.bpf.c,$(B)/skel/test/%.skel.h,$(wildcard tests/bpf/*.bpf.c))
BINS := $(addprefix $(B)/,$(and $(wildcard control/agent/main.c),patchbayd) \
	$(and $(wildcard control/cli/patchbay.c),patchbay) \
	$(and $(wildcard control/agent/helper.c),patchbay-helper) \
	$(and $(wildcard control/frames/main.c),patchbay-frames))
UNIT_BINS := $(UNIT:tests/%=$(B)/asan/%)
LIVE_BINS := $(LIVE:tests/%=$(B)/tests/%)
REPLAY_BINS := $(FUZZ:tests/%=$(B)/asan/%)
FUZZ_BINS := $(FUZZ:tests/%=$(B)/%)
TOOL_BINS := $(TOOL:%=$(B)/tests/%)
BENCH_BINS := $(BENCH:%=$(B)/bench/%)
BUDGET_BIN := $(B)/tests/budget

# ---- targets for people ----------------------------------------------------------------------

.PHONY: help all deps dev check check-now tests unit test-bpf e2e fuzz-replay budget kernels demo \
	demo-memcached bench fuzz soak format format-check lint hdr-check man install clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9_.-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' Makefile

all: $(BINS) ## build patchbayd, patchbay-frames, patchbay and patchbay-helper

deps: ## install the Debian packages that are missing (root)
	@tools/deps.sh

dev: ## quick loop: build with -Werror, run the unit tests
	@+$(MAKE) $(parallel) DEVELOPER=1 all unit

parallel = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
check: ## install what is missing, then every test tier (root); T=stem: the tests of one stem
	@tools/deps.sh
	@+$(MAKE) $(parallel) DEVELOPER=1 check-now

TIERS := $(if $T,,lint hdr-check) unit bpf e2e fuzz-replay $(if $T,,budget kernels)
# Guests are slow: of tests/bpf the two that say most about a kernel, no torture of splices, of the labs
# one test each; `make kernels` runs them all.
check-now: all tests
	@PB_KERNEL_TESTS="$${PB_KERNEL_TESTS-identity|datagram}" PB_KERNEL_TORT="$${PB_KERNEL_TORT-no}" \
		PB_KERNEL_HOSTS="$${PB_KERNEL_HOSTS-hosts_connect memcached_smoke}" tests/lib/runner.sh $(TIERS)

tests: $(UNIT_BINS) $(LIVE_BINS) $(REPLAY_BINS) $(TOOL_BINS) $(if $T,,$(BUDGET_BIN))

unit: $(UNIT_BINS) ## tests/unit: Criterion under ASan and UBSan, no privilege needed
	@tests/lib/runner.sh unit

test-bpf: all $(LIVE_BINS) $(TOOL_BINS) ## tests/bpf: the programs in the kernel, private namespaces (root)
	@tests/lib/runner.sh bpf

e2e: all $(TOOL_BINS) ## tests/e2e: whole system, unmodified programs (root)
	@tests/lib/runner.sh e2e

fuzz-replay: $(REPLAY_BINS) ## tests/fuzz: replay the checked-in corpora
	@tests/lib/runner.sh fuzz-replay

budget: all $(BUDGET_BIN) ## verified instructions per program against tests/budget (root); UPDATE=1 records
	@$(if $(filter 1,$(UPDATE)),$(BUDGET_BIN) --update,tests/lib/runner.sh budget)

kernels: all $(LIVE_BINS) $(TOOL_BINS) ## load, attach, smoke test on Debian's packaged kernels (qemu)
	@tests/lib/runner.sh kernels

demo: ## install what is missing, build, run the story of README.md with real programs (root)
	@tools/deps.sh
	@+$(MAKE) $(parallel) all $(TOOL_BINS)
	@bash deploy/demo.sh

demo-memcached: ## the same for the memcached switch: client, switch, two servers (root)
	@tools/deps.sh
	@+$(MAKE) $(parallel) all $(TOOL_BINS)
	@bash deploy/demo-memcached.sh

bench: all $(BENCH_BINS) $(TOOL_BINS) ## paired measurements into build/bench.tsv; PART=identity: one part (root)
	@tests/bench/bench.sh $(PART)

fuzz: $(FUZZ_BINS) ## libFuzzer on every target for SECS=60 seconds each
	@tools/fuzz.sh $(SECS) $(FUZZ_BINS)

soak: all tests ## long runs: tests/soak, and ten minutes of each fuzz target
	@SECS=$(if $(filter file,$(origin SECS)),600,$(SECS)) tests/lib/runner.sh soak
	@+$(MAKE) fuzz SECS=600

format: ## clang-format everything in place
	@tools/format.sh

format-check: ## fail if clang-format would change anything
	@tools/format.sh --check

lint: $(SKELS) ## shellcheck, cppcheck, clang-tidy, house rules
	@tests/lib/runner.sh lint

hdr-check: $(SKELS) ## every header compiles alone
	@tests/lib/runner.sh hdr-check

# One entry a source, in place of bear: needs no build.
compile_commands.json: Makefile FORCE ## for clangd
	@$(file >$@.in)$(foreach s,$(LOAD_SRC) $(CTL_SRC) $(wildcard $(MAINS)),$(file >>$@.in,$s $(CC) $(C_FLAGS) -c $s))
	@$(foreach s,$(addsuffix .c,$(UNIT) $(LIVE) $(FUZZ)),$(file >>$@.in,$s $(CC) $(C_FLAGS) $(TEST_INC) -c $s))
	@$(foreach s,$(BPF_SRC),$(file >>$@.in,$s $(CLANG) $(BPF_FLAGS) -c $s))
	@awk -v dir='$(CURDIR)' 'BEGIN { print "[" } NF { f = $$1; sub(/^[^ ]+ /, ""); gsub(/"/, "\\\""); \
		printf "%s{\"directory\":\"%s\",\"file\":\"%s\",\"command\":\"%s\"}", sep, dir, f, $$0; \
		sep = ",\n" } END { print "\n]" }' $@.in > $@ && rm $@.in

MANS := $(patsubst docs/man/%.rst,$(B)/man/%,$(wildcard docs/man/*.[1-9].rst))
man: $(MANS) ## manual pages

install: all man ## into DESTDIR, PREFIX=/usr
	install -D -m755 $(B)/patchbayd $(DESTDIR)$(PREFIX)/sbin/patchbayd
	install -D -m755 $(B)/patchbay-helper $(DESTDIR)$(PREFIX)/sbin/patchbay-helper
	install -D -m755 $(B)/patchbay-frames $(DESTDIR)$(PREFIX)/sbin/patchbay-frames
	install -D -m755 $(B)/patchbay $(DESTDIR)$(PREFIX)/bin/patchbay
	install -d $(DESTDIR)$(SYSCONFDIR)/patchbay/patchbay.conf.d $(DESTDIR)$(SYSCONFDIR)/patchbay/identity.d \
		$(DESTDIR)$(SYSCONFDIR)/patchbay/services.d
	for f in $(wildcard deploy/*.service deploy/systemd/*.service); do \
		install -D -m644 $$f $(DESTDIR)$(UNITDIR)/$${f##*/}; done
	for f in $(notdir $(MANS)); do \
		install -D -m644 $(B)/man/$$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$$f; done

clean: ## remove what was built
	rm -rf $(B) compile_commands.json

# ---- rules -----------------------------------------------------------------------------------

# Everything is rebuilt when the flags change: only then does this file's time stamp.
STAMP := $(WARN) $(BPF_WARN) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(CC) $(CLANG)
$(B)/flags: FORCE
	@mkdir -p $(B); echo '$(STAMP)' | cmp -s - $@ || echo '$(STAMP)' > $@

$(B)/bpf/%.tmp.o: bpf/%.bpf.c $(B)/flags
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D) && $(the-clang) $(BPF_FLAGS) $(DEPS) -c $< -o $@

$(B)/bpf/test/%.tmp.o: tests/bpf/%.bpf.c $(B)/flags
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D) && $(the-clang) $(BPF_FLAGS) -iquote tests/bpf $(DEPS) -c $< -o $@

$(B)/bpf/%.bpf.o: $(B)/bpf/%.tmp.o
	$(call msg,GEN-OBJ,$@)
	$(Q)$(the-bpftool) gen object $@ $<

$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	$(call msg,GEN-SKEL,$@)
	$(Q)mkdir -p $(@D) && $(the-bpftool) gen skeleton $< name $(notdir $*) > $@

$(B)/obj/%.o: %.c $(B)/flags | $(SKELS)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(the-cc) $(C_FLAGS) $(if $(filter tests/%,$<),$(TEST_FLAGS)) $(DEPS) -c $< -o $@

$(B)/asan/obj/%.o: %.c $(B)/flags | $(SKELS)
	$(call msg,CC-SAN,$@)
	$(Q)mkdir -p $(@D) && $(the-cc) $(SAN_FLAGS) $(if $(filter tests/%,$<),$(TEST_FLAGS)) $(DEPS) -c $< -o $@

$(B)/fuzz/obj/%.o: %.c $(B)/flags | $(SKELS)
	$(call msg,CC-FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(the-clang) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(TEST_INC) $(DEPS) -c $< -o $@

# An archive is made anew: a deleted source must not live on in it.
define make-archive
	$(call msg,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^
endef
$(B)/libpbload.a: $(LOAD_SRC:%.c=$(B)/obj/%.o)
	$(make-archive)
$(B)/libpatchbay.a: $(CTL_SRC:%.c=$(B)/obj/%.o)
	$(make-archive)
$(B)/libpbtest.a: $(TLIB_SRC:%.c=$(B)/obj/%.o)
	$(make-archive)
$(B)/asan/libpatchbay-asan.a: $(patsubst %.c,$(B)/asan/obj/%.o,$(CTL_SRC) $(LOAD_SRC) $(TLIB_SRC))
	$(make-archive)
$(B)/fuzz/libpatchbay-fuzz.a: $(patsubst %.c,$(B)/fuzz/obj/%.o,$(CTL_SRC) $(LOAD_SRC))
	$(make-archive)

LIBS := $(B)/libpatchbay.a $(B)/libpbload.a
define link
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D) && $(the-cc) $(CFLAGS) $(LDFLAGS) $(LINK) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(pkg-libs) $1
endef
$(B)/patchbayd: $(B)/obj/control/agent/main.o
$(B)/patchbay-helper: $(B)/obj/control/agent/helper.o
$(B)/patchbay: $(B)/obj/control/cli/patchbay.o
$(B)/patchbay-frames: $(B)/obj/control/frames/main.o
$(BINS): $(LIBS)
	$(call link)
$(LIVE_BINS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/libpbtest.a $(LIBS)
	$(call link,$(test-libs))
parts = $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/$1/$2.c tests/$1/$2_*.c))
.SECONDEXPANSION:
$(TOOL_BINS): $(B)/tests/%: $$(call parts,tools,$$*) $(B)/libpbtest.a $(LIBS)
	$(call link)
$(BENCH_BINS): $(B)/bench/%: $$(call parts,bench,$$*) $(LIBS)
	$(call link,-lm)
$(BUDGET_BIN): $(B)/obj/tests/budget/budget.o
	$(call link)

define link-san
	$(call msg,LINK-SAN,$@)
	$(Q)mkdir -p $(@D) && $(the-cc) $(SAN) $(LDFLAGS) $(LINK) -o $@ $^ $(pkg-libs) $1
endef
$(UNIT_BINS): $(B)/asan/unit/%: $(B)/asan/obj/tests/unit/%.o $(B)/asan/libpatchbay-asan.a
	$(call link-san,$(test-libs))
$(REPLAY_BINS): $(B)/asan/fuzz/%: $(B)/asan/obj/tests/fuzz/%.o $(B)/asan/obj/tests/fuzz/replay.o $(B)/asan/libpatchbay-asan.a
	$(call link-san)
$(FUZZ_BINS): $(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(B)/fuzz/libpatchbay-fuzz.a
	$(call msg,FUZZER,$@)
	$(Q)$(the-clang) $(SAN) -fsanitize=fuzzer -o $@ $^ $(pkg-libs)

$(B)/man/%: docs/man/%.rst
	$(call msg,MAN,$@)
	$(Q)mkdir -p $(@D) && $(call need,rst2man,python3-docutils) $< > $@

print-%: # for the scripts: one variable
	@echo '$($*)'

.SECONDARY:
-include $(shell test -d $(B) && find $(B) -name '*.d')
