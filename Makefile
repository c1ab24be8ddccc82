# SPDX-License-Identifier: MIT
# Makefile - the whole build of ioe; `make help` lists what it can do.
# Everything is made under build/; sources are found by folder, a new file needs no edit here.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:

# Several goals (`make check asan`) are made one after the other; one goal with as many jobs as
# there are CPUs (a -j on the command line wins over the one here).
ifneq ($(word 2,$(MAKECMDGOALS)),)
.NOTPARALLEL:
else ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- Settings of the user ------------------------------------------------------------------

ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR := ar
endif
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=
INSTALL ?= install
# WERROR=1: a warning is an error. V=1: print the commands. SETUP=no: never look at packages.
WERROR ?=
V ?=
SETUP ?= yes

Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(Q),@printf '  %-7s %s\n' $(1) $(2))
comma := ,
quote = '$(subst ','\'',$(1))'

# ---- What there is to build ----------------------------------------------------------------

PUBLIC_HEADERS := engine/ioe.h
MAN_PAGES := $(sort $(wildcard docs/*.[1357]))

LIB_SRC := $(sort $(wildcard engine/*.c merge/*.c workers/*.c channel/*.c))
TOOL_SRC := $(sort $(wildcard tools/*.c tools/bench/*.c tools/suite/*.c tools/plot/*.c))
EXAMPLE_SRC := $(sort $(wildcard tools/examples/*.c))
SUPPORT_SRC := $(sort $(wildcard tests/lib/*.c))
STRESS_SRC := $(sort $(wildcard tests/stress/*.c))
COST_SRC := $(sort $(wildcard tests/cost/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MAIN := tests/fuzz/main.c
CRASH_SRC := $(sort $(wildcard tests/crash/crash_*.c))
CRASH_PARTS := $(filter-out $(CRASH_SRC),$(sort $(wildcard tests/crash/*.c)))
SURROUND_SRC := tests/surroundings/surround.c
TOOL_HELPER_SRC := $(sort $(wildcard tests/tools/*.c))
# Each of these is a program.
PROGRAM_SRC := $(STRESS_SRC) $(COST_SRC) $(FUZZ_SRC) $(CRASH_SRC) $(SURROUND_SRC) $(TOOL_HELPER_SRC)
SUITES := $(foreach s,unit conformance faults,$(if $(wildcard tests/$(s)/*.c),$(s)))
SUITE_SRC := $(sort $(foreach s,$(SUITES),$(wildcard tests/$(s)/*.c)))
# A suite of modules of the tool, linked with all of it but its main().
TOOL_SUITE := $(if $(wildcard tests/tools/unit/*.c),tools_unit)
TOOL_SUITE_SRC := $(sort $(wildcard tests/tools/unit/*.c))

version_part = $(shell sed -n \
	's/^.define[[:space:]]\{1,\}IOE_VERSION_$(1)[[:space:]]\{1,\}\([0-9]*\).*/\1/p' engine/ioe.h)
VERSION_MAJOR := $(call version_part,MAJOR)
VERSION := $(VERSION_MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME := libioe.so.$(VERSION_MAJOR)
SHARED := libioe.so.$(VERSION)

# ---- Configurations: build/<config>/, or build/<config>-clang/ with CC=clang ----------------

# release: installed and measured. test: the seam in sys.h and the expensive checks are in.
# asan, tsan: as test, with the tests under a plain runner, since Criterion's sandbox and
# sanitizers do not go together. fuzz: as asan, with libFuzzer, always by clang.
# coverage: as test, with the plain runner, the library counted by gcov, always by gcc.
# valgrind: as test, with the plain runner and the counts of the sanitizers.
CONFIGS := release test asan tsan fuzz coverage valgrind
SUFFIX := $(if $(findstring clang,$(notdir $(firstword $(CC)))),-clang)
$(foreach c,$(CONFIGS),$(eval $(c) := build/$(c)$(SUFFIX))$(eval CC_$(c) = $$(CC)))
fuzz := build/fuzz
CC_fuzz = $(if $(SUFFIX),$(CC),clang)
coverage := build/coverage
CC_coverage = gcc

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wpointer-arith -Wwrite-strings -Wundef $(if $(filter-out 0,$(WERROR)),-Werror)
# Control-flow enforcement: each architecture has its own name for it.
# The linker says so of the result only if all that is linked does, and the C library's start files
# often do not; shadow stacks need nothing of those.
X86 := $(filter x86_64,$(shell uname -m))
CPU_HARDENING := $(if $(X86),-fcf-protection)
LINK_HARDENING := $(if $(X86),-Wl$(comma)-z$(comma)shstk)
# Needs optimisation; and the user, or a distribution, may have chosen another level.
FORTIFY = $(if $(filter -O0,$(CFLAGS))$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,$\
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)

COMMON_CFLAGS := -std=gnu11 -pthread $(WARNINGS) -fno-semantic-interposition \
	-fstack-protector-strong $(CPU_HARDENING)
# Link-time optimisation by gcc: 8 % of a nop. Its objects have machine code too, so that clang, and
# who links the archive without it, find what they need.
LTO := $(if $(SUFFIX),,-flto=auto -ffat-lto-objects)
CFLAGS_release = -O3 -g $(LTO) $(FORTIFY)
CFLAGS_test = -O2 -g $(FORTIFY) -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all -DIOE_PLAIN_RUNNER -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread \
	-DIOE_PLAIN_RUNNER -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_fuzz := -O2 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DIOE_PLAIN_RUNNER -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_coverage := -O1 -g -DIOE_PLAIN_RUNNER -DIOE_COVERAGE -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_valgrind := -O1 -g -DIOE_PLAIN_RUNNER -DIOE_VALGRIND -DIOE_TEST_SEAM -DIOE_VERIFY
LDFLAGS_release := $(if $(LTO),$(LTO) -O3)
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
LDFLAGS_coverage := --coverage
COMMON_LDFLAGS := -pthread -Wl,-z,relro,-z,now -Wl,-z,noexecstack $(LINK_HARDENING) -Wl,--as-needed

# stress_open stands before these, in its own link, to make them fail.
WRAPPED := malloc calloc aligned_alloc free pthread_create eventfd syscall io_uring_queue_init \
	io_uring_queue_init_params io_uring_get_probe_ring io_uring_submit_and_wait \
	io_uring_register_iowq_max_workers io_uring_register_ring_fd
$(foreach c,$(CONFIGS),$(eval $($(c))/stress/stress_open: \
	private LDFLAGS_$(c) += $(WRAPPED:%=-Wl,--wrap=%)))

LIB_LIBS := -luring -lck -lpthread
TOOL_LIBS := -ljansson -lisal -lxxhash -lm
# What only some tests use is linked to those (--as-needed).
SUPPORT_LIBS := -lfuse3
TEST_LIBS_test := -lcriterion
TEST_LIBS_release := -lcriterion

# ---- Debian packages, by what is to be done; tools/setup.sh installs what is missing --------

COMPILER_gcc := gcc
COMPILER_clang := clang libclang-rt-14-dev
PACKAGES_build := $(COMPILER_$(notdir $(firstword $(CC)))) binutils libc6-dev liburing-dev \
	libaio-dev libck-dev libjansson-dev libisal-dev libxxhash-dev
PACKAGES_test := gcc g++ libcriterion-dev libfuse3-dev pkg-config strace jq e2fsprogs mandoc \
	libxml2-utils fio
PACKAGES_load := fio fio-examples jq
PACKAGES_style := clang-format clang-tidy cppcheck shellcheck git
PACKAGES_fuzz := $(COMPILER_clang)
PACKAGES_fresh := debootstrap
PACKAGES_coverage := gcovr
PACKAGES_valgrind := valgrind libc6-dbg
PACKAGES_surroundings := xfsprogs
PACKAGES_model := spin gcc libc6-dev
PACKAGES_mutants := git
PACKAGES_suite := fio gnuplot-nox

# ---- Goals ---------------------------------------------------------------------------------

.PHONY: all check check-all check-load check-fast check-install asan tsan crash model stress soak fuzz mutants \
	coverage valgrind bench bench-merge bench-suite cost style style-text fresh install uninstall clean help \
	print-public-headers print-version FORCE

TOOL := $(if $(TOOL_SRC),$(release)/ioe)
EXAMPLES := $(EXAMPLE_SRC:tools/examples/%.c=$(release)/examples/%)
all: $(release)/libioe.a $(release)/libioe.so $(TOOL) $(EXAMPLES) $(release)/ioe.pc

help:
	@echo 'ioe $(VERSION): goals of make'
	@echo '  all            library and tool, in $(release)/ (default)'
	@echo '  bench          the main job on a real file: ours beside the raw loops, one table'
	@echo '  bench-merge    merging: sequential IO beside large requests, random IO with and without'
	@echo '  bench-suite    what the engine costs, T1 to T12: table, JSON, plots in $(SUITE_DIR)/; ONLY=T1$(comma)T6'
	@echo '  check          all tests'
	@echo '  check-all      and what is compared with fio, and the conformance tests in all surroundings'
	@echo '  check-load     ioe bench beside fio, its own example jobs too, and beside a clock; 4 minutes'
	@echo '  check-fast     unit and conformance tests, header check; under 30 s'
	@echo '  check-install  only the tests of what make install puts where'
	@echo '  asan tsan      the tests under address+undefined and thread sanitizers'
	@echo '  fuzz           the fuzz targets under libFuzzer, SECONDS=$(SECONDS) in all (by clang)'
	@echo '  surroundings   the conformance tests on xfs, on block devices, without io_uring, as another'
	@echo '                 user...; surroundings-asan, surroundings-tsan; ONLY=xfs: of that name'
	@echo '  crash          power cuts and kills while records are written: SNAPSHOTS=$(SNAPSHOTS) KILLS=$(KILLS) (as root)'
	@echo '  model          the models of the protocols, by spin: they hold, their mutants do not'
	@echo '  stress         the stress programs in full, P26 with 10 million submits'
	@echo '  soak           mixed load of 16 threads with faults, every byte checked: MINUTES=$(MINUTES)'
	@echo '  mutants        wrong changes to the library, each of which a test must find; SAMPLE=n of them'
	@echo '  coverage       what of the library the tests reach: a table, build/coverage/html/'
	@echo '  valgrind       unit tests and a part of conformance under memcheck'
	@echo '  cost           what planning costs: the table of merge/README.md; waking a thread; the tool'
	@echo '  style          format, lint, lengths'
	@echo '  fresh          make bench and make check, each in a new Debian 12 (as root)'
	@echo '  install        PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); uninstall takes it away again'
	@echo '  clean          remove build/'
	@echo 'Settings: CC=clang CFLAGS= LDFLAGS= WERROR=1 V=1 SETUP=no (do not look at packages)'

# Run one suite or test, by name: make check-fast ONLY=unit
ONLY ?=
only = $(if $(ONLY),$(foreach t,$(1),$(if $(findstring $(ONLY),$(t)),$(t))),$(1))
suites_of = $(patsubst %,$($(1))/%,$(SUITES) $(TOOL_SUITE))
stress_of = $(STRESS_SRC:tests/%.c=$($(1))/%)
cost_of = $(COST_SRC:tests/%.c=$($(1))/%)
crash_of = $(CRASH_SRC:tests/%.c=$($(1))/%)
fuzz_of = $(FUZZ_SRC:tests/%.c=$($(1))/%)
TOOL_TESTS := $(if $(TOOL),$(sort $(wildcard tests/tools/*.sh)))
LOAD_TESTS := $(if $(TOOL),$(sort $(wildcard tests/load/*.sh)))
INSTALL_TESTS := $(sort $(wildcard tests/install/*.sh))
# Suites and scripts find the rest of the build through these, and nothing else.
RUN = env IOE_RELEASE_DIR=$(release) IOE_TEST_DIR=$($(1)) CC=$(call quote,$(CC)) \
	MAKE=$(call quote,$(firstword $(MAKE))) tests/run.sh $($(1))/log

# Fuzz targets run on random inputs here, costs are measured once, and crashes are a few: so that
# none of them rots.
programs_of = $(foreach kind,suites stress fuzz cost crash,$(call $(kind)_of,$(1)))
# What the scripts of tests/tools run beside `ioe`.
tool_helpers_of = $(TOOL_HELPER_SRC:tests/%.c=$($(1))/%)
check: all $(call programs_of,test) $(call tool_helpers_of,test) build/setup/test.ok
	$(Q)IOE_COST_RUNS=1 $(call RUN,test) \
		$(call only,$(call programs_of,test) $(TOOL_TESTS) $(INSTALL_TESTS))

# The load tool beside fio and beside a clock: takes minutes of its own.
check-load: all $(call tool_helpers_of,test) build/setup/load.ok build/setup/test.ok
	$(Q)env IOE_RELEASE_DIR=$(release) IOE_TEST_DIR=$(test) \
		tests/run.sh build/load/log $(call only,$(LOAD_TESTS))

FAST_SUITES := $(filter unit conformance,$(SUITES))
check-fast: $(FAST_SUITES:%=$(test)/%) build/setup/test.ok
	$(Q)$(call RUN,test) \
		$(call only,$(FAST_SUITES:%=$(test)/%) $(wildcard tests/install/header.sh))

check-install: all build/setup/test.ok
	$(Q)$(call RUN,test) $(INSTALL_TESTS)

# setarch: a sanitizer wants its shadow memory where randomisation may have put something else.
SANITIZED = UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=second_deadlock_stack=1 \
	setarch -R $(call RUN,$(1)) \
	$(call only,$(call suites_of,$(1)) $(call stress_of,$(1)))

asan: $(call suites_of,asan) $(call stress_of,asan) build/setup/test.ok
	$(Q)$(call SANITIZED,asan)

tsan: $(call suites_of,tsan) $(call stress_of,tsan) build/setup/test.ok
	$(Q)$(call SANITIZED,tsan)

SECONDS ?= 60
fuzz: $(call fuzz_of,fuzz)
	$(Q)UBSAN_OPTIONS=print_stacktrace=1 setarch -R \
		tests/fuzz/run.sh $(fuzz) $(SECONDS) $(call only,$^)

# ---- Surroundings: the conformance suite on other file systems, forbidden calls, another user ---

SURROUND_CONFIGS := test asan tsan
surround_goal = surroundings$(if $(filter-out test,$(1)),-$(1))
.PHONY: $(foreach c,$(SURROUND_CONFIGS),$(call surround_goal,$(c)))
define SURROUND_RULES
$$(call surround_goal,$(1)): $$($(1))/surroundings/surround $$($(1))/conformance \
		build/setup/test.ok build/setup/surroundings.ok
	$$(Q)IOE_TEST_DIR=$$($(1)) UBSAN_OPTIONS=print_stacktrace=1 \
		$$(if $$(filter-out test,$(1)),setarch -R) tests/surroundings/run.sh $$($(1))/log \
		$$($(1))/surroundings/surround $$($(1))/conformance $$(ONLY)
endef
$(foreach c,$(SURROUND_CONFIGS),$(eval $(call SURROUND_RULES,$(c))))

# One after the other, also with -j.
check-all: check
	$(Q)$(MAKE) --no-print-directory check-load
	$(Q)$(MAKE) --no-print-directory surroundings

# ---- Crashes -------------------------------------------------------------------------------

SNAPSHOTS ?= 100
KILLS ?= 200
crash: $(call crash_of,test) build/setup/test.ok
	$(Q)IOE_CRASH_SNAPSHOTS=$(SNAPSHOTS) IOE_CRASH_KILLS=$(KILLS) $(call RUN,test) \
		$(call only,$(call crash_of,test))

# ---- Models, and the same for real ------------------------------------------------------------

MODELS := $(sort $(wildcard tests/model/*.pml))
model: build/setup/model.ok
	$(Q)tests/model/run.sh build/model $(call only,$(MODELS))

# Everything in full, and P26 with 10 million submits in all, and 16 producers with a million events
# each: so many percent of the 210000 and the 250000 of make check.
PINGPONG := $(test)/stress/stress_pingpong
EXACT := $(test)/stress/stress_exact
stress: $(call stress_of,test) build/setup/test.ok
	$(Q)IOE_TEST_LIMIT_S=3600 IOE_STRESS_PERCENT=100 tests/run.sh build/stress/log \
		$(call only,$(filter-out $(PINGPONG) $(EXACT),$(call stress_of,test)))
	$(Q)IOE_TEST_LIMIT_S=3600 IOE_STRESS_PERCENT=400 tests/run.sh build/stress/exact \
		$(call only,$(EXACT))
	$(Q)IOE_TEST_LIMIT_S=3600 IOE_STRESS_PERCENT=4762 tests/run.sh build/stress/pingpong \
		$(call only,$(PINGPONG))

# Not through run.sh, which would end it after its limit.
MINUTES ?= 10
soak: $(test)/stress/stress_soak
	$(Q)IOE_SOAK_MINUTES=$(MINUTES) $<

# ---- Mutants -------------------------------------------------------------------------------

# SAMPLE=n: n of them, chosen by IOE_SEED. The trees of the jobs begin with what is built here.
SAMPLE ?=
MUTANT_JOBS ?= $(shell nproc)
mutants: build/setup/build.ok build/setup/test.ok build/setup/mutants.ok
	$(Q)CC=$(call quote,$(CC)) MAKE=$(call quote,$(firstword $(MAKE))) ONLY=$(call quote,$(ONLY)) \
		SAMPLE=$(SAMPLE) MUTANT_JOBS=$(MUTANT_JOBS) MUTANT_SUFFIX=$(SUFFIX) \
		tests/mutants/run.sh build/mutants

# ---- Coverage, valgrind --------------------------------------------------------------------

# What to run, and how much of it, is in the scripts.
coverage: $(call suites_of,coverage) $(call stress_of,coverage) $(call fuzz_of,coverage) \
		$(coverage)/ioe build/setup/test.ok build/setup/coverage.ok
	$(Q)tests/coverage/coverage.sh $(coverage) \
		env IOE_RELEASE_DIR=$(coverage) IOE_TEST_DIR=$(coverage) tests/run.sh $(coverage)/log \
		$(call only,$(filter-out %.ok %/ioe,$^) $(TOOL_TESTS))

valgrind: $(FAST_SUITES:%=$(valgrind)/%) build/setup/test.ok build/setup/valgrind.ok
	$(Q)IOE_TEST_DIR=$(valgrind) tests/valgrind/valgrind.sh $(valgrind)

# ---- Costs and benchmarks ------------------------------------------------------------------

cost: $(call cost_of,release) $(TOOL)
	$(Q)set -e; for cost in $(filter-out $(TOOL),$^); do IOE_RELEASE_DIR=$(release) $$cost; done

SUITE_DIR := build/suite$(SUFFIX)
bench: WHAT := main
bench-merge: WHAT := merge
bench-suite: WHAT := floor --output=$(SUITE_DIR) $(if $(ONLY),--only=$(ONLY))
# fio is a side of it, gnuplot makes its plots; without them (SETUP=no) it says what is missing.
bench-suite: build/setup/suite.ok
bench bench-merge bench-suite: $(TOOL)
	$(Q)$(TOOL) suite --what=$(WHAT) --commit="$$(git rev-parse --short HEAD 2>/dev/null || echo none)"

# ---- Style ---------------------------------------------------------------------------------

C_FILES := $(sort $(wildcard $(foreach d,engine merge workers channel tools tools/bench \
	tools/suite tools/plot tools/examples \
	tests $(wildcard tests/*/) tests/tools/unit,$(d:/=)/*.c $(d:/=)/*.h)))
TIDY := $(patsubst %,build/style/%.tidy,$(filter %.c,$(C_FILES)))

style: style-text $(TIDY)
style-text: build/setup/style.ok
	$(Q)tests/style.sh $(C_FILES)

# One file at a time, and only those that changed: this is the slow part, and most of it the
# analyser. ANALYSE=product: not of tests.
ANALYSE ?= all
tidy_checks = $(if $(filter product,$(ANALYSE)),$(if $(filter tests/%,$(1)),--checks=-clang-analyzer-*))
build/style/%.tidy: % .clang-tidy $(filter %.h,$(C_FILES)) \
		| build/setup/style.ok build/setup/build.ok build/setup/test.ok
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $(call tidy_checks,$<) $< -- -std=gnu11 $(CPPFLAGS_all) \
		-DIOE_TEST_SEAM -DIOE_VERIFY 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

fresh: build/setup/fresh.ok
	$(Q)tests/fresh/fresh.sh

# ---- Install -------------------------------------------------------------------------------

# Every file that install makes; uninstall removes the same list.
INSTALLED = $(foreach h,$(PUBLIC_HEADERS),$(INCLUDEDIR)/$(notdir $(h))) \
	$(addprefix $(LIBDIR)/,libioe.a $(SHARED) $(SONAME) libioe.so pkgconfig/ioe.pc) \
	$(if $(TOOL),$(BINDIR)/ioe) \
	$(foreach m,$(MAN_PAGES),$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))

# $(call put,mode,file,directory)
put = $(INSTALL) -d '$(DESTDIR)$(3)' && $(INSTALL) -m $(1) $(2) '$(DESTDIR)$(3)/' &&

# What is for link-time optimisation only another version of gcc would refuse.
OBJCOPY ?= objcopy
strip_lto := $(OBJCOPY) --wildcard --remove-section='.gnu.lto_*' --remove-section='.gnu.debuglto_*' \
	--strip-symbol=__gnu_lto_slim --strip-symbol=__gnu_lto_v1

install: all
	$(call say,INSTALL,'$(DESTDIR)$(PREFIX)')
	$(Q)$(foreach h,$(PUBLIC_HEADERS),$(call put,644,$(h),$(INCLUDEDIR))) \
	$(call put,644,$(release)/libioe.a,$(LIBDIR)) \
	$(if $(LTO),$(strip_lto) '$(DESTDIR)$(LIBDIR)/libioe.a' &&) \
	$(call put,755,$(release)/$(SHARED),$(LIBDIR)) \
	ln -sf $(SHARED) '$(DESTDIR)$(LIBDIR)/$(SONAME)' && \
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libioe.so' && \
	$(call put,644,$(release)/ioe.pc,$(LIBDIR)/pkgconfig) \
	$(if $(TOOL),$(call put,755,$(TOOL),$(BINDIR))) \
	$(foreach m,$(MAN_PAGES),$(call put,644,$(m),$(MANDIR)/man$(subst .,,$(suffix $(m))))) :

uninstall:
	$(call say,RM,'$(DESTDIR)$(PREFIX)')
	$(Q)rm -f $(foreach f,$(INSTALLED),'$(DESTDIR)$(f)')

# The paths may differ at each call: written anew when they do.
$(release)/ioe.pc: engine/ioe.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${exec_prefix}/%,$(LIBDIR))|' \
		-e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
		-e 's|@LIBS_PRIVATE@|$(LIB_LIBS)|' $< | $(call replace,$@)

clean:
	$(Q)rm -rf build

# For the tests, so that they keep no list of their own.
print-public-headers:
	@echo $(PUBLIC_HEADERS)
print-version:
	@echo $(VERSION)

# ---- Stamps --------------------------------------------------------------------------------

FORCE:

# $(call replace,file): standard input becomes the file, which stays untouched if it is the same.
replace = { cat >$(1).new; cmp -s $(1).new $(1) && rm $(1).new || mv $(1).new $(1); }

# build/setup/x.ok: the packages of PACKAGES_x are there. Looked at again when the list changes or
# dpkg has installed or removed something since.
define SETUP_RULES
build/setup/$(1).list: FORCE
	@mkdir -p build/setup
	@echo '$$(PACKAGES_$(1))' | $$(call replace,$$@)
build/setup/$(1).ok: build/setup/$(1).list tools/setup.sh $$(wildcard /var/lib/dpkg/status)
	@$$(if $$(filter no,$$(SETUP)),,sh tools/setup.sh $$(PACKAGES_$(1)))
	@touch $$@
endef
$(foreach s,$(patsubst PACKAGES_%,%,$(filter PACKAGES_%,$(.VARIABLES))),\
	$(eval $(call SETUP_RULES,$(s))))

# ---- Rules of one configuration ------------------------------------------------------------

# Defined as nothing, so that a file that says `#define _GNU_SOURCE` itself says the same.
CPPFLAGS_all := -I. -D_GNU_SOURCE=

define CONFIG_RULES
ALL_CFLAGS_$(1) = $$(CPPFLAGS_all) $$(COMMON_CFLAGS) $$(CFLAGS_$(1)) $$(CPPFLAGS) $$(CFLAGS)
ALL_LDFLAGS_$(1) = $$(COMMON_LDFLAGS) $$(LDFLAGS_$(1)) $$(LDFLAGS)
LIB_OBJ_$(1) := $$(LIB_SRC:%.c=$$($(1))/%.o)
TOOL_OBJ_$(1) := $$(TOOL_SRC:%.c=$$($(1))/%.o)
SUPPORT_OBJ_$(1) := $$(SUPPORT_SRC:%.c=$$($(1))/%.o)
TOOL_SUITE_OBJ_$(1) := $$(TOOL_SUITE_SRC:%.c=$$($(1))/%.o)
TEST_OBJ_$(1) := $$(SUPPORT_OBJ_$(1)) $$(SUITE_SRC:%.c=$$($(1))/%.o) $$(TOOL_SUITE_OBJ_$(1)) \
	$$(patsubst %.c,$$($(1))/%.o,$$(PROGRAM_SRC) $$(FUZZ_MAIN) $$(CRASH_PARTS))
OTHER_OBJ_$(1) := $$(TOOL_OBJ_$(1)) $$(TEST_OBJ_$(1)) $$(EXAMPLE_SRC:%.c=$$($(1))/%.o)

# Objects depend on how they are compiled, programs on what they are made of.
$$($(1))/flags: FORCE | build/setup/build.ok $$(if $$(filter fuzz,$(1)),build/setup/fuzz.ok)
	@mkdir -p $$(@D)
	@{ printf '%s\n' $$(call quote,$$(CC_$(1)) $$(ALL_CFLAGS_$(1))); $$(CC_$(1)) --version; } | \
		$$(call replace,$$@)
$$($(1))/links: FORCE | build/setup/build.ok
	@mkdir -p $$(@D)
	@printf '%s\n' $$(call quote,$$(CC_$(1)) $$(ALL_LDFLAGS_$(1)) $$(LIB_LIBS) $$(TOOL_LIBS)) \
		'$$(SUPPORT_LIBS)' '$$(LIB_SRC)' '$$(TOOL_SRC)' '$$(SUPPORT_SRC)' \
		'$$(SUITE_SRC)' '$$(TOOL_SUITE_SRC)' | $$(call replace,$$@)

$$(LIB_OBJ_$(1)): PIC := -fPIC
$$(OTHER_OBJ_$(1)): PIC := -fPIE
$$(TEST_OBJ_$(1)): | build/setup/test.ok
$$(LIB_OBJ_$(1)) $$(OTHER_OBJ_$(1)): $$($(1))/%.o: %.c $$($(1))/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC_$(1)) $$(PIC) $$(ALL_CFLAGS_$(1)) -MMD -MP -c -o $$@ $$<

# $$^ without the stamps is what goes into a program.
$$($(1))/libioe.a: $$(LIB_OBJ_$(1)) $$($(1))/links
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)
$$($(1))/libsupport.a: $$(SUPPORT_OBJ_$(1)) $$($(1))/links
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)
$$($(1))/$$(SHARED): $$(LIB_OBJ_$(1)) engine/ioe.map $$($(1))/links
	$$(call say,LD,$$@)
	$$(Q)$$(CC_$(1)) -shared -Wl,-soname,$$(SONAME) -Wl,--version-script=engine/ioe.map -Wl,-z,defs \
		-o $$@ $$(filter %.o,$$^) $$(CFLAGS_$(1)) $$(ALL_LDFLAGS_$(1)) $$(LIB_LIBS)
$$($(1))/$$(SONAME): $$($(1))/$$(SHARED)
	$$(Q)ln -sf $$(SHARED) $$@
$$($(1))/libioe.so: $$($(1))/$$(SONAME)
	$$(Q)ln -sf $$(SONAME) $$@

LINK_$(1) = $$(CC_$(1)) -pie -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $$(ALL_LDFLAGS_$(1))
$$($(1))/ioe: $$(TOOL_OBJ_$(1)) $$($(1))/libioe.a $$($(1))/links
	$$(call say,LD,$$@)
	$$(Q)$$(LINK_$(1)) $$(LIB_LIBS) $$(TOOL_LIBS)
$$(EXAMPLE_SRC:tools/examples/%.c=$$($(1))/examples/%): \
		$$($(1))/examples/%: $$($(1))/tools/examples/%.o $$($(1))/libioe.a $$($(1))/links
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(LINK_$(1)) $$(LIB_LIBS)
$$(foreach s,$$(SUITES),$$(eval $$($(1))/$$(s): $$(filter \
	$$($(1))/tests/$$(s)/%,$$(TEST_OBJ_$(1)))))
$$(SUITES:%=$$($(1))/%): $$($(1))/libsupport.a $$($(1))/libioe.a $$($(1))/links
	$$(call say,LD,$$@)
	$$(Q)$$(LINK_$(1)) $$(TEST_LIBS_$(1)) $$(SUPPORT_LIBS) $$(LIB_LIBS)
$$(TOOL_SUITE:%=$$($(1))/%): $$(TOOL_SUITE_OBJ_$(1)) \
		$$(filter-out $$($(1))/tools/ioe.o,$$(TOOL_OBJ_$(1))) \
		$$($(1))/libsupport.a $$($(1))/libioe.a $$($(1))/links
	$$(call say,LD,$$@)
	$$(Q)$$(LINK_$(1)) $$(TEST_LIBS_$(1)) $$(SUPPORT_LIBS) $$(LIB_LIBS) $$(TOOL_LIBS)
# A program of each file. libFuzzer brings a main() of its own.
$$(FUZZ_SRC:tests/%.c=$$($(1))/%): $$(if $$(filter fuzz,$(1)),,$$(FUZZ_MAIN:%.c=$$($(1))/%.o))
$$(CRASH_SRC:tests/%.c=$$($(1))/%): $$(CRASH_PARTS:%.c=$$($(1))/%.o)
$$(PROGRAM_SRC:tests/%.c=$$($(1))/%): $$($(1))/%: \
		$$($(1))/tests/%.o $$($(1))/libsupport.a $$($(1))/libioe.a $$($(1))/links
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(LINK_$(1)) $$(TEST_LIBS_$(1)) $$(SUPPORT_LIBS) $$(LIB_LIBS)

-include $$(LIB_OBJ_$(1):.o=.d) $$(OTHER_OBJ_$(1):.o=.d)
endef
$(foreach c,$(CONFIGS),$(eval $(call CONFIG_RULES,$(c))))

# Only the library counts: what the tests execute of themselves is not asked.
$(LIB_OBJ_coverage): PIC := -fPIC --coverage -fprofile-update=atomic
