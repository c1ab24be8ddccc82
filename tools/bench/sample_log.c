/* SPDX-License-Identifier: MIT
 * sample_log.c - fio's logs over time.
 * Invariants: see sample_log.h.
 * Threads:    see sample_log.h.
 * Ownership:  see sample_log.h.
 */
#include "tools/bench/sample_log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sys.h"

enum kind { KIND_BW, KIND_SLAT, KIND_CLAT, KIND_LAT, KIND_IOPS, KINDS };

/* All logs of a job as one. */
struct merged {
	const struct sample **samples;
	struct sample_window (*windows)[SAMPLE_DIRECTIONS];
	uint64_t n;
	uint64_t window_ns;
	uint64_t runtime_ns;
	const struct sample_log_names *names;
};

void sample_log_init(struct sample_log *log, uint64_t window_ns)
{
	*log = (struct sample_log){ .window_ns = window_ns };
}

void sample_log_deinit(struct sample_log *log)
{
	free(log->samples);
	free(log->windows);
	sample_log_init(log, 0);
}

/* Room for n; doubled, so that it is rare. */
static bool make_room(struct sample_log *log, uint64_t n)
{
	uint64_t room = log->n_room ? log->n_room : 1024;
	size_t each = log->window_ns ? sizeof(*log->windows) : sizeof(*log->samples);
	void *memory;

	if (n <= log->n_room)
		return true;
	while (room < n)
		room *= 2;
	memory = realloc(log->window_ns ? (void *)log->windows : (void *)log->samples, room * each);
	if (!memory)
		return false;
	if (log->window_ns)
		log->windows = memory;
	else
		log->samples = memory;
	log->n_room = room;
	return true;
}

static void add_to_window(struct sample_window *window, const struct sample *sample)
{
	window->n_ios++;
	window->bytes += sample->bytes;
	for (int i = 0; i < SAMPLE_LATENCIES; i++) {
		uint64_t ns = sample->latency_ns[i];

		if (ns == SAMPLE_NONE)
			continue;
		window->latency[i].n++;
		window->latency[i].sum += ns;
		if (ns > window->latency[i].max)
			window->latency[i].max = ns;
	}
}

void sample_log_add(struct sample_log *log, const struct sample *sample)
{
	uint64_t i = log->window_ns ? sample->at_ns / log->window_ns : log->n;

	if (!make_room(log, i + 1)) {
		log->n_lost++;
		return;
	}
	if (!log->window_ns) {
		log->samples[log->n++] = *sample;
		return;
	}
	if (i >= log->n) {
		memset(log->windows + log->n, 0, (i + 1 - log->n) * sizeof(*log->windows));
		log->n = i + 1;
	}
	add_to_window(&log->windows[i][sample->direction], sample);
}

/* By time; of the same time, in the order of the memory, so that the order is one. */
static int by_time(const void *a, const void *b)
{
	const struct sample *x = *(const struct sample *const *)a;
	const struct sample *y = *(const struct sample *const *)b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return (x > y) - (x < y);
}

static void merge_window(struct sample_window *into, const struct sample_window *from)
{
	into->n_ios += from->n_ios;
	into->bytes += from->bytes;
	for (int i = 0; i < SAMPLE_LATENCIES; i++) {
		into->latency[i].n += from->latency[i].n;
		into->latency[i].sum += from->latency[i].sum;
		if (from->latency[i].max > into->latency[i].max)
			into->latency[i].max = from->latency[i].max;
	}
}

static bool merge(const struct sample_log *logs, uint32_t n, struct merged *merged)
{
	uint64_t total = 0, at = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!merged->window_ns)
			total += logs[i].n;
		else if (logs[i].n > total)
			total = logs[i].n;
	}
	merged->n = total;
	if (merged->window_ns)
		merged->windows = calloc(total + 1, sizeof(*merged->windows));
	else
		merged->samples = calloc(total + 1, sizeof(const struct sample *));
	if (!merged->windows && !merged->samples)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		for (uint64_t j = 0; j < logs[i].n; j++) {
			if (!merged->window_ns) {
				merged->samples[at++] = &logs[i].samples[j];
				continue;
			}
			for (int d = 0; d < SAMPLE_DIRECTIONS; d++)
				merge_window(&merged->windows[j][d], &logs[i].windows[j][d]);
		}
	}
	if (!merged->window_ns)
		qsort(merged->samples, total, sizeof(const struct sample *), by_time);
	return true;
}

/* False: this kind has nothing of it. */
static bool sample_value(const struct sample *sample, enum kind kind, uint64_t *ret_value)
{
	uint64_t clat = sample->latency_ns[SAMPLE_CLAT];

	if (kind == KIND_IOPS) {
		*ret_value = 1;
		return true;
	}
	if (kind == KIND_BW) {
		if (clat == SAMPLE_NONE)
			clat = sample->latency_ns[SAMPLE_LAT];
		*ret_value = clat && clat != SAMPLE_NONE ? sample->bytes * 1000000ull / clat : 0;
		return true;
	}
	*ret_value = sample->latency_ns[kind - KIND_SLAT];
	return *ret_value != SAMPLE_NONE;
}

