/* SPDX-License-Identifier: MIT
 * fail.c - see fail.h. */
#include "tests/lib/fail.h"
#include "tests/check.h"

#include <stdarg.h>
#include <unistd.h>

bool support_is_program;
char support_context[128];
bool support_aborts;

void support_fail(const char *file, int line, const char *format, ...)
{
	char text[1280];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (support_is_program || support_aborts) {
		fprintf(stderr, "FAILED %s:%d: %s%s%s\n", file, line, text,
			support_context[0] != '\0' ? "\nagain with: " : "", support_context);
		fflush(NULL);
		if (support_aborts)
			abort();
		_exit(1);
	}
	cr_assert_fail("%s:%d: %s", file, line, text);
	abort();
}

void support_skip(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (support_is_program) {
		fprintf(stderr, "SKIP: %s\n", text);
		fflush(NULL);
		_exit(77);
	}
	cr_skip_test("%s", text);
	abort();
}
