/* SPDX-License-Identifier: MIT
 * plain_check.c - what the macros of plain_runner.h call; apart from the runner, since programs
 *                 with a main() of their own link it too. With Criterion: the reason of a skip. */
#include "tests/check.h"

#include <stdarg.h>
#include <unistd.h>

#ifdef IOE_PLAIN_RUNNER

const struct plain_test *plain_current_test;
static int n_failed_checks;

void plain_fail(bool fatal, const char *file, int line, const char *what, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "[----] %s:%d: check failed: %s\n[----]   ", file, line, what);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (fatal) {
		fflush(NULL);
		_exit(PLAIN_EXIT_FAILED);
	}
	__atomic_add_fetch(&n_failed_checks, 1, __ATOMIC_RELAXED);
}

void plain_skip(const char *format, ...)
{
	va_list args;

	printf("[SKIP] %s::%s: ", plain_current_test->category, plain_current_test->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(NULL);
	_exit(PLAIN_EXIT_SKIPPED);
}

int plain_n_failed(void)
{
	return __atomic_load_n(&n_failed_checks, __ATOMIC_RELAXED);
}

#else

void check_print_skip(const char *suite, const char *name, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* At one time: others write lines to the same file. */
	fprintf(stderr, "SKIP %s/%s: %s\n", suite, name, text);
}

#endif
