/* SPDX-License-Identifier: MIT
 * report_json_ioe.c - what our JSON says beyond fio's: "ioe" in each job, and comparisons.
 *
 * "series": for each direction that did anything, pairs [ms from the start of the job, value] for
 * each period of the monitor, ms being its end: "iops", "bw_bytes", "lat_mean_ns", "lat_p99_ns",
 * the latter two of the IOs that ended in it.
 * Invariants: units are at the end of the key.
 * Threads:    the main thread.
 * Ownership:  what is returned is the caller's reference.
 */
#include <jansson.h>

#include "tools/bench/fio.h"
#include "tools/bench/report.h"

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* bins: how many from so many ns on, up to twice as many. */
static json_t *stage_object(const struct ioe_latency *latency)
{
	json_t *object = json_object(), *bins = json_object();

	json_object_set_new(object, "max", whole(latency->max_ns));
	json_object_set_new(object, "mean", json_real(report_stage_mean_ns(latency)));
	json_object_set_new(object, "N", whole(latency->n));
	for (uint32_t i = 0; i < IOE_LATENCY_BUCKETS; i++) {
		char from_ns[32];

		if (!latency->histogram[i])
			continue;
		snprintf(from_ns, sizeof(from_ns), "%llu",
			 (unsigned long long)(i ? UINT64_C(1) << i : 0));
		json_object_set_new(bins, from_ns, whole(latency->histogram[i]));
	}
	json_object_set_new(object, "bins", bins);
	return object;
}

static void set_engine_stats(json_t *object, const struct ioe_stats *s)
{
	json_t *stages = json_object();
	const struct {
		const char *key;
		uint64_t value;
	} counters[] = {
		{ "depth", s->depth },
		{ "n_drivers", s->n_drivers },
		{ "events", s->events_finished },
		{ "errors", s->errors },
		{ "requests", s->requests },
		{ "merged_requests", s->merged_requests },
		{ "merged_events", s->merged_events },
		{ "resumed", s->resumed },
		{ "retries", s->retried },
		{ "split", s->split },
		{ "stale_completions", s->stale_completions },
		{ "helped", s->helped },
		{ "syscalls", s->system_calls },
		{ "wakes", s->wakes },
		{ "parks", s->parks },
		{ "channel_full_waits", s->channel_full_waits },
		{ "in_flight_max", s->in_flight_max },
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		json_object_set_new(object, counters[i].key, whole(counters[i].value));
	json_object_set_new(object, "in_flight_average", json_real(s->in_flight_average));
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		json_object_set_new(stages, report_stage_names[i], stage_object(&s->latency[i]));
	json_object_set_new(object, "stage_ns", stages);
}

static void append(json_t *array, uint64_t ms, json_t *value)
{
	json_array_append_new(array, json_pack("[I, o]", (json_int_t)ms, value));
}

static json_t *series_object(const struct series *series)
{
	json_t *object = json_object();
	json_t *iops = json_array(), *bw = json_array(), *mean = json_array(), *p99 = json_array();

	for (uint32_t i = 0; i < series->n; i++) {
		const struct series_sample *s = &series->samples[i];
		uint64_t ms = s->at_ns / NS_PER_MSEC;
		double seconds = (double)s->span_ns / 1e9;

		append(iops, ms, json_real((double)s->ios / seconds));
		append(bw, ms, json_real((double)s->bytes / seconds));
		if (!s->n_timed)
			continue;
		append(mean, ms, json_real(s->mean_ns));
		append(p99, ms, whole(s->p99_ns));
	}
	json_object_set_new(object, "iops", iops);
	json_object_set_new(object, "bw_bytes", bw);
	json_object_set_new(object, "lat_mean_ns", mean);
	json_object_set_new(object, "lat_p99_ns", p99);
	return object;
}

/* What is of a direction, under the names of the directions. */
static void set_directions(json_t *object, const struct job_result *result)
{
	json_t *all = json_object(), *intended = json_object();

	for (int d = 0; d < DIRECTIONS; d++) {
		const struct histogram *h = result->direction[d].intended;
		const char *name = report_direction_name(result, d);

		if (result->series[d].n)
			json_object_set_new(all, name, series_object(&result->series[d]));
		if (h && h->n)
			json_object_set_new(intended, name, report_json_latency(result, h, true));
	}
	json_object_set_new(object, "series", all);
	if (json_object_size(intended))
		json_object_set(object, "intended_lat_ns", intended);
	json_decref(intended);
}

static void set_fio(json_t *object, const struct job_result *result)
{
	json_object_set_new(object, "fio_version", json_string(result->engine.reason));
	json_object_set_new(object, "fio_ioengine", json_string(fio_engine_name(&result->options)));
}

json_t *report_json_ioe(const struct job_result *result)
{
	json_t *object = json_object();

	json_object_set_new(object, "ioengine", json_string(report_engine_name(result)));
	json_object_set_new(object, "n_jobs", whole(result->n_jobs));
	json_object_set_new(object, "cpu_us_per_io", json_real(report_cpu_us_per_io(result)));
	json_object_set_new(object, "interrupted", json_boolean(result->interrupted));
	json_object_set_new(object, "missing_ios", whole(result->n_missing));
	if (result->error)
		json_object_set_new(object, "message", json_string(result->message));
	if (result->options.ioengine == BENCH_FIO) {
		set_fio(object, result);
		return object;
	}
	if (result->options.rw == BENCH_NOP) {
		uint64_t n = stats_read(&result->direction[DIRECTION_NOP].ios);

		json_object_set_new(object, "nops", whole(n));
		json_object_set_new(object, "nops_per_second", json_real(report_iops(result)));
		json_object_set_new(object, "ns_per_event", json_real(report_ns_per_event(result)));
	}
	if (result->slowest_share > 0)
		json_object_set_new(object, "slowest_thread_share",
				    json_real(result->slowest_share));
	if (result->engine.is_set) {
		json_object_set_new(object, "backend", json_string(result->engine.backend));
		json_object_set_new(object, "reason", json_string(result->engine.reason));
		set_engine_stats(object, &result->engine.stats);
	} else {
		json_object_set_new(object, "syscalls", whole(result->system_calls));
	}
	set_directions(object, result);
	return object;
}

static json_t *spread_object(struct spread spread)
{
	json_t *object = json_object();

	json_object_set_new(object, "min", json_real(spread.min));
	json_object_set_new(object, "median", json_real(spread.median));
	json_object_set_new(object, "max", json_real(spread.max));
	return object;
}

json_t *report_json_versus(const struct versus *versus)
{
	static const char *const keys[VERSUS_REPORTED] = { "iops", "cpu_us_per_io", "lat_us" };
	static const char *const sides[3] = { "a", "b", "ratio" };
	json_t *object = json_object();

	for (int side = 0; side < 2; side++) {
		const char *name =
			options_choice_name(bench_ioengines, versus->options[side].ioengine);

		json_object_set_new(object, side ? "ioengine_b" : "ioengine_a", json_string(name));
	}
	json_object_set_new(object, "rounds", whole(versus->n_rounds));
	for (uint32_t side = 0; side < 3; side++) {
		json_t *measures = json_object();

		for (enum versus_measure m = 0; m < VERSUS_REPORTED; m++)
			json_object_set_new(measures, keys[m],
					    spread_object(side < 2 ?
								  versus_value(versus, side, m) :
								  versus_ratio(versus, 0, 1, m)));
		json_object_set_new(object, sides[side], measures);
	}
	return object;
}
