/* SPDX-License-Identifier: MIT
 * monitor.c - watches a running job: deadline, Ctrl-C, rates over time, the live line.
 * Invariants: reads only the counters of the shards that may be read while their writers run.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/bench/monitor.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/interrupt.h"
#include "tools/units.h"

#define SAMPLE_NS (NS_PER_SECOND / 2)

struct totals {
	uint64_t ns;
	uint64_t ios[DIRECTIONS];
	uint64_t bytes[DIRECTIONS];
};

struct watch {
	struct totals last;   /* at the last sample */
	struct totals shown;  /* at the last live line */
	uint64_t deadline_ns; /* 0: none */
	uint64_t next_ns;
	bool is_stopped;
	bool show;
	bool is_drawn;
};

static const char *line_prefix;

void monitor_set_prefix(const char *prefix)
{
	line_prefix = prefix;
}

static void read_totals(struct job *job, struct totals *totals)
{
	memset(totals, 0, sizeof(*totals));
	totals->ns = clock_now_ns();
	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = 0; d < DIRECTIONS; d++) {
			totals->ios[d] += stats_read(&job->shards[i].direction[d].ios);
			totals->bytes[d] += stats_read(&job->shards[i].direction[d].bytes);
		}
	}
}

static double progress_of(const struct job *job, const struct watch *watch,
			  const struct totals *now)
{
	double by_time = 0, by_count = 0;

	if (watch->deadline_ns)
		by_time = (double)(now->ns - job->start_ns) /
			  (double)(watch->deadline_ns - job->start_ns);
	if (job->ios_max != UINT64_MAX)
		by_count = (double)now->ios[job->direction] / (double)job->ios_max;
	by_time = by_time > by_count ? by_time : by_count;
	return by_time < 1 ? by_time : 1;
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

/* Jobs: 1 (f=1): [r(1)][24.8%][r=20.5MiB/s][r=5248 IOPS][eta 00m:31s] */
static void draw(const struct job *job, struct watch *watch, const struct totals *now)
{
	static const char letters[2][DIRECTIONS] = { { 'R', 'W', 'N' }, { 'r', 'w', 'n' } };
	double seconds = (double)(now->ns - watch->shown.ns) / 1e9;
	double progress = progress_of(job, watch, now);
	double elapsed = (double)(now->ns - job->start_ns) / 1e9;
	uint64_t ios = now->ios[job->direction] - watch->shown.ios[job->direction];
	uint64_t bytes = now->bytes[job->direction] - watch->shown.bytes[job->direction];
	char letter = letters[1][job->direction];
	char rate[UNITS_TEXT_MAX], iops[UNITS_TEXT_MAX], eta[64];

	if (progress > 0)
		format_eta((uint64_t)(elapsed / progress - elapsed + 0.5), eta, sizeof(eta));
	else
		snprintf(eta, sizeof(eta), "--m:--s");
	fprintf(stderr, "\r%s%sJobs: 1 (f=%u): [%c(1)][%.1f%%][%c=%s/s][%c=%s IOPS][eta %s]\033[K",
		line_prefix ? line_prefix : "", line_prefix ? " " : "",
		job->direction != DIRECTION_NOP, letters[job->sequence.is_random][job->direction],
		progress * 100, letter,
		units_format_bytes((double)bytes / seconds, UNITS_1024, rate), letter,
		units_format((double)ios / seconds, UNITS_THOUSAND, iops), eta);
	watch->is_drawn = true;
	watch->shown = *now;
}

static void sample(struct job *job, struct watch *watch, struct job_result *result)
{
	struct totals now;
	double seconds;

	read_totals(job, &now);
	seconds = (double)(now.ns - watch->last.ns) / 1e9;
	for (int d = 0; d < DIRECTIONS; d++) {
		if (d != (int)job->direction)
			continue;
		rate_samples_add(&result->iops[d],
				 (double)(now.ios[d] - watch->last.ios[d]) / seconds);
		rate_samples_add(&result->bytes_per_second[d],
				 (double)(now.bytes[d] - watch->last.bytes[d]) / seconds);
	}
	if (watch->show)
		draw(job, watch, &now);
	watch->last = now;
}

static bool wants_line(const struct bench_options *options)
{
	return options->eta == BENCH_ETA_ALWAYS ||
	       (options->eta == BENCH_ETA_AUTO && isatty(STDERR_FILENO));
}

/* Sleep until something is due; what woke us is found out by looking. */
static void sleep_until(const struct job *job, uint64_t until_ns)
{
	struct pollfd fds[2] = {
		{ .fd = job->wake_fd, .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
	};
	uint64_t now = clock_now_ns();
	uint64_t ns = until_ns > now ? until_ns - now : 0;
	struct timespec timeout = { (time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND) };
	uint64_t count;

	(void)ppoll(fds, 2, &timeout, NULL);
	if (fds[0].revents)
		(void)!read(job->wake_fd, &count, sizeof(count));
}

static void begin(struct job *job, struct watch *watch)
{
	watch->last.ns = job->start_ns;
	watch->shown.ns = job->start_ns;
	watch->next_ns = job->start_ns + SAMPLE_NS;
	if (job->options->runtime_ns)
		watch->deadline_ns = job->start_ns + job->options->runtime_ns;
}

void monitor_watch(struct job *job, struct job_result *result)
{
	struct watch watch = { .show = wants_line(job->options) };
	bool started = false;

	while (atomic_load(&job->n_ended) < job->n_threads) {
		uint64_t now = clock_now_ns(), until;

		if (!started && atomic_load(&job->is_started)) {
			started = true;
			begin(job, &watch);
		}
		if (interrupt_seen()) {
			result->interrupted = true;
			atomic_store_explicit(&job->stop, true, memory_order_relaxed);
		}
		if (started && watch.deadline_ns && now >= watch.deadline_ns) {
			atomic_store_explicit(&job->stop, true, memory_order_relaxed);
			watch.is_stopped = true;
		}
		if (started && now >= watch.next_ns) {
			sample(job, &watch, result);
			watch.next_ns += SAMPLE_NS;
		}
		until = started ? watch.next_ns : now + NS_PER_SECOND;
		if (watch.deadline_ns && !watch.is_stopped && watch.deadline_ns < until)
			until = watch.deadline_ns;
		sleep_until(job, until);
	}
	if (watch.is_drawn)
		fprintf(stderr, "\r\033[K");
}
