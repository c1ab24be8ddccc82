/* SPDX-License-Identifier: MIT
 * monitor.c - watches running jobs.
 *
 * What is to be done is found out by looking, after each wake: whatever wakes us is only the reason
 * to look.
 * Invariants: every job is released, also one that is to stop at once: it waits for it.
 * Threads:    the main thread.
 * Ownership:  samplers are the watch's.
 */
#include "tools/bench/monitor.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/job_verify.h"
#include "tools/bench/rate_floor.h"
#include "tools/interrupt.h"
#include "tools/units.h"

#define SAMPLE_NS (NS_PER_SECOND / 2)
/* A job that was told to stop: when it is said what it waits for, and when it is given up; sooner
 * if somebody is waiting at the keyboard. */
#define SAY_HANG_NS    (5 * NS_PER_SECOND)
#define GIVE_UP_NS     (60 * NS_PER_SECOND)
#define GIVE_UP_INT_NS (15 * NS_PER_SECOND)
/* A job that was not told to stop, but whose IO has not moved. */
#define SAY_STALL_NS (30 * NS_PER_SECOND)
#define SHOWN_MAX    8u

struct watched {
	bool is_released;
	bool has_begun;
	bool has_ended;
	bool has_said_hang;
	uint64_t begin_ns;    /* the job's start, before ramp_time */
	uint64_t ramp_ns;     /* end of ramp_time; 0: it is over */
	uint64_t deadline_ns; /* 0: none */
	uint64_t stopped_ns;  /* told to; 0: not yet */
	uint64_t moved_ns;    /* when an IO had come back */
	uint64_t moved_ios;
	bool is_reading_back;
	struct sampler sampler;
	struct rate_floor floor;
};

struct watch {
	const struct monitor_plan *plan;
	struct watched *watched; /* [n_jobs] */
	struct live_job *live;   /* [n_jobs] */
	struct live_rates shown; /* totals at the last live line */
	uint64_t gate_ns;        /* all were ready; 0: not yet */
	uint64_t next_ns;        /* sample */
	uint64_t next_newline_ns;
	bool is_interrupted;
	bool is_shown;
	bool is_drawn;
};

static const char *line_prefix;

void monitor_set_prefix(const char *prefix)
{
	line_prefix = prefix;
}

static void clear_line(struct watch *watch)
{
	if (watch->is_drawn)
		fprintf(stderr, "\r\033[K");
	watch->is_drawn = false;
}

/* ---- Counters ------------------------------------------------------------------------------ */

static void add_totals(const struct job *job, struct live_rates *totals)
{
	for (uint32_t i = 0; job->shards && i < job->n_shards; i++) {
		const struct job_shard *shard = &job->shards[i];

		for (int d = 0; d < DIRECTIONS; d++) {
			totals->ios[d] += stats_read(&shard->direction[d].ios) +
					  stats_read(&shard->ramp_ios[d]);
			totals->bytes[d] += stats_read(&shard->direction[d].bytes) +
					    stats_read(&shard->ramp_bytes[d]);
		}
	}
}

/* By time, or by what there is to be done, whichever is nearer to its end. */
static double progress_of(struct job *job, const struct watched *watched, uint64_t now_ns)
{
	struct live_rates totals = { .ns = 0 };
	double by_time = 0, by_ios = 0, by_bytes = 0;

	if (watched->has_ended)
		return 1;
	if (!watched->has_begun)
		return 0;
	if (watched->is_reading_back)
		return job_verify_progress(job->verify);
	add_totals(job, &totals);
	if (watched->deadline_ns)
		by_time = (double)(now_ns - watched->begin_ns) /
			  (double)(watched->deadline_ns - watched->begin_ns);
	if (job->pattern.ios_max != PATTERN_NO_LIMIT)
		by_ios = (double)(totals.ios[DIRECTION_READ] + totals.ios[DIRECTION_WRITE] +
				  totals.ios[DIRECTION_NOP]) /
			 (double)job->pattern.ios_max;
	if (job->pattern.bytes_max != PATTERN_NO_LIMIT)
		by_bytes = (double)(totals.bytes[DIRECTION_READ] + totals.bytes[DIRECTION_WRITE]) /
			   (double)job->pattern.bytes_max;
	by_time = by_time > by_ios ? by_time : by_ios;
	by_time = by_time > by_bytes ? by_time : by_bytes;
	return by_time < 1 ? by_time : 1;
}

