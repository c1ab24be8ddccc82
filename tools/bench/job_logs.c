/* SPDX-License-Identifier: MIT
 * job_logs.c - what a job writes down of itself.
 * Invariants: see job_logs.h.
 * Threads:    see job_logs.h.
 * Ownership:  see job_logs.h.
 */
#include "tools/bench/job_logs.h"

#include <stdlib.h>
#include <string.h>

#include "tools/bench/iolog.h"
#include "tools/bench/job.h"
#include "tools/bench/sample_log.h"

struct job_logs {
	struct iolog_writer *list;
	bool has_samples;
	struct shard_log {
		_Alignas(64) struct sample_log log;
	} * shards; /* of each shard */
};

bool job_logs_have_samples(const struct job_logs *logs)
{
	return logs->has_samples;
}

bool job_logs_have_list(const struct job_logs *logs)
{
	return logs->list;
}

static int open_list(struct job *job, struct job_logs *logs)
{
	const char *path = job->options->write_iolog;
	int rc;

	for (uint32_t i = 0; i < job->target.n_files; i++) {
		if (iolog_name_is_word(job->target.files[i].path))
			continue;
		job_fail(job, -EINVAL, "write_iolog: the name '%s' is not one word",
			 job->target.files[i].path);
		return -EINVAL;
	}
	rc = iolog_writer_open(path, clock_now_ns(), &logs->list);
	if (rc) {
		job_fail(job, rc, "write_iolog: %s: %s", path, strerror(-rc));
		return rc;
	}
	for (uint32_t i = 0; i < job->target.n_files; i++)
		iolog_writer_file(logs->list, clock_now_ns(), job->target.files[i].path, "add");
	for (uint32_t i = 0; i < job->target.n_files; i++)
		iolog_writer_file(logs->list, clock_now_ns(), job->target.files[i].path, "open");
	return 0;
}

int job_logs_init(struct job *job)
{
	const struct bench_options *options = job->options;
	const bool has_samples =
		options->write_bw_log || options->write_lat_log || options->write_iops_log;
	struct job_logs *logs;

	job->logs = NULL;
	if (!has_samples && !options->write_iolog)
		return 0;
	logs = calloc(1, sizeof(*logs));
	if (logs)
		logs->shards = aligned_alloc(64, job->n_shards * sizeof(*logs->shards));
	if (!logs || !logs->shards) {
		free(logs);
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	job->logs = logs;
	logs->has_samples = has_samples;
	for (uint32_t i = 0; i < job->n_shards; i++)
		sample_log_init(&logs->shards[i].log, options->log_avg_ns);
	return options->write_iolog ? open_list(job, logs) : 0;
}

void job_logs_deinit(struct job *job)
{
	struct job_logs *logs = job->logs;

	if (!logs)
		return;
	(void)iolog_writer_close(logs->list);
	for (uint32_t i = 0; i < job->n_shards; i++)
		sample_log_deinit(&logs->shards[i].log);
	free(logs->shards);
	free(logs);
	job->logs = NULL;
}

void job_logs_submit(struct job *job, const struct job_io *io)
{
	enum iolog_action action = IOLOG_READ;

	if (io->direction == DIRECTION_NOP)
		return;
	if (io->direction == DIRECTION_WRITE)
		action = IOLOG_WRITE;
	else if (io->direction == DIRECTION_SYNC)
		action = io->is_datasync ? IOLOG_DATASYNC : IOLOG_SYNC;
	iolog_writer_io(job->logs->list, clock_now_ns(), job->target.files[io->file].path, action,
			io->offset, action <= IOLOG_WRITE ? io->bytes : 0);
}

void job_logs_done(struct job *job, uint32_t shard, const struct job_io *io, uint64_t now_ns,
		   bool is_issue_seen)
{
	const bool has_issue = is_issue_seen && io->issue_ns;
	struct sample sample = {
		.at_ns = now_ns > job->start_ns ? now_ns - job->start_ns : 0,
		.offset = io->offset,
		.latency_ns = { [SAMPLE_SLAT] =
					has_issue ? io->issue_ns - io->start_ns : SAMPLE_NONE,
				/* Of a loop that does not see the moment between, all of it. */
				[SAMPLE_CLAT] = now_ns - (has_issue ? io->issue_ns : io->start_ns),
				[SAMPLE_LAT] = now_ns - io->start_ns },
		.bytes = io->bytes,
		.direction = io->direction == DIRECTION_WRITE,
	};

	if (io->direction <= DIRECTION_WRITE)
		sample_log_add(&job->logs->shards[shard].log, &sample);
}

static const char *stem(const struct job *job, const char *value)
{
	return value && !*value ? job->options->name : value;
}

static void write_samples(struct job *job)
{
	const struct bench_options *options = job->options;
	struct job_logs *logs = job->logs;
	struct sample_log_names names = {
		.bw = stem(job, options->write_bw_log),
		.lat = stem(job, options->write_lat_log),
		.iops = stem(job, options->write_iops_log),
		.index = options->per_job_logs ? job->number : 0,
		.has_offsets = options->log_offset,
		.is_max = options->log_max_value,
	};
	struct sample_log *all = calloc(job->n_shards, sizeof(*all));
	char message[JOB_MESSAGE_MAX] = "no memory";
	int rc = -ENOMEM;

	if (options->log_unix_epoch) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		names.epoch_ns = (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec -
				 (clock_now_ns() - job->start_ns);
	}
	if (all) {
		for (uint32_t i = 0; i < job->n_shards; i++)
			all[i] = logs->shards[i].log;
		rc = sample_log_write(all, job->n_shards, job->end_ns - job->start_ns, &names,
				      message, sizeof(message));
	}
	free(all);
	if (rc)
		job_fail(job, rc, "%s", message);
}

void job_logs_write(struct job *job)
{
	struct job_logs *logs = job->logs;
	int rc;

	if (!logs)
		return;
	if (logs->list) {
		for (uint32_t i = 0; i < job->target.n_files; i++)
			iolog_writer_file(logs->list, clock_now_ns(), job->target.files[i].path,
					  "close");
		rc = iolog_writer_close(logs->list);
		logs->list = NULL;
		if (rc)
			job_fail(job, rc, "write_iolog: %s: %s", job->options->write_iolog,
				 strerror(-rc));
	}
	if (logs->has_samples)
		write_samples(job);
}
