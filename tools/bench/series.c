/* SPDX-License-Identifier: MIT
 * series.c - how a job went over time.
 * Invariants: see series.h.
 * Threads:    see series.h.
 * Ownership:  see series.h.
 */
#include "tools/bench/series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define P99 99.0

/* Mean and squares in one pass, without the difference of two large sums (Welford). */
void rate_samples_add(struct rate_samples *samples, double value)
{
	double distance = value - samples->mean;

	if (!samples->n || value < samples->min)
		samples->min = value;
	if (!samples->n || value > samples->max)
		samples->max = value;
	samples->n++;
	samples->mean += distance / (double)samples->n;
	samples->squares += distance * (value - samples->mean);
}

void rate_samples_merge(struct rate_samples *into, const struct rate_samples *from)
{
	into->n += from->n;
	into->min += from->min;
	into->max += from->max;
	into->mean += from->mean;
	into->squares += from->squares;
}

double rate_samples_stddev(const struct rate_samples *samples)
{
	return samples->n > 1 ? sqrt(samples->squares / (double)(samples->n - 1)) : 0;
}

void series_deinit(struct series *series)
{
	free(series->samples);
	*series = (struct series){ .samples = NULL };
}

int series_add(struct series *series, const struct series_sample *sample)
{
	if (series->n == series->room) {
		uint32_t room = series->room ? 2 * series->room : 64;
		struct series_sample *samples =
			realloc(series->samples, room * sizeof(*series->samples));

		if (!samples)
			return -ENOMEM;
		series->samples = samples;
		series->room = room;
	}
	series->samples[series->n++] = *sample;
	return 0;
}

static struct series_sample both(const struct series_sample *a, const struct series_sample *b)
{
	struct series_sample sum = *a;
	uint64_t n_timed = a->n_timed + b->n_timed;

	sum.ios += b->ios;
	sum.bytes += b->bytes;
	if (n_timed)
		sum.mean_ns = (a->mean_ns * (double)a->n_timed + b->mean_ns * (double)b->n_timed) /
			      (double)n_timed;
	sum.n_timed = n_timed;
	if (b->p99_ns > sum.p99_ns)
		sum.p99_ns = b->p99_ns;
	return sum;
}

/* Does a end before b begins to be of the same time? */
static bool is_before(const struct series_sample *a, const struct series_sample *b)
{
	return a->at_ns + a->span_ns / 2 < b->at_ns;
}

int series_merge(struct series *into, const struct series *from)
{
	struct series merged = { .samples = NULL };
	uint32_t i = 0, j = 0;
	int rc = 0;

	while (!rc && i < into->n && j < from->n) {
		const struct series_sample *a = &into->samples[i], *b = &from->samples[j];

		if (is_before(a, b)) {
			rc = series_add(&merged, a);
			i++;
		} else if (is_before(b, a)) {
			rc = series_add(&merged, b);
			j++;
		} else {
			const struct series_sample sum = both(a, b);

			rc = series_add(&merged, &sum);
			i++;
			j++;
		}
	}
	for (; !rc && i < into->n; i++)
		rc = series_add(&merged, &into->samples[i]);
	for (; !rc && j < from->n; j++)
		rc = series_add(&merged, &from->samples[j]);
	if (rc) {
		series_deinit(&merged);
		return rc;
	}
	series_deinit(into);
	*into = merged;
	return 0;
}

int sampler_init(struct sampler *sampler, uint64_t start_ns)
{
	sampler->start_ns = start_ns;
	sampler->last_ns = start_ns;
	sampler->last = malloc(DIRECTIONS * sizeof(*sampler->last));
	if (!sampler->last)
		return -ENOMEM;
	for (int d = 0; d < DIRECTIONS; d++)
		io_stats_init(&sampler->last[d]);
	return 0;
}

void sampler_deinit(struct sampler *sampler)
{
	free(sampler->last);
	sampler->last = NULL;
}

/* The histogram of last is of the same kind: clat, once there is any, has all there is. */
static void time_sample(const struct io_stats *now, const struct io_stats *last,
			struct series_sample *sample)
{
	const struct histogram *h = io_stats_clat(now);
	const struct histogram *before = h == &now->clat ? &last->clat : &last->lat;
	uint64_t n = now->lat.n - last->lat.n;

	sample->n_timed = h->n - before->n;
	if (!sample->n_timed)
		return;
	if (n)
		sample->mean_ns = (double)(now->lat.sum - last->lat.sum) / (double)n;
	else
		sample->mean_ns = (double)(h->sum - before->sum) / (double)sample->n_timed;
	sample->p99_ns = histogram_percentile_since(h, before, P99);
}

int sampler_take(struct sampler *sampler, const struct io_stats *now, uint64_t now_ns,
		 struct rate_samples *iops, struct rate_samples *bytes_per_second,
		 struct series *series)
{
	uint64_t span_ns = now_ns - sampler->last_ns;
	double seconds = (double)span_ns / 1e9;

	if (!span_ns)
		return 0;
	for (int d = 0; d < DIRECTIONS; d++) {
		struct io_stats *last = &sampler->last[d];
		struct series_sample sample = {
			.at_ns = now_ns - sampler->start_ns,
			.span_ns = span_ns,
			.ios = stats_read(&now[d].ios) - stats_read(&last->ios),
			.bytes = stats_read(&now[d].bytes) - stats_read(&last->bytes),
		};
		int rc;

		if (!stats_read(&now[d].ios))
			continue;
		time_sample(&now[d], last, &sample);
		rate_samples_add(&iops[d], (double)sample.ios / seconds);
		rate_samples_add(&bytes_per_second[d], (double)sample.bytes / seconds);
		rc = series_add(&series[d], &sample);
		if (rc)
			return rc;
		memcpy(last, &now[d], sizeof(*last));
	}
	sampler->last_ns = now_ns;
	return 0;
}