/* A sample of a job: its shards together. */
static void sample(struct job *job, struct watched *watched, struct job_result *result,
		   uint64_t now_ns)
{
	struct job_result now;

	/* A series that cannot grow is a series that ends early. */
	if (job_result_init(&now, job->options))
		return;
	for (uint32_t i = 0; i < job->n_shards; i++) {
		for (int d = 0; d < DIRECTIONS; d++)
			io_stats_merge(&now.direction[d], &job->shards[i].direction[d]);
	}
	(void)!sampler_take(&watched->sampler, now.direction, now_ns, result->iops,
			    result->bytes_per_second, result->series);
	job_result_deinit(&now);
}

/* ---- What hangs ---------------------------------------------------------------------------- */

static const char *operation_of(const struct job_io *io)
{
	static const char *const names[DIRECTIONS] = {
		[DIRECTION_READ] = "read",
		[DIRECTION_WRITE] = "write",
		[DIRECTION_SYNC] = "sync",
		[DIRECTION_NOP] = "nop",
	};

	return names[io->direction];
}

/* The oldest ones, each on a line. */
static void say_missing(struct watch *watch, struct job *job, const char *why)
{
	struct job_io ios[SHOWN_MAX];
	const uint64_t now_ns = clock_now_ns();
	uint32_t n = job_missing(job, ios, SHOWN_MAX);

	clear_line(watch);
	fprintf(stderr, "ioe: %s: %s; %u IOs have not come back%s\n", job->options->name, why, n,
		n ? ":" : "");
	for (uint32_t i = 0; i < n && i < SHOWN_MAX; i++) {
		const struct target_file *file =
			job->target.files ? &job->target.files[ios[i].file] : NULL;

		fprintf(stderr, "  %s of %u bytes at offset %llu of %s", operation_of(&ios[i]),
			ios[i].bytes, (unsigned long long)ios[i].offset, file ? file->path : "-");
		if (ios[i].start_ns)
			fprintf(stderr, ", for %llu ms",
				(unsigned long long)((now_ns - ios[i].start_ns) / NS_PER_MSEC));
		fprintf(stderr, "\n");
	}
	if (n > SHOWN_MAX)
		fprintf(stderr, "  and %u more\n", n - SHOWN_MAX);
}

static void look_for_hang(struct watch *watch, struct job *job, struct watched *watched,
			  uint64_t now_ns)
{
	const uint64_t limit_ns = watch->is_interrupted ? GIVE_UP_INT_NS : GIVE_UP_NS;

	/* It has all the time that it needs, unless somebody is waiting. */
	if (atomic_load(&job->is_syncing) && !watch->is_interrupted)
		return;
	if (watched->stopped_ns) {
		if (!watched->has_said_hang && now_ns - watched->stopped_ns >= SAY_HANG_NS) {
			say_missing(watch, job, "was told to stop");
			watched->has_said_hang = true;
		}
		if (now_ns - watched->stopped_ns >= limit_ns) {
			say_missing(watch, job, "is given up");
			job->is_given_up = true;
		}
	} else if (!watched->has_said_hang && now_ns - watched->moved_ns >= SAY_STALL_NS &&
		   job_missing(job, NULL, 0)) {
		say_missing(watch, job, "has not moved for 30 s");
		watched->has_said_hang = true;
	}
}

