/* SPDX-License-Identifier: MIT
 * job_verify.c - what a job has written, reading it back, and what was wrong with it.
 * Invariants: see job_verify.h.
 * Threads:    see job_verify.h. first and n_bad are under lock, as is the place of reading back.
 * Ownership:  see job_verify.h.
 */
#include "tools/bench/job_verify.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/job.h"
#include "tools/bench/verify.h"

/* A word of the map: writes begun, lowest generation that may be there, writes and reads of the
 * backlog under way. The first two count from 1 for the first write of this job; 0: never
 * written. */
#define BUSY_BITS   15
#define COUNT_BITS  16
#define COUNT_MAX   ((1ull << COUNT_BITS) - 1)
#define BUSY_MAX    ((1ull << BUSY_BITS) - 1)
#define UNKNOWN_BIT (1ull << 63)

struct unit {
	uint64_t begun;
	uint64_t low;
	uint64_t writes; /* under way */
	uint64_t reads;
	bool is_unknown;
};

struct verify_map {
	uint64_t offset_bytes; /* of the area */
	uint64_t n_units;
	_Atomic uint64_t *units;
};

/* A write that has come back. */
struct written {
	uint64_t offset;
	uint32_t bytes;
	uint16_t file;
};

struct job_verify {
	struct verify verify;
	struct verify_map *maps; /* of each file; NULL: the job does not write */
	uint32_t n_maps;
	uint64_t unit_bytes;
	uint64_t seed;
	uint64_t generation; /* of the first write */
	bool is_fatal;
	bool dumps;
	pthread_mutex_t lock;
	/* Reading back: the next unit. */
	uint32_t file;
	uint64_t unit;
	uint64_t step_units; /* of one IO at most */
	uint64_t n_read;     /* units passed */
	/* verify_backlog: what was written and not read back yet, oldest first; a ring. */
	struct written *written;
	uint64_t backlog; /* 0: there is none */
	uint64_t batch;
	uint64_t n_room;
	uint64_t first_written;
	uint64_t n_written;
	uint64_t n_to_drain;
	bool has_dropped; /* there was one whose units are not all sure to come again */
	/* What was wrong. */
	uint64_t n_bad;
	uint32_t first_file;
	struct verify_error first;
};

static_assert(2 * BUSY_BITS + 2 * COUNT_BITS < 63, "a word has room for all of it");
static_assert(IODEPTH_MAX < BUSY_MAX, "all that can be out may be of one unit");

static struct unit unpack(uint64_t word)
{
	return (struct unit){
		.begun = word >> (2 * BUSY_BITS + COUNT_BITS) & COUNT_MAX,
		.low = word >> (2 * BUSY_BITS) & COUNT_MAX,
		.writes = word >> BUSY_BITS & BUSY_MAX,
		.reads = word & BUSY_MAX,
		.is_unknown = word & UNKNOWN_BIT,
	};
}

static uint64_t pack(struct unit unit)
{
	return (unit.is_unknown ? UNKNOWN_BIT : 0) | unit.begun << (2 * BUSY_BITS + COUNT_BITS) |
	       unit.low << (2 * BUSY_BITS) | unit.writes << BUSY_BITS | unit.reads;
}

/* A write of the unit begins: which generation it has, counted from 1. */
static uint64_t begin_unit(_Atomic uint64_t *word)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
	struct unit unit;

	do {
		unit = unpack(old);
		/* After so many, it starts from 1 again, and is not looked at. */
		unit.is_unknown = unit.is_unknown && (unit.writes || unit.reads);
		if (unit.begun == COUNT_MAX) {
			unit.begun = 0;
			unit.is_unknown = true;
		}
		unit.begun++;
		if (!unit.writes && !unit.reads)
			unit.low = unit.begun; /* V1, V4 */
		unit.writes++;
		/* Relaxed: what is read back was written before all threads have met. */
	} while (!atomic_compare_exchange_weak_explicit(
		word, &old, pack(unit), memory_order_relaxed, memory_order_relaxed));
	return unit.begun;
}