static bool window_value(const struct sample_window *window, const struct merged *merged,
			 enum kind kind, uint64_t *ret_value)
{
	uint64_t ms = merged->window_ns / NS_PER_MSEC;

	if (kind == KIND_IOPS) {
		*ret_value = window->n_ios * 1000 / ms;
		return window->n_ios;
	}
	if (kind == KIND_BW) {
		*ret_value = window->bytes * 1000 / ms / 1024;
		return window->bytes;
	}
	if (!window->latency[kind - KIND_SLAT].n)
		return false;
	if (merged->names->is_max)
		*ret_value = window->latency[kind - KIND_SLAT].max;
	else
		*ret_value = (window->latency[kind - KIND_SLAT].sum +
			      window->latency[kind - KIND_SLAT].n / 2) /
			     window->latency[kind - KIND_SLAT].n;
	return true;
}

static void print_line(FILE *file, const struct merged *merged, uint64_t at_ns, uint64_t value,
		       uint32_t direction, uint32_t bytes, uint64_t offset)
{
	uint64_t ms = (at_ns + merged->names->epoch_ns) / NS_PER_MSEC;

	fprintf(file, "%" PRIu64 ", %" PRIu64 ", %" PRIu32 ", %" PRIu32 ", ", ms, value, direction,
		bytes);
	if (merged->names->has_offsets)
		fprintf(file, "%" PRIu64 ", ", offset);
	fprintf(file, "0\n");
}

static void print_windows(FILE *file, const struct merged *merged, enum kind kind)
{
	for (uint64_t i = 0; i < merged->n; i++) {
		uint64_t end_ns = (i + 1) * merged->window_ns, value;

		if (end_ns > merged->runtime_ns) {
			/* A rate of a window that has not passed would be too low. */
			if (kind == KIND_BW || kind == KIND_IOPS)
				break;
			end_ns = merged->runtime_ns;
		}
		for (uint32_t d = 0; d < SAMPLE_DIRECTIONS; d++) {
			if (window_value(&merged->windows[i][d], merged, kind, &value))
				print_line(file, merged, end_ns, value, d, 0, 0);
		}
	}
}

static void print_samples(FILE *file, const struct merged *merged, enum kind kind)
{
	for (uint64_t i = 0; i < merged->n; i++) {
		const struct sample *sample = merged->samples[i];
		uint64_t value;

		if (sample_value(sample, kind, &value))
			print_line(file, merged, sample->at_ns, value, sample->direction,
				   sample->bytes, sample->offset);
	}
}

/* Logs of several jobs without numbers in their names are one file, as fio's. */
static int write_one(const struct merged *merged, enum kind kind, const char *name,
		     char *ret_message, size_t message_bytes)
{
	static const char *const kinds[KINDS] = { "bw", "slat", "clat", "lat", "iops" };
	char path[PATH_MAX], number[16] = "";
	FILE *file;
	int rc = 0;

	if (merged->names->index)
		snprintf(number, sizeof(number), ".%u", merged->names->index);
	if ((size_t)snprintf(path, sizeof(path), "%s_%s%s.log", name, kinds[kind], number) >=
	    sizeof(path)) {
		snprintf(ret_message, message_bytes, "the name of a log is too long");
		return -ENAMETOOLONG;
	}
	file = fopen(path, merged->names->index ? "we" : "ae");
	if (!file) {
		rc = (int)sys_result(-1);
	} else {
		if (merged->window_ns)
			print_windows(file, merged, kind);
		else
			print_samples(file, merged, kind);
		if (ferror(file))
			rc = -EIO;
		if (fclose(file))
			rc = (int)sys_result(-1);
	}
	if (rc)
		snprintf(ret_message, message_bytes, "%s: %s", path, strerror(-rc));
	return rc;
}

int sample_log_write(const struct sample_log *logs, uint32_t n, uint64_t runtime_ns,
		     const struct sample_log_names *names, char *ret_message, size_t message_bytes)
{
	struct merged merged = { .window_ns = n ? logs[0].window_ns : 0,
				 .runtime_ns = runtime_ns,
				 .names = names };
	const char *const of[KINDS] = { names->bw, names->lat, names->lat, names->lat,
					names->iops };
	uint64_t n_lost = 0;
	int rc = 0;

	for (uint32_t i = 0; i < n; i++)
		n_lost += logs[i].n_lost;
	if (n_lost || !merge(logs, n, &merged)) {
		snprintf(ret_message, message_bytes, "no memory for the logs over time");
		return -ENOMEM;
	}
	for (int kind = 0; kind < KINDS && !rc; kind++) {
		if (of[kind])
			rc = write_one(&merged, (enum kind)kind, of[kind], ret_message,
				       message_bytes);
	}
	free(merged.samples);
	free(merged.windows);
	return rc;
}