static void note_moves(struct job *job, struct watched *watched, uint64_t now_ns)
{
	struct live_rates totals = { .ns = 0 };
	uint64_t ios = 0;

	add_totals(job, &totals);
	for (int d = 0; d < DIRECTIONS; d++)
		ios += totals.ios[d];
	if (ios != watched->moved_ios || !watched->moved_ns) {
		watched->moved_ns = now_ns;
		watched->moved_ios = ios;
	}
}

/* ---- The life of a job ---------------------------------------------------------------------- */

static void stop(struct job *job, struct watched *watched, uint64_t now_ns)
{
	job_stop(job);
	if (!watched->stopped_ns)
		watched->stopped_ns = now_ns;
}

/* Of startdelay=A-B something in between, the same in each run. */
static uint64_t delay_of(const struct watch *watch, uint32_t i)
{
	const struct bench_options *options = watch->plan->jobs[i]->options;
	const uint64_t least = options->startdelay_ns, most = options->startdelay_max_ns;

	if (most <= least)
		return least;
	return least + pattern_scale(permutation_mix(options->randseed + i), most - least + 1);
}

/* Have all jobs ended that this one waits for? */
static bool is_waiting_for(const struct watch *watch, uint32_t i)
{
	const char *name = watch->plan->jobs[i]->options->wait_for;

	/* It stands before this one: so clones of the same name do not wait for each other. */
	for (uint32_t k = 0; name && k < i; k++) {
		if (!watch->watched[k].has_ended &&
		    !strcmp(watch->plan->jobs[k]->options->name, name))
			return true;
	}
	return false;
}

static void release(struct watch *watch, uint32_t i, uint64_t now_ns)
{
	struct watched *watched = &watch->watched[i];

	if (watched->is_released || !watch->gate_ns)
		return;
	if (!watched->stopped_ns &&
	    (now_ns < watch->gate_ns + delay_of(watch, i) || is_waiting_for(watch, i)))
		return;
	job_release(watch->plan->jobs[i]);
	watched->is_released = true;
}

static void begin(struct job *job, struct watched *watched)
{
	const struct bench_options *options = job->options;

	watched->has_begun = true;
	watched->begin_ns = job->start_ns;
	if (options->ramp_time_ns)
		watched->ramp_ns = job->start_ns + options->ramp_time_ns;
	if (options->runtime_ns)
		watched->deadline_ns = job->start_ns + options->ramp_time_ns + options->runtime_ns;
	if (sampler_init(&watched->sampler, job->start_ns))
		abort(); /* of some KiB */
}

static void end_ramp(struct job *job, struct watched *watched)
{
	job_end_ramp(job);
	watched->ramp_ns = 0;
	if (watched->deadline_ns)
		watched->deadline_ns = job->start_ns + job->options->runtime_ns;
	watched->sampler.start_ns = job->start_ns;
	watched->sampler.last_ns = job->start_ns;
}

/* From here on there is no time limit, and it was not told to stop. */
static void note_read_back(struct job *job, struct watched *watched, uint64_t now_ns)
{
	if (watched->is_reading_back || !atomic_load(&job->is_reading_back))
		return;
	watched->is_reading_back = true;
	watched->ramp_ns = 0;
	watched->deadline_ns = 0;
	watched->stopped_ns = 0;
	watched->moved_ns = now_ns;
}

/* exitall: one has ended, and so do the others: of its group, of its wall, or all. */
static void end_others(struct watch *watch, uint32_t i, uint64_t now_ns)
{
	const struct bench_options *options = watch->plan->jobs[i]->options;

	for (uint32_t k = 0; options->exitall && k < watch->plan->n_jobs; k++) {
		struct job *other = watch->plan->jobs[k];

		if (k != i && !watch->watched[k].has_ended &&
		    (options->exit_what != BENCH_EXIT_GROUP ||
		     other->options->group == options->group))
			stop(other, &watch->watched[k], now_ns);
	}
}

