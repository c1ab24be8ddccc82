/* SPDX-License-Identifier: MIT
 * job_replay.c - a job whose IOs are those of a list.
 * Invariants: see job_replay.h.
 * Threads:    see job_replay.h; const after replay_load().
 * Ownership:  see job_replay.h.
 */
#include "tools/bench/job_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/iolog.h"
#include "tools/bench/job_io.h"
#include "tools/bench/stats.h"
#include "tools/sys.h"

struct replay {
	struct iolog iolog;
	char *filename; /* list of the files, as --filename has it */
	uint64_t loops;
	uint64_t pass_ns; /* of one pass */
	uint64_t redirected_bytes;
	uint64_t time_scale; /* per cent of the rate of the list */
	bool is_redirected;
	bool has_times;
};

/* a:b, with \: for a colon of a name. */
static char *list_of(const struct iolog *iolog)
{
	size_t bytes = 1;
	char *list, *out;

	for (uint32_t i = 0; i < iolog->n_files; i++)
		bytes += 2 * strlen(iolog->files[i].name) + 1;
	list = out = calloc(1, bytes);
	for (uint32_t i = 0; list && i < iolog->n_files; i++) {
		if (i)
			*out++ = ':';
		for (const char *in = iolog->files[i].name; *in; in++) {
			if (*in == ':')
				*out++ = '\\';
			*out++ = *in;
		}
	}
	return list;
}

static uint32_t least_bytes(const struct iolog *iolog)
{
	uint32_t least = iolog->bytes_max;

	for (uint64_t i = 0; i < iolog->n_entries; i++) {
		if (iolog->entries[i].action <= IOLOG_WRITE && iolog->entries[i].bytes < least)
			least = iolog->entries[i].bytes;
	}
	return least;
}

static void adapt(struct bench_options *options, struct replay *replay)
{
	const struct iolog *iolog = &replay->iolog;

	options->replay = replay;
	options->filename = replay->is_redirected ? options->replay_redirect : replay->filename;
	options->directory = NULL;
	options->offset_bytes = options->offset_percent = 0;
	options->offset_increment_bytes = options->offset_increment_percent = 0;
	options->size_bytes = options->size_percent = options->filesize_bytes = 0;
	options->bs_bytes = iolog->bytes_max;
	for (int d = 0; d < BENCH_DIRECTIONS; d++)
		options->sizes[d] = (struct bench_sizes){ .min_bytes = least_bytes(iolog),
							  .max_bytes = iolog->bytes_max };
	if (iolog->n_of[IOLOG_READ] && iolog->n_of[IOLOG_WRITE])
		options->rw = BENCH_RW;
	else
		options->rw = iolog->n_of[IOLOG_WRITE] ? BENCH_WRITE : BENCH_READ;
}

int replay_load(struct bench_options *options, char *ret_message, size_t message_bytes)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int rc = -ENOMEM;

	if (replay)
		rc = iolog_read(options->read_iolog, &replay->iolog, ret_message, message_bytes);
	else
		snprintf(ret_message, message_bytes, "no memory");
	if (!rc && !replay->iolog.bytes_max) {
		snprintf(ret_message, message_bytes, "%s: neither reads nor writes in it",
			 options->read_iolog);
		rc = -EINVAL;
	}
	if (!rc) {
		const struct iolog *iolog = &replay->iolog;

		replay->filename = list_of(iolog);
		if (!replay->filename) {
			snprintf(ret_message, message_bytes, "no memory");
			rc = -ENOMEM;
		}
		replay->is_redirected = options->replay_redirect;
		for (uint32_t i = 0; i < iolog->n_files; i++) {
			if (iolog->files[i].end_bytes > replay->redirected_bytes)
				replay->redirected_bytes = iolog->files[i].end_bytes;
		}
		replay->loops = options->loops ? options->loops : 1;
		replay->time_scale = options->replay_time_scale;
		replay->pass_ns = iolog->entries[iolog->n_entries - 1].due_ns;
		replay->has_times = !options->replay_no_stall && replay->pass_ns;
	}
	if (rc) {
		replay_free(replay);
		return rc;
	}
	adapt(options, replay);
	return 0;
}

void replay_free(struct replay *replay)
{
	if (!replay)
		return;
	iolog_deinit(&replay->iolog);
	free(replay->filename);
	free(replay);
}

uint64_t replay_file_bytes(const struct replay *replay, uint32_t file)
{
	const uint64_t end = replay->is_redirected ? replay->redirected_bytes :
						     replay->iolog.files[file].end_bytes;

	/* A file that is only synced has at least a block. */
	return end ? end : replay->iolog.bytes_max;
}

bool replay_has_times(const struct replay *replay)
{
	return replay->has_times;
}

uint64_t replay_n_ios(const struct replay *replay)
{
	return replay->iolog.n_entries * replay->loops;
}

bool replay_at(const struct replay *replay, uint64_t n, struct job_io *io, uint64_t *ret_due_ns)
{
	static const uint8_t directions[IOLOG_ACTIONS] = {
		[IOLOG_READ] = DIRECTION_READ,
		[IOLOG_WRITE] = DIRECTION_WRITE,
		[IOLOG_SYNC] = DIRECTION_SYNC,
		[IOLOG_DATASYNC] = DIRECTION_SYNC,
	};
	const struct iolog_entry *entry;
	uint64_t due_ns;

	if (n >= replay_n_ios(replay))
		return false;
	entry = &replay->iolog.entries[n % replay->iolog.n_entries];
	due_ns = n / replay->iolog.n_entries * replay->pass_ns + entry->due_ns;
	io->number = n;
	io->offset = entry->offset;
	io->bytes = directions[entry->action] == DIRECTION_SYNC ? 0 : entry->bytes;
	io->file = replay->is_redirected ? 0 : entry->file;
	io->direction = 0xf & directions[entry->action];
	io->is_datasync = entry->action == IOLOG_DATASYNC;
	/* 200: twice as fast. */
	*ret_due_ns = replay->has_times ?
			      (uint64_t)((double)due_ns * 100 / (double)replay->time_scale) :
			      0;
	return true;
}
