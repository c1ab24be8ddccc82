/* SPDX-License-Identifier: MIT
 * check.h - what every test includes: Criterion, or with -DIOE_PLAIN_RUNNER a small runner of our
 *           own with the same macros (sanitizers and Criterion's sandbox do not go together).
 * Invariants: a skip always has a reason, which is printed.
 * Threads:    cr_assert...() and cr_skip...() on the test's own thread only; callbacks record what
 *             they see and the test's thread looks at it.
 * Ownership:  none. */
#ifndef IOE_TESTS_CHECK_H
#define IOE_TESTS_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef IOE_PLAIN_RUNNER
#include "tests/lib/plain_runner.h"
#else
#include <criterion/criterion.h>

/* Criterion shows the reason of a skip only with --verbose: print it always. */
void check_print_skip(const char *suite, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#undef cr_skip
#undef cr_skip_test
#define cr_skip_test(...)                                                                 \
	(check_print_skip(criterion_current_test->category, criterion_current_test->name, \
			  __VA_ARGS__),                                                   \
	 criterion_skip_test("" __VA_ARGS__))
#define cr_skip(...) cr_skip_test(__VA_ARGS__)
#endif

/* Compare two integers and show both when they differ. */
#define check_eq(actual, expected)                                                                 \
	do {                                                                                       \
		const long long check_a_ = (long long)(actual);                                    \
		const long long check_e_ = (long long)(expected);                                  \
		cr_assert(check_a_ == check_e_, "%s:%d: %s is %lld, not %lld", __FILE__, __LINE__, \
			  #actual, check_a_, check_e_);                                            \
	} while (0)

/* Compare an integer with a bound: check_op(count, <=, 8). */
#define check_op(actual, op, bound)                                                         \
	do {                                                                                \
		const long long check_a_ = (long long)(actual);                             \
		const long long check_b_ = (long long)(bound);                              \
		cr_assert(check_a_ op check_b_, "%s:%d: %s is %lld, not %s %lld", __FILE__, \
			  __LINE__, #actual, check_a_, #op, check_b_);                      \
	} while (0)

/* For system calls a test makes itself: they must work. */
#define check_sys(call)                                                              \
	__extension__({                                                              \
		const long long check_s_ = (long long)(call);                        \
		cr_assert(check_s_ >= 0, "%s:%d: %s: %s", __FILE__, __LINE__, #call, \
			  strerror(errno));                                          \
		check_s_;                                                            \
	})

/* True under a sanitizer, or valgrind: counts are made smaller there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(IOE_VALGRIND)
#define CHECK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif
#ifndef CHECK_SANITIZED
#define CHECK_SANITIZED 0
#endif

#endif