static void look_at(struct watch *watch, uint32_t i, uint64_t now_ns)
{
	struct watched *watched = &watch->watched[i];
	struct job *job = watch->plan->jobs[i];
	struct job_result *result = watch->plan->results[i];

	if (watched->has_ended)
		return;
	if (watch->is_interrupted) {
		result->interrupted = true;
		stop(job, watched, now_ns);
	}
	release(watch, i, now_ns);
	if (!watched->has_begun && atomic_load(&job->is_started))
		begin(job, watched);
	note_read_back(job, watched, now_ns);
	if (job_is_stopping(job) && !watched->stopped_ns)
		watched->stopped_ns = now_ns; /* by an error */
	if (watched->has_begun) {
		if (watched->ramp_ns && now_ns >= watched->ramp_ns)
			end_ramp(job, watched);
		if (!watched->ramp_ns && watched->deadline_ns && now_ns >= watched->deadline_ns) {
			job_time_is_up(job);
			if (!watched->stopped_ns)
				watched->stopped_ns = now_ns;
		}
		note_moves(job, watched, now_ns);
		if (!watched->ramp_ns && !watched->stopped_ns && !watched->is_reading_back)
			rate_floor_look(&watched->floor, job, now_ns);
	}
	if (job_has_ended(job)) {
		watched->has_ended = true;
		end_others(watch, i, now_ns);
	} else if (watched->has_begun) {
		look_for_hang(watch, job, watched, now_ns);
		watched->has_ended = job->is_given_up;
	}
}

/* ---- All of them ---------------------------------------------------------------------------- */

static bool all_have_ended(const struct watch *watch)
{
	for (uint32_t i = 0; i < watch->plan->n_jobs; i++) {
		if (!watch->watched[i].has_ended)
			return false;
	}
	return true;
}

static void open_gate(struct watch *watch, uint64_t now_ns)
{
	for (uint32_t i = 0; i < watch->plan->n_jobs; i++) {
		if (!job_is_ready(watch->plan->jobs[i]))
			return;
	}
	watch->gate_ns = now_ns;
	watch->next_ns = now_ns + SAMPLE_NS;
	watch->shown.ns = now_ns;
}

static enum live_state state_of(struct job *job, const struct watched *watched)
{
	if (watched->has_ended)
		return job->error ? LIVE_FAILED : LIVE_ENDED;
	if (!watched->has_begun)
		return LIVE_WAITING;
	if (watched->is_reading_back)
		return LIVE_READING_BACK;
	return watched->ramp_ns ? LIVE_RAMP : LIVE_RUNNING;
}

static void draw(struct watch *watch, uint64_t now_ns)
{
	const struct monitor_plan *plan = watch->plan;
	struct live_rates totals = { .ns = now_ns }, rates = { .ns = now_ns - watch->shown.ns };
	bool ends_line = plan->eta_newline_ns && now_ns >= watch->next_newline_ns;
	char text[1024];

	for (uint32_t i = 0; i < plan->n_jobs; i++) {
		struct job *job = plan->jobs[i];

		watch->live[i] = (struct live_job){
			.options = job->options,
			.state = state_of(job, &watch->watched[i]),
			.n_files = job->target.n_files,
			.progress = progress_of(job, &watch->watched[i], now_ns),
		};
		add_totals(job, &totals);
	}
	for (int d = 0; d < DIRECTIONS; d++) {
		rates.ios[d] = totals.ios[d] - watch->shown.ios[d];
		rates.bytes[d] = totals.bytes[d] - watch->shown.bytes[d];
	}
	fprintf(stderr, "\r%s%s%s\033[K%s", line_prefix ? line_prefix : "", line_prefix ? " " : "",
		live_line_format(watch->live, plan->n_jobs, &rates, now_ns - watch->gate_ns, text,
				 sizeof(text)),
		ends_line ? "\n" : "");
	if (ends_line)
		watch->next_newline_ns = now_ns + plan->eta_newline_ns;
	watch->is_drawn = !ends_line;
	watch->shown = totals;
}

