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
quote = '$(subst ','\'',$(1))'

# ---- What there is to build ----------------------------------------------------------------

PUBLIC_HEADERS := engine/ioe.h
MAN_PAGES := $(sort $(wildcard docs/*.[1357]))

LIB_SRC := $(sort $(wildcard engine/*.c merge/*.c workers/*.c channel/*.c))
TOOL_SRC := $(sort $(wildcard tools/*.c))
EXAMPLE_SRC := $(sort $(wildcard tools/examples/*.c))
SUPPORT_SRC := $(sort $(wildcard tests/lib/*.c))
STRESS_SRC := $(sort $(wildcard tests/stress/*.c))
SUITES := $(foreach s,unit conformance faults,$(if $(wildcard tests/$(s)/*.c),$(s)))
SUITE_SRC := $(sort $(foreach s,$(SUITES),$(wildcard tests/$(s)/*.c)))

version_part = $(shell sed -n \
	's/^.define[[:space:]]\{1,\}IOE_VERSION_$(1)[[:space:]]\{1,\}\([0-9]*\).*/\1/p' engine/ioe.h)
VERSION_MAJOR := $(call version_part,MAJOR)
VERSION := $(VERSION_MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME := libioe.so.$(VERSION_MAJOR)
SHARED := libioe.so.$(VERSION)

# ---- Configurations: build/<config>/, or build/<config>-clang/ with CC=clang ----------------

# release: installed and measured. test: the seam in sys.h and the expensive checks are in.
# asan, tsan: as test, with the tests under a plain runner, since Criterion's sandbox and
# sanitizers do not go together.
CONFIGS := release test asan tsan
SUFFIX := $(if $(findstring clang,$(notdir $(firstword $(CC)))),-clang)
$(foreach c,$(CONFIGS),$(eval $(c) := build/$(c)$(SUFFIX)))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wpointer-arith -Wwrite-strings -Wundef $(if $(filter-out 0,$(WERROR)),-Werror)
# Control-flow enforcement: each architecture has its own name for it.
CPU_HARDENING := $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2

COMMON_CFLAGS := -std=gnu11 -pthread $(WARNINGS) -fno-semantic-interposition \
	-fstack-protector-strong $(CPU_HARDENING)
CFLAGS_release := -O2 -g $(FORTIFY)
CFLAGS_test := -O2 -g $(FORTIFY) -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all -DIOE_PLAIN_RUNNER -DIOE_TEST_SEAM -DIOE_VERIFY
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread \
	-DIOE_PLAIN_RUNNER -DIOE_TEST_SEAM -DIOE_VERIFY
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
COMMON_LDFLAGS := -pthread -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed

LIB_LIBS := -luring -lck -lpthread
TOOL_LIBS := -ljansson -lm
TEST_LIBS_test := -lcriterion

# ---- Debian packages, by what is to be done; tools/setup.sh installs what is missing --------

COMPILER_gcc := gcc
COMPILER_clang := clang libclang-rt-14-dev
PACKAGES_build := $(COMPILER_$(notdir $(firstword $(CC)))) binutils libc6-dev liburing-dev \
	libaio-dev libck-dev libjansson-dev
PACKAGES_test := gcc g++ libcriterion-dev pkg-config strace jq
PACKAGES_style := clang-format clang-tidy cppcheck shellcheck
PACKAGES_fresh := debootstrap

# ---- Goals ---------------------------------------------------------------------------------

.PHONY: all check check-fast check-install bench asan tsan style style-text fresh install \
	uninstall clean help print-public-headers print-version FORCE

TOOL := $(if $(TOOL_SRC),$(release)/ioe)
EXAMPLES := $(EXAMPLE_SRC:tools/examples/%.c=$(release)/examples/%)
all: $(release)/libioe.a $(release)/libioe.so $(TOOL) $(EXAMPLES) $(release)/ioe.pc

help:
	@echo 'ioe $(VERSION): goals of make'
	@echo '  all            library and tool, in $(release)/ (default)'
	@echo '  bench          the main job on a real file: ours beside the raw loops, one table'
	@echo '  check          all tests'
	@echo '  check-fast     unit and conformance tests in short, header check; under 30 s'
	@echo '  check-install  only the tests of what make install puts where'
	@echo '  asan tsan      the tests under address+undefined and thread sanitizers'
	@echo '  style          format, lint, lengths'
	@echo '  fresh          make bench and make check, each in a new Debian 12 (as root)'
	@echo '  install        PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); uninstall takes it away again'
	@echo '  clean          remove build/'
	@echo 'Settings: CC=clang CFLAGS= LDFLAGS= WERROR=1 V=1 SETUP=no (do not look at packages)'

# Run one suite or test, by name: make check-fast ONLY=unit
ONLY ?=
only = $(if $(ONLY),$(foreach t,$(1),$(if $(findstring $(ONLY),$(t)),$(t))),$(1))
suites_of = $(SUITES:%=$($(1))/%)
stress_of = $(STRESS_SRC:tests/stress/%.c=$($(1))/stress/%)
TOOL_TESTS := $(if $(TOOL),$(sort $(wildcard tests/tools/*.sh)))
INSTALL_TESTS := $(sort $(wildcard tests/install/*.sh))
# Suites and scripts find the rest of the build through these, and nothing else.
RUN = env IOE_RELEASE_DIR=$(release) IOE_TEST_DIR=$($(1)) CC=$(call quote,$(CC)) \
	MAKE=$(call quote,$(firstword $(MAKE))) tests/run.sh $($(1))/log

check: all $(call suites_of,test) $(call stress_of,test) build/setup/test.ok
	$(Q)$(call RUN,test) \
		$(call only,$(call suites_of,test) $(call stress_of,test) $(TOOL_TESTS) $(INSTALL_TESTS))

FAST_SUITES := $(filter unit conformance,$(SUITES))
check-fast: $(FAST_SUITES:%=$(test)/%) build/setup/test.ok
	$(Q)IOE_FAST=1 $(call RUN,test) \
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

bench: $(TOOL)
	$(Q)$(TOOL) suite --commit="$$(git rev-parse --short HEAD 2>/dev/null || echo none)"

# ---- Style ---------------------------------------------------------------------------------

C_FILES := $(sort $(wildcard $(foreach d,engine merge workers channel tools tools/examples \
	tests $(wildcard tests/*/),$(d:/=)/*.c $(d:/=)/*.h)))
TIDY := $(patsubst %,build/style/%.tidy,$(filter %.c,$(C_FILES)))

style: style-text $(TIDY)
style-text: build/setup/style.ok
	$(Q)tests/style.sh $(C_FILES)

# One file at a time, and only those that changed: this is the slow part.
build/style/%.tidy: % .clang-tidy $(filter %.h,$(C_FILES)) \
		| build/setup/style.ok build/setup/build.ok build/setup/test.ok
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- -std=gnu11 $(CPPFLAGS_all) \
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

install: all
	$(call say,INSTALL,'$(DESTDIR)$(PREFIX)')
	$(Q)$(foreach h,$(PUBLIC_HEADERS),$(call put,644,$(h),$(INCLUDEDIR))) \
	$(call put,644,$(release)/libioe.a,$(LIBDIR)) \
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
$(foreach s,build test style fresh,$(eval $(call SETUP_RULES,$(s))))

# ---- Rules of one configuration ------------------------------------------------------------

# Defined as nothing, so that a file that says `#define _GNU_SOURCE` itself says the same.
CPPFLAGS_all := -I. -D_GNU_SOURCE=

define CONFIG_RULES
ALL_CFLAGS_$(1) = $$(CPPFLAGS_all) $$(COMMON_CFLAGS) $$(CFLAGS_$(1)) $$(CPPFLAGS) $$(CFLAGS)
ALL_LDFLAGS_$(1) = $$(COMMON_LDFLAGS) $$(LDFLAGS_$(1)) $$(LDFLAGS)
LIB_OBJ_$(1) := $$(LIB_SRC:%.c=$$($(1))/%.o)
TOOL_OBJ_$(1) := $$(TOOL_SRC:%.c=$$($(1))/%.o)
SUPPORT_OBJ_$(1) := $$(SUPPORT_SRC:%.c=$$($(1))/%.o)
TEST_OBJ_$(1) := $$(SUPPORT_OBJ_$(1)) $$(SUITE_SRC:%.c=$$($(1))/%.o) \
	$$(STRESS_SRC:%.c=$$($(1))/%.o)
OTHER_OBJ_$(1) := $$(TOOL_OBJ_$(1)) $$(TEST_OBJ_$(1)) $$(EXAMPLE_SRC:%.c=$$($(1))/%.o)

# Objects depend on how they are compiled, programs on what they are made of.
$$($(1))/flags: FORCE | build/setup/build.ok
	@mkdir -p $$(@D)
	@{ printf '%s\n' $$(call quote,$$(CC) $$(ALL_CFLAGS_$(1))); $$(CC) --version; } | \
		$$(call replace,$$@)
$$($(1))/links: FORCE | build/setup/build.ok
	@mkdir -p $$(@D)
	@printf '%s\n' $$(call quote,$$(CC) $$(ALL_LDFLAGS_$(1)) $$(LIB_LIBS) $$(TOOL_LIBS)) \
		'$$(LIB_SRC)' '$$(TOOL_SRC)' '$$(SUPPORT_SRC)' '$$(SUITE_SRC)' | $$(call replace,$$@)

$$(LIB_OBJ_$(1)): PIC := -fPIC
$$(OTHER_OBJ_$(1)): PIC := -fPIE
$$(TEST_OBJ_$(1)): | build/setup/test.ok
$$(LIB_OBJ_$(1)) $$(OTHER_OBJ_$(1)): $$($(1))/%.o: %.c $$($(1))/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(PIC) $$(ALL_CFLAGS_$(1)) -MMD -MP -c -o $$@ $$<

# $$^ without the stamps is what goes into a program.
$$($(1))/libioe.a: $$(LIB_OBJ_$(1)) $$($(1))/links
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)
$$($(1))/libsupport.a: $$(SUPPORT_OBJ_$(1)) $$($(1))/links
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)
$$($(1))/$$(SHARED): $$(LIB_OBJ_$(1)) engine/ioe.map $$($(1))/links
	$$(call say,LD,$$@)
	$$(Q)$$(CC) -shared -Wl,-soname,$$(SONAME) -Wl,--version-script=engine/ioe.map -Wl,-z,defs \
		-o $$@ $$(filter %.o,$$^) $$(CFLAGS_$(1)) $$(ALL_LDFLAGS_$(1)) $$(LIB_LIBS)
$$($(1))/$$(SONAME): $$($(1))/$$(SHARED)
	$$(Q)ln -sf $$(SHARED) $$@
$$($(1))/libioe.so: $$($(1))/$$(SONAME)
	$$(Q)ln -sf $$(SONAME) $$@

LINK_$(1) = $$(CC) -pie -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $$(ALL_LDFLAGS_$(1))
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
	$$(Q)$$(LINK_$(1)) $$(TEST_LIBS_$(1)) $$(LIB_LIBS)
$$(STRESS_SRC:tests/stress/%.c=$$($(1))/stress/%): $$($(1))/stress/%: \
		$$($(1))/tests/stress/%.o $$($(1))/libsupport.a $$($(1))/libioe.a $$($(1))/links
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(LINK_$(1)) $$(TEST_LIBS_$(1)) $$(LIB_LIBS)

-include $$(LIB_OBJ_$(1):.o=.d) $$(OTHER_OBJ_$(1):.o=.d)
endef
$(foreach c,$(CONFIGS),$(eval $(call CONFIG_RULES,$(c))))
