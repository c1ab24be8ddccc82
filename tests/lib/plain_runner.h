/* SPDX-License-Identifier: MIT
 * plain_runner.h - the macros of Criterion that our tests use, for the runner in plain_runner.c.
 * Invariants: each test runs in a fork()ed child of its own, with a timeout.
 * Threads:    a fatal check may fail on any thread: it ends the test's process.
 * Ownership:  tests are constants of the program. */
#ifndef IOE_TESTS_PLAIN_RUNNER_H
#define IOE_TESTS_PLAIN_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct plain_options {
	int sentinel_;
	void (*init)(void);
	void (*fini)(void);
	double timeout; /* seconds; 0: that of the runner */
	int signal;     /* the test must die of it */
	int exit_code;  /* the test must exit with it */
	bool disabled;
	const char *description;
	void *data;
};

struct plain_test {
	const char *category; /* the suite */
	const char *name;
	void (*test)(void);
	const struct plain_options *data;
};

struct plain_suite {
	const char *name;
	const struct plain_options *data;
};

extern const struct plain_test *plain_current_test;
#define criterion_current_test plain_current_test

void plain_fail(bool fatal, const char *file, int line, const char *what, const char *format, ...)
	__attribute__((format(printf, 5, 6), cold));
void plain_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn, cold));

/* Checks that failed without ending the test. */
int plain_n_failed(void);

/* How the child of a test exits when it has not passed. */
#define PLAIN_EXIT_FAILED  1
#define PLAIN_EXIT_SKIPPED 77

#define Test(...) PLAIN_TEST_(__VA_ARGS__, .sentinel_ = 0)
#define PLAIN_TEST_(suite_, name_, ...)                                                         \
	static void suite_##_##name_##_impl(void);                                              \
	static const struct plain_options suite_##_##name_##_extra = { __VA_ARGS__ };           \
	static const struct plain_test suite_##_##name_##_meta = { #suite_, #name_,             \
								   suite_##_##name_##_impl,     \
								   &suite_##_##name_##_extra }; \
	static const struct plain_test *const suite_##_##name_##_ptr                            \
		__attribute__((used, section("ioe_tests"))) = &suite_##_##name_##_meta;         \
	static void suite_##_##name_##_impl(void)

#define TestSuite(...) PLAIN_SUITE_(__VA_ARGS__, .sentinel_ = 0)
#define PLAIN_SUITE_(name_, ...)                                                                   \
	static const struct plain_options suite_##name_##_extra = { __VA_ARGS__ };                 \
	static const struct plain_suite suite_##name_##_meta = { #name_, &suite_##name_##_extra }; \
	static const struct plain_suite *const suite_##name_##_ptr                                 \
		__attribute__((used, section("ioe_suites"))) = &suite_##name_##_meta

#define cr_skip_test(...) plain_skip(__VA_ARGS__)
#define cr_skip(...)      plain_skip(__VA_ARGS__)

/* Whether a check has a message behind its operands: PLAIN_KIND1_ for checks of one operand gives
 * S (silent) or M (message), PLAIN_KIND2_ the same for two, PLAIN_KIND3_ for three. */
/* It would align these beyond the end of the line. */
/* clang-format off */
#define PLAIN_AT_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, kind, ...) kind
#define PLAIN_KIND1_(...) \
	PLAIN_AT_(__VA_ARGS__, M, M, M, M, M, M, M, M, M, M, M, M, M, S, ~)
#define PLAIN_KIND2_(...) \
	PLAIN_AT_(__VA_ARGS__, M, M, M, M, M, M, M, M, M, M, M, M, S, ~, ~)
#define PLAIN_KIND3_(...) \
	PLAIN_AT_(__VA_ARGS__, M, M, M, M, M, M, M, M, M, M, M, S, ~, ~, ~)
#define PLAIN_JOIN2_(a, b) a##b
#define PLAIN_JOIN_(a, b) PLAIN_JOIN2_(a, b)
/* clang-format on */

