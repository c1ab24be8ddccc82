/* SPDX-License-Identifier: MIT
 * live_line.c - the line that is drawn while jobs run, as fio's.
 *   Jobs: 3 (f=3): [r(2),W(1)][24.8%][r=20.5MiB/s,w=4096KiB/s][r=5248,w=1024 IOPS][eta 00m:31s]
 * Invariants: none.
 * Threads:    the main thread.
 * Ownership:  the caller's text.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/monitor.h"
#include "tools/units.h"

bool live_line_is_wanted(uint64_t eta)
{
	return eta == BENCH_ETA_ALWAYS || (eta == BENCH_ETA_AUTO && isatty(STDERR_FILENO));
}

/* fio's letters, and N for nops. */
static char letter_of(const struct live_job *job)
{
	switch (job->state) {
	case LIVE_WAITING:
		return 'P';
	case LIVE_RAMP:
		return '/';
	case LIVE_ENDED:
		return '_';
	case LIVE_FAILED:
		return 'X';
	case LIVE_READING_BACK:
		return 'V';
	case LIVE_RUNNING:
		break;
	}
	switch (job->options->rw) {
	case BENCH_READ:
		return 'R';
	case BENCH_WRITE:
		return 'W';
	case BENCH_RW:
		return 'M';
	case BENCH_RANDREAD:
		return 'r';
	case BENCH_RANDWRITE:
		return 'w';
	case BENCH_RANDRW:
		return 'm';
	default:
		return 'N';
	}
}

static void format_eta(uint64_t seconds, char *text, size_t size)
{
	unsigned minutes = (unsigned)(seconds / 60 % 60), rest = (unsigned)(seconds % 60);
	unsigned hours = (unsigned)(seconds / 3600 % 24), days = (unsigned)(seconds / 86400);

	if (days)
		snprintf(text, size, "%02ud:%02uh:%02um:%02us", days, hours, minutes, rest);
	else if (hours)
		snprintf(text, size, "%02uh:%02um:%02us", hours, minutes, rest);
	else
		snprintf(text, size, "%02um:%02us", minutes, rest);
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
							 const char *format, ...)
{
	size_t length = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + length, size - length, format, args);
	va_end(args);
}

/* [r(2),W(1)]: runs of the same letter, in the order of the jobs. */
static void append_jobs(const struct live_job jobs[], uint32_t n_jobs, char *text, size_t size)
{
	for (uint32_t i = 0, n; i < n_jobs; i += n) {
		const char letter = letter_of(&jobs[i]);

		for (n = 1; i + n < n_jobs && letter_of(&jobs[i + n]) == letter; n++)
			;
		append(text, size, "%s%c(%u)", i ? "," : "[", letter, n);
	}
	append(text, size, "]");
}

static bool uses(const struct live_job jobs[], uint32_t n_jobs, int direction)
{
	for (uint32_t i = 0; i < n_jobs; i++) {
		const struct bench_options *options = jobs[i].options;
		const bool is_nop = options->rw == BENCH_NOP;

		if (direction == DIRECTION_NOP   ? is_nop :
		    direction == DIRECTION_WRITE ? bench_is_write(options) :
						   !is_nop && (bench_is_mixed(options) ||
							       !bench_is_write(options)))
			return true;
	}
	return false;
}

/* Of each direction that there is: [r=20.5MiB/s,w=4096KiB/s][r=5248,w=1024 IOPS] */
static void append_rates(const struct live_job jobs[], uint32_t n_jobs,
			 const struct live_rates *rates, char *text, size_t size)
{
	static const struct {
		int direction;
		char letter;
	} shown[] = { { DIRECTION_READ, 'r' }, { DIRECTION_WRITE, 'w' }, { DIRECTION_NOP, 'n' } };
	const double seconds = rates->ns ? (double)rates->ns / 1e9 : 1;
	char number[UNITS_TEXT_MAX];

	for (int what = 0; what < 2; what++) {
		const char *before = "[";

		for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
			const int d = shown[i].direction;

			if (!uses(jobs, n_jobs, d))
				continue;
			if (what)
				units_format((double)rates->ios[d] / seconds, UNITS_THOUSAND,
					     number);
			else
				units_format_bytes((double)rates->bytes[d] / seconds, UNITS_1024,
						   number);
			append(text, size, "%s%c=%s%s", before, shown[i].letter, number,
			       what ? "" : "/s");
			before = ",";
		}
		append(text, size, "%s", what ? " IOPS]" : "]");
	}
}

char *live_line_format(const struct live_job jobs[], uint32_t n_jobs,
		       const struct live_rates *rates, uint64_t elapsed_ns, char *text, size_t size)
{
	uint32_t n_running = 0, n_files = 0;
	double progress = 0, least = 1;
	char eta[64] = "--m:--s";

	for (uint32_t i = 0; i < n_jobs; i++) {
		if (jobs[i].state == LIVE_RUNNING || jobs[i].state == LIVE_RAMP) {
			n_running++;
			n_files += jobs[i].n_files;
		}
		progress += jobs[i].progress / n_jobs;
		least = jobs[i].progress < least ? jobs[i].progress : least;
	}
	if (least > 0)
		format_eta((uint64_t)((double)elapsed_ns / 1e9 * (1 / least - 1) + 0.5), eta,
			   sizeof(eta));
	*text = 0;
	append(text, size, "Jobs: %u (f=%u): ", n_running, n_files);
	append_jobs(jobs, n_jobs, text, size);
	append(text, size, "[%.1f%%]", progress * 100);
	append_rates(jobs, n_jobs, rates, text, size);
	append(text, size, "[eta %s]", eta);
	return text;
}