static void take_samples(struct watch *watch, uint64_t now_ns)
{
	for (uint32_t i = 0; i < watch->plan->n_jobs; i++) {
		struct watched *watched = &watch->watched[i];

		if (watched->has_begun && !watched->has_ended && !watched->ramp_ns)
			sample(watch->plan->jobs[i], watched, watch->plan->results[i], now_ns);
	}
	if (watch->is_shown)
		draw(watch, now_ns);
}

static void print_status(struct watch *watch, uint64_t now_ns)
{
	const struct monitor_plan *plan = watch->plan;
	bool is_due = interrupt_status_asked();

	if (plan->status_interval_ns && now_ns >= *plan->next_status_ns) {
		*plan->next_status_ns = now_ns + plan->status_interval_ns;
		is_due = true;
	}
	if (!is_due || !plan->print_status)
		return;
	clear_line(watch);
	plan->print_status(plan->arg);
}

/* Sleep until something is due; what woke us is found out by looking. */
static void sleep_until(const struct watch *watch, uint64_t until_ns)
{
	struct pollfd fds[2] = {
		{ .fd = watch->plan->wake_fd, .events = POLLIN },
		/* Once Ctrl-C was seen, the next one kills; the descriptor stays readable. */
		{ .fd = interrupt_fd(), .events = POLLIN },
	};
	uint64_t now = clock_now_ns();
	uint64_t ns = until_ns > now ? until_ns - now : 0;
	struct timespec timeout = { (time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND) };
	uint64_t count;

	(void)ppoll(fds, 2, &timeout, NULL);
	if (fds[0].revents)
		(void)!read(watch->plan->wake_fd, &count, sizeof(count));
}

static void soonest(uint64_t *until_ns, uint64_t at_ns)
{
	if (at_ns < *until_ns)
		*until_ns = at_ns;
}

static uint64_t next_event(const struct watch *watch, uint64_t now_ns)
{
	uint64_t until_ns = now_ns + NS_PER_SECOND;

	if (watch->gate_ns)
		soonest(&until_ns, watch->next_ns);
	if (watch->plan->status_interval_ns)
		soonest(&until_ns, *watch->plan->next_status_ns);
	for (uint32_t i = 0; i < watch->plan->n_jobs; i++) {
		const struct watched *watched = &watch->watched[i];

		if (watched->has_ended)
			continue;
		if (watch->gate_ns && !watched->is_released && !is_waiting_for(watch, i))
			soonest(&until_ns, watch->gate_ns + delay_of(watch, i));
		if (watched->ramp_ns)
			soonest(&until_ns, watched->ramp_ns);
		else if (watched->deadline_ns && !watched->stopped_ns)
			soonest(&until_ns, watched->deadline_ns);
	}
	return until_ns;
}

void monitor_watch(const struct monitor_plan *plan)
{
	struct watch watch = { .plan = plan, .is_shown = live_line_is_wanted(plan->eta) };

	watch.watched = calloc(plan->n_jobs, sizeof(*watch.watched));
	watch.live = calloc(plan->n_jobs, sizeof(*watch.live));
	if (!watch.watched || !watch.live)
		abort(); /* of some KiB, at the start of a run */
	while (!all_have_ended(&watch)) {
		const uint64_t now_ns = clock_now_ns();

		watch.is_interrupted = interrupt_seen();
		if (!watch.gate_ns)
			open_gate(&watch, now_ns);
		for (uint32_t i = 0; i < plan->n_jobs; i++)
			look_at(&watch, i, now_ns);
		if (watch.gate_ns && now_ns >= watch.next_ns) {
			take_samples(&watch, now_ns);
			watch.next_ns += SAMPLE_NS;
		}
		print_status(&watch, now_ns);
		if (!all_have_ended(&watch))
			sleep_until(&watch, next_event(&watch, now_ns));
	}
	clear_line(&watch);
	for (uint32_t i = 0; i < plan->n_jobs; i++)
		sampler_deinit(&watch.watched[i].sampler);
	free(watch.watched);
	free(watch.live);
}