#define PLAIN_ONE_S(fatal, is, what)      PLAIN_ONE_(fatal, is, what, #what, "%s", "")
#define PLAIN_ONE_M(fatal, is, what, ...) PLAIN_ONE_(fatal, is, what, #what, __VA_ARGS__)
#define PLAIN_ONE_(fatal, is, what, text, ...) \
	((is(what)) ? (void)0 : plain_fail(fatal, __FILE__, __LINE__, text, __VA_ARGS__))
#define PLAIN_TWO_S(fatal, is, a, b)      PLAIN_TWO_(fatal, is, a, b, #a ", " #b, "%s", "")
#define PLAIN_TWO_M(fatal, is, a, b, ...) PLAIN_TWO_(fatal, is, a, b, #a ", " #b, __VA_ARGS__)
#define PLAIN_TWO_(fatal, is, a, b, text, ...) \
	((is(a, b)) ? (void)0 : plain_fail(fatal, __FILE__, __LINE__, #is ": " text, __VA_ARGS__))
#define PLAIN_THREE_S(fatal, is, a, b, n) PLAIN_THREE_(fatal, is, a, b, n, #a ", " #b, "%s", "")
#define PLAIN_THREE_M(fatal, is, a, b, n, ...) \
	PLAIN_THREE_(fatal, is, a, b, n, #a ", " #b, __VA_ARGS__)
#define PLAIN_THREE_(fatal, is, a, b, n, text, ...) \
	((is(a, b, n)) ? (void)0 :                  \
			 plain_fail(fatal, __FILE__, __LINE__, #is ": " text, __VA_ARGS__))

#define PLAIN_TRUE_(a)          (a)
#define PLAIN_FALSE_(a)         (!(a))
#define PLAIN_NULL_(a)          ((a) == NULL)
#define PLAIN_NOT_NULL_(a)      ((a) != NULL)
#define PLAIN_EQ_(a, b)         ((a) == (b))
#define PLAIN_NEQ_(a, b)        ((a) != (b))
#define PLAIN_LT_(a, b)         ((a) < (b))
#define PLAIN_LEQ_(a, b)        ((a) <= (b))
#define PLAIN_GT_(a, b)         ((a) > (b))
#define PLAIN_GEQ_(a, b)        ((a) >= (b))
#define PLAIN_STR_EQ_(a, b)     (strcmp(a, b) == 0)
#define PLAIN_STR_NEQ_(a, b)    (strcmp(a, b) != 0)
#define PLAIN_ARR_EQ_(a, b, n)  (memcmp(a, b, n) == 0)
#define PLAIN_ARR_NEQ_(a, b, n) (memcmp(a, b, n) != 0)
#define PLAIN_NEAR_(a, b, far)  ((a) - (b) <= (far) && (b) - (a) <= (far))

#define PLAIN_CHECK1_(fatal, is, ...) \
	PLAIN_JOIN_(PLAIN_ONE_, PLAIN_KIND1_(__VA_ARGS__))(fatal, is, __VA_ARGS__)
#define PLAIN_CHECK2_(fatal, is, ...) \
	PLAIN_JOIN_(PLAIN_TWO_, PLAIN_KIND2_(__VA_ARGS__))(fatal, is, __VA_ARGS__)
#define PLAIN_CHECK3_(fatal, is, ...) \
	PLAIN_JOIN_(PLAIN_THREE_, PLAIN_KIND3_(__VA_ARGS__))(fatal, is, __VA_ARGS__)

#define cr_fail(...)            plain_fail(true, __FILE__, __LINE__, "failed", __VA_ARGS__)
#define cr_assert_fail(...)     cr_fail(__VA_ARGS__)
#define cr_expect_fail(...)     plain_fail(false, __FILE__, __LINE__, "failed", __VA_ARGS__)
#define cr_assert(...)          PLAIN_CHECK1_(true, PLAIN_TRUE_, __VA_ARGS__)
#define cr_expect(...)          PLAIN_CHECK1_(false, PLAIN_TRUE_, __VA_ARGS__)
#define cr_assert_not(...)      PLAIN_CHECK1_(true, PLAIN_FALSE_, __VA_ARGS__)
#define cr_expect_not(...)      PLAIN_CHECK1_(false, PLAIN_FALSE_, __VA_ARGS__)
#define cr_assert_null(...)     PLAIN_CHECK1_(true, PLAIN_NULL_, __VA_ARGS__)
#define cr_expect_null(...)     PLAIN_CHECK1_(false, PLAIN_NULL_, __VA_ARGS__)
#define cr_assert_not_null(...) PLAIN_CHECK1_(true, PLAIN_NOT_NULL_, __VA_ARGS__)
#define cr_expect_not_null(...) PLAIN_CHECK1_(false, PLAIN_NOT_NULL_, __VA_ARGS__)
#define cr_assert_eq(...)       PLAIN_CHECK2_(true, PLAIN_EQ_, __VA_ARGS__)
#define cr_expect_eq(...)       PLAIN_CHECK2_(false, PLAIN_EQ_, __VA_ARGS__)
#define cr_assert_neq(...)      PLAIN_CHECK2_(true, PLAIN_NEQ_, __VA_ARGS__)
#define cr_expect_neq(...)      PLAIN_CHECK2_(false, PLAIN_NEQ_, __VA_ARGS__)
#define cr_assert_lt(...)       PLAIN_CHECK2_(true, PLAIN_LT_, __VA_ARGS__)
#define cr_expect_lt(...)       PLAIN_CHECK2_(false, PLAIN_LT_, __VA_ARGS__)
#define cr_assert_leq(...)      PLAIN_CHECK2_(true, PLAIN_LEQ_, __VA_ARGS__)
#define cr_expect_leq(...)      PLAIN_CHECK2_(false, PLAIN_LEQ_, __VA_ARGS__)
#define cr_assert_gt(...)       PLAIN_CHECK2_(true, PLAIN_GT_, __VA_ARGS__)
#define cr_expect_gt(...)       PLAIN_CHECK2_(false, PLAIN_GT_, __VA_ARGS__)
#define cr_assert_geq(...)      PLAIN_CHECK2_(true, PLAIN_GEQ_, __VA_ARGS__)
#define cr_expect_geq(...)      PLAIN_CHECK2_(false, PLAIN_GEQ_, __VA_ARGS__)
#define cr_assert_str_eq(...)   PLAIN_CHECK2_(true, PLAIN_STR_EQ_, __VA_ARGS__)
#define cr_expect_str_eq(...)   PLAIN_CHECK2_(false, PLAIN_STR_EQ_, __VA_ARGS__)
#define cr_assert_str_neq(...)  PLAIN_CHECK2_(true, PLAIN_STR_NEQ_, __VA_ARGS__)
#define cr_expect_str_neq(...)  PLAIN_CHECK2_(false, PLAIN_STR_NEQ_, __VA_ARGS__)
#define cr_assert_arr_eq(...)   PLAIN_CHECK3_(true, PLAIN_ARR_EQ_, __VA_ARGS__)
#define cr_expect_arr_eq(...)   PLAIN_CHECK3_(false, PLAIN_ARR_EQ_, __VA_ARGS__)
#define cr_assert_arr_neq(...)  PLAIN_CHECK3_(true, PLAIN_ARR_NEQ_, __VA_ARGS__)
#define cr_expect_arr_neq(...)  PLAIN_CHECK3_(false, PLAIN_ARR_NEQ_, __VA_ARGS__)
#define cr_assert_float_eq(...) PLAIN_CHECK3_(true, PLAIN_NEAR_, __VA_ARGS__)
#define cr_expect_float_eq(...) PLAIN_CHECK3_(false, PLAIN_NEAR_, __VA_ARGS__)

#endif