static void end_unit(_Atomic uint64_t *word, bool is_read, bool is_known)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
	struct unit unit;

	do {
		unit = unpack(old);
		unit.reads -= is_read;
		unit.writes -= !is_read;
		if (!is_known)
			unit.is_unknown = true; /* V3 */
	} while (!atomic_compare_exchange_weak_explicit(
		word, &old, pack(unit), memory_order_relaxed, memory_order_relaxed));
}

/* A read of the backlog begins (V4); false: it is not known what there is (V5). */
static bool begin_read_unit(_Atomic uint64_t *word)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
	struct unit unit;

	do {
		unit = unpack(old);
		if (unit.is_unknown || unit.writes)
			return false;
		unit.reads++;
	} while (!atomic_compare_exchange_weak_explicit(
		word, &old, pack(unit), memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* The units that an IO covers: [first, first + n). */
static uint64_t units_of(const struct job_verify *verify, const struct verify_map *map,
			 const struct job_io *io, uint64_t *ret_first)
{
	uint64_t first = (io->offset - map->offset_bytes) / verify->unit_bytes;
	uint64_t n = io->bytes / verify->unit_bytes;

	*ret_first = first;
	if (first >= map->n_units)
		return 0;
	return n < map->n_units - first ? n : map->n_units - first;
}

void job_verify_begin(struct job_verify *verify, const struct job_io *io)
{
	struct verify_map *map = &verify->maps[io->file];
	uint64_t first, n = units_of(verify, map, io, &first);

	for (uint64_t i = 0; i < n; i++) {
		uint64_t generation = begin_unit(&map->units[first + i]);

		verify_fill(&verify->verify, io->buffer + i * verify->unit_bytes,
			    (uint32_t)verify->unit_bytes, io->offset + i * verify->unit_bytes,
			    verify->seed, verify->generation + generation - 1);
	}
}

void job_verify_assume(struct job_verify *verify, const struct job_io *io)
{
	struct verify_map *map = &verify->maps[io->file];
	uint64_t first, n = units_of(verify, map, io, &first);

	for (uint64_t i = 0; i < n; i++) {
		(void)begin_unit(&map->units[first + i]);
		end_unit(&map->units[first + i], false, true);
	}
}

/* Kept for the backlog. */
static void add_written(struct job_verify *verify, const struct job_io *io)
{
	struct written *written;

	pthread_mutex_lock(&verify->lock);
	/* There is room for all that can be out when it is time to drain. */
	written = &verify->written[(verify->first_written + verify->n_written) % verify->n_room];
	*written = (struct written){ io->offset, io->bytes, io->file };
	verify->n_written++;
	pthread_mutex_unlock(&verify->lock);
}

void job_verify_end(struct job_verify *verify, const struct job_io *io, int64_t result)
{
	struct verify_map *map = &verify->maps[io->file];
	uint64_t first, n = units_of(verify, map, io, &first);

	for (uint64_t i = 0; i < n; i++)
		end_unit(&map->units[first + i], false,
			 result >= 0 && (uint64_t)result >= (i + 1) * verify->unit_bytes);
	if (verify->backlog && result == (int64_t)io->bytes)
		add_written(verify, io);
}

void job_verify_read_ended(struct job_verify *verify, const struct job_io *io)
{
	struct verify_map *map = &verify->maps[io->file];
	uint64_t first, n = units_of(verify, map, io, &first);

	for (uint64_t i = 0; i < n && verify->backlog; i++)
		end_unit(&map->units[first + i], true, true);
}

/* False: a unit of it is not to be looked at; those before it have been let go again. Under the
 * lock. */
static bool begin_read(struct job_verify *verify, const struct job_io *io)
{
	struct verify_map *map = &verify->maps[io->file];
	uint64_t first, n = units_of(verify, map, io, &first);

	for (uint64_t i = 0; i < n; i++) {
		if (begin_read_unit(&map->units[first + i]))
			continue;
		while (i--)
			end_unit(&map->units[first + i], true, true);
		verify->has_dropped = verify->has_dropped || n > 1;
		return false;
	}
	return n;
}

/* Under the lock. */
static bool take_written(struct job_verify *verify, struct job_io *io)
{
	while (verify->n_to_drain && verify->n_written) {
		const struct written *written = &verify->written[verify->first_written];

		verify->first_written = (verify->first_written + 1) % verify->n_room;
		verify->n_written--;
		verify->n_to_drain--;
		io->file = written->file;
		io->offset = written->offset;
		io->bytes = written->bytes;
		io->direction = DIRECTION_READ;
		io->is_datasync = 0;
		io->is_read_back = 1;
		if (begin_read(verify, io))
			return true;
		io->is_read_back = 0;
	}
	verify->n_to_drain = 0;
	return false;
}

bool job_verify_next_of_backlog(struct job_verify *verify, struct job_io *io)
{
	bool is_taken;

	if (!verify->backlog)
		return false;
	pthread_mutex_lock(&verify->lock);
	if (!verify->n_to_drain && verify->n_written >= verify->backlog)
		verify->n_to_drain = verify->batch;
	is_taken = take_written(verify, io);
	pthread_mutex_unlock(&verify->lock);
	return is_taken;
}

bool job_verify_wants(const struct job_verify *verify, const struct job_io *io)
{
	/* Of a mixed job, what is read meanwhile may be written at the same time. */
	return io->direction == DIRECTION_READ && (io->is_read_back || !verify->maps);
}

/* fio's names: of the block that was found, and of what it should be. */
static void dump(const struct job *job, const struct job_io *io, const void *block, uint32_t bytes,
		 uint64_t offset, const char *what)
{
	const char *name = job->target.files[io->file].path;
	const char *slash = strrchr(name, '/');
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%llu.%s", slash ? slash + 1 : name,
		 (unsigned long long)offset, what);
	file = fopen(path, "we");
	if (!file || fwrite(block, 1, bytes, file) != bytes)
		fprintf(stderr, "ioe: verify_dump: %s: %s\n", path, strerror(-(int)sys_result(-1)));
	if (file)
		fclose(file);
}

static void dump_both(const struct job *job, const struct job_io *io, const void *block,
		      const struct verify_error *error)
{
	const struct job_verify *verify = job->verify;
	void *right = malloc(error->bytes);

	dump(job, io, block, error->bytes, error->expected.offset, "received");
	if (right) {
		verify_fill(&verify->verify, right, error->bytes, error->expected.offset,
			    verify->seed, error->generation);
		dump(job, io, right, error->bytes, error->expected.offset, "expected");
	}
	free(right);
}

static void found_bad(struct job *job, struct io_stats *stats, const struct job_io *io,
		      const struct verify_error *error)
{
	struct job_verify *verify = job->verify;

	stats_count(&stats->errors, 1);
	pthread_mutex_lock(&verify->lock);
	/* The first one by its place, not by which IO happened to be back first. */
	if (!verify->n_bad || io->file < verify->first_file ||
	    (io->file == verify->first_file &&
	     error->expected.offset < verify->first.expected.offset)) {
		verify->first = *error;
		verify->first_file = io->file;
	}
	verify->n_bad++;
	pthread_mutex_unlock(&verify->lock);
	if (verify->is_fatal)
		job_stop(job);
}

void job_verify_look(struct job *job, struct io_stats *stats, const struct job_io *io)
{
	const struct job_verify *verify = job->verify;
	struct verify_expected expected = { .seed = verify->seed,
					    .generation_min = verify->generation,
					    .generation_max = VERIFY_GENERATION_MAX };
	struct verify_error error;
	uint64_t first = 0, n = io->bytes / verify->unit_bytes;

	if (io->is_read_back)
		n = units_of(verify, &verify->maps[io->file], io, &first);
	for (uint64_t i = 0; i < n; i++) {
		expected.offset = io->offset + i * verify->unit_bytes;
		if (io->is_read_back) {
			struct unit unit = unpack(verify->maps[io->file].units[first + i]);

			expected.generation_min = verify->generation + unit.low - 1; /* V2 */
			expected.generation_max = verify->generation + unit.begun - 1;
		}
		if (!verify_check(&verify->verify, io->buffer + i * verify->unit_bytes,
				  (uint32_t)verify->unit_bytes, &expected, &error))
			continue;
		if (verify->dumps)
			dump_both(job, io, io->buffer + i * verify->unit_bytes, &error);
		found_bad(job, stats, io, &error);
	}
}

static bool is_to_be_read(const struct verify_map *map, uint64_t i)
{
	struct unit unit = unpack(atomic_load_explicit(&map->units[i], memory_order_relaxed));

	return unit.begun && !unit.is_unknown;
}

bool job_verify_is_dry(const struct job *job)
{
	return job->verify && job->verify->maps && job->options->verify_only;
}

bool job_verify_has_more(const struct job *job)
{
	return job->verify && job->verify->maps &&
	       (job->options->do_verify || job->options->verify_only);
}

void job_verify_start_read_back(struct job *job)
{
	struct job_verify *verify = job->verify;

	verify->file = 0;
	verify->unit = 0;
	verify->n_read = 0;
	verify->n_to_drain = verify->n_written;
}

bool job_verify_next(struct job *job, struct job_io *io)
{
	struct job_verify *verify = job->verify;
	const struct verify_map *map;
	uint64_t first, n = 0;
	bool is_taken;

	pthread_mutex_lock(&verify->lock);
	is_taken = verify->backlog && take_written(verify, io);
	/* All but these has been read back, unless something was dropped. */
	if (is_taken || (verify->backlog && !verify->has_dropped)) {
		pthread_mutex_unlock(&verify->lock);
		return is_taken;
	}
	for (; verify->file < verify->n_maps; verify->file++, verify->unit = 0) {
		map = &verify->maps[verify->file];
		first = verify->unit;
		while (first < map->n_units && !is_to_be_read(map, first))
			first++;
		while (n < verify->step_units && first + n < map->n_units &&
		       is_to_be_read(map, first + n))
			n++;
		verify->n_read += first + n - verify->unit;
		verify->unit = first + n;
		if (!n)
			continue;
		io->file = (uint16_t)verify->file;
		io->offset = map->offset_bytes + first * verify->unit_bytes;
		io->bytes = (uint32_t)(n * verify->unit_bytes);
		io->direction = DIRECTION_READ;
		io->is_read_back = 1;
		io->is_datasync = 0;
		if (verify->backlog) /* nothing is written any more */
			(void)begin_read(verify, io);
		break;
	}
	pthread_mutex_unlock(&verify->lock);
	return n;
}

double job_verify_progress(struct job_verify *verify)
{
	uint64_t n_all = 0, n_read;

	for (uint32_t i = 0; i < verify->n_maps; i++)
		n_all += verify->maps[i].n_units;
	pthread_mutex_lock(&verify->lock);
	n_read = verify->n_read;
	pthread_mutex_unlock(&verify->lock);
	return n_all ? (double)n_read / (double)n_all : 1;
}

void job_verify_finish(struct job *job)
{
	struct job_verify *verify = job->verify;
	char text[JOB_MESSAGE_MAX], more[64] = "";

	if (!verify || !verify->n_bad)
		return;
	verify_error_text(&verify->first, text, sizeof(text));
	if (verify->n_bad > 1)
		snprintf(more, sizeof(more), "; %llu bad blocks",
			 (unsigned long long)verify->n_bad);
	if (job->options->continue_on_error & BENCH_CONTINUE_VERIFY) {
		job_note_error(job, -EILSEQ);
		fprintf(stderr, "ioe: %s: %s%s\n", job->options->name, text, more);
	} else {
		job_fail(job, -EILSEQ, "%s%s", text, more);
	}
}

/* ---- Setting up ---------------------------------------------------------------------------- */

static bool divides(uint64_t unit, const struct bench_sizes *sizes)
{
	for (uint64_t i = 0; i < sizes->n_splits; i++) {
		if (sizes->splits[i].bytes % unit)
			return false;
	}
	/* Between those of a range all multiples of the least may come. */
	return sizes->min_bytes % unit == 0 && (sizes->n_splits || sizes->max_bytes % unit == 0 ||
						sizes->max_bytes != sizes->min_bytes);
}

static uint64_t unit_of(const struct bench_options *options)
{
	const int direction =
		bench_is_write(options) ? BENCH_DIRECTION_WRITE : BENCH_DIRECTION_READ;
	const uint64_t least = pattern_sizes(options, direction).min_bytes;
	const uint64_t unit = pattern_unit_bytes(options);

	if (options->verify_interval_bytes)
		return options->verify_interval_bytes;
	/* Of a mixed job, offsets of writes may be multiples of the size of reads. */
	return unit < least ? unit : least;
}

int job_verify_check(const struct bench_options *options, char *ret_message, size_t message_bytes)
{
	const int direction =
		bench_is_write(options) ? BENCH_DIRECTION_WRITE : BENCH_DIRECTION_READ;
	const struct bench_sizes sizes = pattern_sizes(options, direction);
	const uint64_t unit = unit_of(options), least = verify_block_min(options->verify);

	if (unit < least) {
		snprintf(ret_message, message_bytes,
			 "--verify: blocks of %llu bytes have no room for a header of %llu",
			 (unsigned long long)unit, (unsigned long long)least);
		return -EINVAL;
	}
	if (!divides(unit, &sizes) || pattern_unit_bytes(options) % unit ||
	    options->rw_skip_bytes % unit || options->bs_unaligned) {
		snprintf(ret_message, message_bytes,
			 "--verify: not all IOs are whole blocks of %llu bytes; another "
			 "--verify_interval may be",
			 (unsigned long long)unit);
		return -EINVAL;
	}
	return 0;
}

static int make_maps(struct job *job, struct job_verify *verify)
{
	verify->n_maps = job->pattern.n_files;
	verify->maps = calloc(verify->n_maps, sizeof(*verify->maps));
	for (uint32_t i = 0; verify->maps && i < verify->n_maps; i++) {
		struct verify_map *map = &verify->maps[i];
		const struct pattern_area *area = &job->pattern.files[i].area;

		map->offset_bytes = area->offset_bytes;
		map->n_units = area->length_bytes / verify->unit_bytes;
		map->units = calloc(map->n_units + 1, sizeof(*map->units));
		if (!map->units)
			return -ENOMEM;
	}
	return verify->maps ? 0 : -ENOMEM;
}

static int make_backlog(struct job *job, struct job_verify *verify)
{
	const struct bench_options *options = job->options;

	verify->backlog = options->verify_backlog;
	verify->batch = options->verify_backlog_batch ? options->verify_backlog_batch :
							options->verify_backlog;
	/* What can be out while it is drained comes to it. */
	verify->n_room = verify->backlog + IODEPTH_MAX + SUBMIT_THREADS_MAX;
	verify->written = calloc(verify->n_room, sizeof(*verify->written));
	if (verify->written)
		return 0;
	job_fail(job, -ENOMEM, "no memory for verify_backlog");
	return -ENOMEM;
}

int job_verify_init(struct job *job)
{
	const struct bench_options *options = job->options;
	const bool writes = bench_is_write(options);
	struct job_verify *verify;
	int rc;

	job->verify = NULL;
	if (options->verify == BENCH_VERIFY_NONE || options->rw == BENCH_NOP)
		return 0;
	verify = calloc(1, sizeof(*verify));
	if (!verify) {
		job_fail(job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&verify->lock, NULL);
	job->verify = verify;
	verify->unit_bytes = unit_of(options);
	verify->step_units = options->bs_bytes / verify->unit_bytes;
	verify->seed = options->randseed;
	verify->generation = options->verify_generation;
	verify->is_fatal = options->verify_fatal;
	verify->dumps = options->verify_dump;
	rc = verify_init(&verify->verify, options->verify, &options->verify_pattern);
	if (rc)
		job_fail(job, rc, "verify=pattern without a verify_pattern");
	if (!rc && writes) {
		rc = make_maps(job, verify);
		if (rc)
			job_fail(job, rc, "no memory for a map of what is written");
	}
	if (!rc && writes && options->verify_backlog && options->do_verify && !options->verify_only)
		rc = make_backlog(job, verify);
	if (rc)
		job_verify_deinit(job);
	return rc;
}

void job_verify_deinit(struct job *job)
{
	struct job_verify *verify = job->verify;

	if (!verify)
		return;
	for (uint32_t i = 0; verify->maps && i < verify->n_maps; i++)
		free(verify->maps[i].units);
	free(verify->maps);
	free(verify->written);
	pthread_mutex_destroy(&verify->lock);
	free(verify);
	job->verify = NULL;
}
