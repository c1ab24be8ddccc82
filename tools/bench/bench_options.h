/* SPDX-License-Identifier: MIT
 * bench_options.h - what `ioe bench` can be told, and what makes no sense together.
 * Invariants: after bench_options_check() every field is usable as it is; no later code looks at
 *             whether an option was given.
 * Threads:    any; options are const while a job runs.
 * Ownership:  strings point into argv.
 */
#ifndef IOE_TOOLS_BENCH_OPTIONS_H
#define IOE_TOOLS_BENCH_OPTIONS_H

#include "tools/options.h"

enum bench_rw {
	BENCH_READ,
	BENCH_WRITE,
	BENCH_RANDREAD,
	BENCH_RANDWRITE,
	BENCH_NOP,
};

enum bench_ioengine {
	BENCH_AUTO, /* ours, with IOE_BACKEND_AUTO */
	BENCH_URING,
	BENCH_AIO,
	BENCH_THREADS,
	BENCH_RAW_URING,
	BENCH_RAW_AIO,
	BENCH_PSYNC,
	BENCH_FIO,         /* fio itself, beside one of the others */
	BENCH_NO_IOENGINE, /* --versus not given */
};

enum bench_format { BENCH_NORMAL, BENCH_JSON };
enum bench_eta { BENCH_ETA_AUTO, BENCH_ETA_ALWAYS, BENCH_ETA_NEVER };

/* option_def.scope: the engines an option means something to. */
enum {
	SCOPE_OURS = 1,
	SCOPE_RAW_URING = 2,
	SCOPE_RAW_AIO = 4,
	SCOPE_PSYNC = 8,
	SCOPE_FIO = 16,
	SCOPE_RAW_BOTH = SCOPE_RAW_URING | SCOPE_RAW_AIO,
	SCOPE_DEPTH = SCOPE_OURS | SCOPE_RAW_BOTH | SCOPE_FIO,
	SCOPE_ALL = SCOPE_DEPTH | SCOPE_PSYNC,
};

/* Fields are uint64_t or const char *, as options.h wants them. */
struct bench_options {
	const char *name;
	/* target */
	const char *filename;
	uint64_t size_bytes; /* 0: that of the file */
	uint64_t direct;
	uint64_t invalidate;
	/* pattern */
	uint64_t rw;
	uint64_t bs_bytes;
	uint64_t randseed;
	/* length */
	uint64_t runtime_ns; /* 0: no limit */
	uint64_t time_based;
	uint64_t number_ios; /* 0: no limit */
	/* engine */
	uint64_t ioengine;
	uint64_t iodepth;
	uint64_t submit_threads; /* 0: one; on ours: from the callbacks */
	uint64_t waiting;        /* ours: each of them waits for its one IO */
	uint64_t interleave;     /* blocks in a row of each of them; 0: whoever is ready */
	uint64_t batch_submit;   /* 0: on ours, all that are ready */
	uint64_t batch_complete_min;
	uint64_t batch_complete_max;
	uint64_t gtod_reduce;
	/* ours */
	uint64_t threading;
	uint64_t depth_max; /* 0: iodepth */
	uint64_t callback_threads;
	uint64_t n_drivers;
	uint64_t n_helpers;
	uint64_t channel_capacity;
	uint64_t merge_max_bytes;
	uint64_t merge_max_events;
	uint64_t nomerge;
	uint64_t spin_ns; /* 0: never; SPIN_DEFAULT: the library's */
	uint64_t no_timing;
	uint64_t n_fds; /* 0: one for each driver */
	/* reference loops */
	uint64_t submit_and_wait;
	uint64_t defer_taskrun;
	uint64_t registerring;
	uint64_t registerfiles;
	uint64_t fixedbufs;
	uint64_t userspace_reap;
	/* comparison */
	uint64_t versus;
	/* Of BENCH_FIO: BENCH_RAW_URING, BENCH_RAW_AIO or BENCH_PSYNC; 0: as the other side. */
	uint64_t fio_engine;
	uint64_t rounds;
	/* output */
	uint64_t output_format;
	uint64_t eta;
};

#define SPIN_DEFAULT       UINT64_MAX
#define IODEPTH_MAX        16384
#define SUBMIT_THREADS_MAX 1024
#define VERSUS_ROUNDS_MAX  1000

extern const struct option_table bench_table;
extern const struct option_choice bench_ioengines[];
extern const struct option_choice bench_rws[];

/* SCOPE_* of an ioengine. */
uint32_t bench_scope(uint64_t ioengine);

/* Set every field to its default. */
void bench_options_init(struct bench_options *options);

/* Refuse combinations that make no sense, fill in the defaults that hang on other options.
 * Prints one line on stderr and returns -EINVAL. */
int bench_options_check(struct bench_options *options, const struct option_given *given);

/* The options for running engine ioengine instead. psync has one IO in flight for each of its
 * threads, so beside an engine with a depth it is given as many threads as that; fio's psync too.
 * fio runs with its own engine of the same kind, where fio_engine does not say which. */
struct bench_options bench_options_for(const struct bench_options *options, uint64_t ioengine);

static inline bool bench_is_write(const struct bench_options *options)
{
	return options->rw == BENCH_WRITE || options->rw == BENCH_RANDWRITE;
}

static inline bool bench_is_random(const struct bench_options *options)
{
	return options->rw == BENCH_RANDREAD || options->rw == BENCH_RANDWRITE;
}

/* Does the job stamp each IO? A nop takes less time than a clock. */
static inline bool bench_is_timed(const struct bench_options *options)
{
	return options->rw != BENCH_NOP && !options->gtod_reduce;
}

#endif
