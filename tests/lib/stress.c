/* SPDX-License-Identifier: MIT
 * stress.c - see stress.h. */
#include "tests/lib/stress.h"
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"

#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

const char *const stress_backends[4] = { "auto", "uring", "aio", "threads" };
const char *const stress_threadings[3] = { "pool", "inline", "none" };

static const char *only;
static char current[128];
static int64_t started_ns;
static uint32_t n_run, n_skipped;

void stress_begin(int argc, char **argv)
{
	support_is_program = true;
	only = argc > 1 ? argv[1] : NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
}

int stress_end(void)
{
	printf("%u scenarios run, %u skipped\n", n_run, n_skipped);
	return n_run > 0 ? 0 : 77;
}

static uint64_t scaled(uint64_t n, double percent)
{
	const char *text = getenv("IOE_STRESS_PERCENT");
	uint64_t result;

	if (text != NULL && text[0] != '\0')
		percent = strtod(text, NULL);
	result = (uint64_t)((double)n * percent / 100);
	return result > 0 ? result : 1;
}

uint64_t stress_scaled(uint64_t n)
{
	return scaled(n, CHECK_SANITIZED ? 10 : 100);
}

uint64_t stress_scaled_full(uint64_t n)
{
	return scaled(n, 100);
}

uint64_t stress_seeds(uint64_t n)
{
	return process_number("IOE_SEEDS", random_seed_was_given() ? 1 : stress_scaled(n));
}

/* Whatever hangs, this may be called in. */
static void on_alarm(int number)
{
	static const char text[] = "FAILED: does not end\nagain with: ";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)!write(STDERR_FILENO, support_context, strlen(support_context));
	(void)!write(STDERR_FILENO, "\n", 1);
	_exit(1);
}

void stress_patience(uint32_t seconds)
{
	signal(SIGALRM, on_alarm);
	alarm(seconds);
}

bool stress_scenario(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(current, sizeof(current), format, args);
	va_end(args);
	started_ns = clock_now_ns();
	return only == NULL || strstr(current, only) != NULL;
}

void stress_done(uint64_t n, const char *unit)
{
	const double seconds = (double)(clock_now_ns() - started_ns) / 1e9;

	n_run++;
	printf("%-44s %9llu %s in %6.2f s, %10.0f/s\n", current, (unsigned long long)n, unit,
	       seconds, seconds > 0 ? (double)n / seconds : 0);
}

void stress_skipped(const char *reason)
{
	n_skipped++;
	printf("%-44s skipped: %s\n", current, reason);
}

bool stress_open(const struct ioe_config *config, struct ioe_engine **ret_engine)
{
	const int ret = ioe_engine_open(config, ret_engine);

	if (ret == -ENOSYS || ret == -EPERM || ret == -EACCES) {
		stress_skipped("the backend is not available here");
		return false;
	}
	must(ret == 0, "%s: ioe_engine_open: %s", current, strerror(-ret));
	return true;
}
