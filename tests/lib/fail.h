/* SPDX-License-Identifier: MIT
 * fail.h - how support code says that something went wrong: it fails the test that uses it, or
 *          ends the stress program or the fuzz target.
 * Invariants: none.
 * Threads:    the test's own thread in a test; any thread in a stress program.
 * Ownership:  none. */
#ifndef IOE_TESTS_FAIL_H
#define IOE_TESTS_FAIL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Set by programs with a main() of their own: fail by exit status 1. */
extern bool support_is_program;
/* Said with every failure of a program, if not empty: how to have it again. */
extern char support_context[128];
/* Set by fuzz targets: fail by abort(), which libFuzzer takes for a crash, so that it keeps the
 * input. */
extern bool support_aborts;

void support_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn, cold));
/* Skip this test, or end this program with exit status 77. */
void support_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn, cold));

#define must(cond, ...) ((cond) ? (void)0 : support_fail(__FILE__, __LINE__, __VA_ARGS__))
/* A system call of the test's own: >= 0, or the test fails. */
#define must_sys(call)                                                  \
	__extension__({                                                 \
		const long long must_ret_ = (long long)(call);          \
		must(must_ret_ >= 0, "%s: %s", #call, strerror(errno)); \
		must_ret_;                                              \
	})

#endif
