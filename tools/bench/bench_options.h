/* SPDX-License-Identifier: MIT
 * bench_options.h - what `ioe bench` can be told, and what makes no sense together.
 * Invariants: after bench_options_check() every field is usable as it is; no later code looks at
 *             whether an option was given.
 * Threads:    any; options are const while a job runs.
 * Ownership:  strings point into argv, or into the plan's memory.
 */
#ifndef IOE_TOOLS_BENCH_OPTIONS_H
#define IOE_TOOLS_BENCH_OPTIONS_H

#include "tools/bench/distribution.h"
#include "tools/options.h"

enum bench_rw {
	BENCH_READ,
	BENCH_WRITE,
	BENCH_RANDREAD,
	BENCH_RANDWRITE,
	BENCH_NOP,
	BENCH_RW, /* sequential, reads and writes mixed by rwmixread */
	BENCH_RANDRW,
};

/* Index of what an option says of reads and of writes apart. */
enum bench_direction { BENCH_DIRECTION_READ, BENCH_DIRECTION_WRITE, BENCH_DIRECTIONS };

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
	BENCH_NULL,        /* each IO is done at once; no file */
};

enum bench_format { BENCH_NORMAL, BENCH_JSON, BENCH_JSON_PLUS };
enum bench_eta { BENCH_ETA_AUTO, BENCH_ETA_ALWAYS, BENCH_ETA_NEVER };
enum bench_sync { BENCH_SYNC_NONE, BENCH_SYNC_SYNC, BENCH_SYNC_DSYNC };
enum bench_rate_process { BENCH_RATE_LINEAR, BENCH_RATE_POISSON };
enum bench_exit_what { BENCH_EXIT_GROUP, BENCH_EXIT_STONEWALL, BENCH_EXIT_ALL };
/* rw_sequencer: what happens between two jumps of rw=randread:8 */
enum bench_sequencer { BENCH_SEQUENCER_SEQUENTIAL, BENCH_SEQUENCER_IDENTICAL };
enum bench_submit_mode { BENCH_SUBMIT_INLINE, BENCH_SUBMIT_OFFLOAD };
enum bench_thinktime_type { BENCH_THINK_COMPLETE, BENCH_THINK_ISSUE };

enum bench_verify {
	BENCH_VERIFY_NONE,
	BENCH_VERIFY_CRC32C,
	BENCH_VERIFY_XXHASH,
	BENCH_VERIFY_PATTERN, /* verify_pattern from end to end, no header */
	BENCH_VERIFY_META,    /* the header alone */
};

enum bench_fallocate {
	BENCH_FALLOCATE_NATIVE, /* fallocate(2) where there is one */
	BENCH_FALLOCATE_NONE,
	BENCH_FALLOCATE_POSIX,
	BENCH_FALLOCATE_KEEP,
	BENCH_FALLOCATE_TRUNCATE,
};

/* Bits of continue_on_error. */
enum { BENCH_CONTINUE_READ = 1, BENCH_CONTINUE_WRITE = 2, BENCH_CONTINUE_VERIFY = 4 };

/* option_def.scope: the engines an option means something to. */
enum {
	SCOPE_OURS = 1,
	SCOPE_RAW_URING = 2,
	SCOPE_RAW_AIO = 4,
	SCOPE_PSYNC = 8,
	SCOPE_FIO = 16,
	SCOPE_NULL = 32,
	SCOPE_RAW_BOTH = SCOPE_RAW_URING | SCOPE_RAW_AIO,
	SCOPE_DEPTH = SCOPE_OURS | SCOPE_RAW_BOTH | SCOPE_FIO | SCOPE_NULL,
	SCOPE_ALL = SCOPE_DEPTH | SCOPE_PSYNC,
};

#define BENCH_SPLITS_MAX      64
#define BENCH_PATTERN_MAX     512
#define BENCH_PERCENTILES_MAX 20
#define BENCH_CPUS_MAX        1024

/* Sizes that the IOs of one direction have. With neither splits nor a range all have max_bytes. */
struct bench_sizes {
	uint64_t min_bytes; /* bsrange, the least of bssplit, or bs */
	uint64_t max_bytes;
	uint64_t n_splits; /* bssplit; 0: none */
	struct {
		uint64_t bytes;
		uint64_t percent; /* they add up to 100 */
	} splits[BENCH_SPLITS_MAX];
};

/* Bytes that are repeated. The offset of the block, 8 bytes little-endian, stands where fio's
 * "%o" was. */
struct bench_pattern {
	uint64_t n_bytes; /* 0: none given */
	unsigned char bytes[BENCH_PATTERN_MAX];
	uint64_t n_offsets; /* how many %o, and where */
	uint64_t offset_at[BENCH_PATTERN_MAX / 8];
};

struct replay;

struct bench_cpus {
	uint64_t n; /* 0: not given */
	uint64_t bits[BENCH_CPUS_MAX / 64];
};

struct bench_percentiles {
	uint64_t n; /* 0: fio's own list */
	double percent[BENCH_PERCENTILES_MAX];
};

/* One job: a section of a job file, or what follows a --name. Fields that parse by themselves are
 * uint64_t or const char *, as options.h wants them; a percentage and the bytes of the same option
 * stand one behind the other, and only one of them is not 0. */
struct bench_options {
	const char *name;
	const char *description; /* NULL: none */
	const char *origin;      /* "job.fio:12", for messages; "" if of the command line */
	/* among others */
	uint64_t numjobs;
	uint64_t group;           /* of the report: counted up by stonewall and new_group */
	uint64_t wall;            /* counted up by stonewall: those of one run together */
	uint64_t group_reporting; /* one result for all of the group */
	uint64_t stonewall;
	uint64_t new_group;
	const char *wait_for; /* name of a job before it */
	uint64_t thread;
	uint64_t exitall;
	uint64_t exit_what; /* enum bench_exit_what */
	uint64_t startdelay_ns;
	uint64_t startdelay_max_ns; /* of startdelay=A-B; else as startdelay_ns */
	/* target */
	const char *filename; /* colon list, as it was typed; NULL: jobname.number.file */
	const char *directory;
	uint64_t nrfiles;
	uint64_t filesize_bytes; /* 0: follows from size */
	uint64_t size_bytes;     /* 0: that of the file */
	uint64_t size_percent;
	uint64_t io_size_bytes; /* 0: size */
	uint64_t io_size_percent;
	uint64_t offset_bytes;
	uint64_t offset_percent;
	uint64_t offset_increment_bytes;
	uint64_t offset_increment_percent;
	uint64_t offset_align_bytes; /* 0: bs, of an offset in per cent */
	uint64_t direct;
	uint64_t sync; /* enum bench_sync */
	uint64_t fsync;
	uint64_t fdatasync;
	uint64_t end_fsync;
	uint64_t fsync_on_close;
	uint64_t invalidate;
	uint64_t fallocate; /* enum bench_fallocate */
	uint64_t overwrite;
	uint64_t create_only;
	uint64_t create_fsync;
	uint64_t allow_file_create;
	uint64_t allow_mounted_write;
	uint64_t file_append;
	uint64_t fill_device;
	uint64_t pre_read;
	uint64_t unlink;
	/* pattern */
	uint64_t rw;
	uint64_t rw_nr;         /* randread:8: IOs between two jumps; 1: each jumps */
	uint64_t rw_skip_bytes; /* read:8k: added after each IO; an int64_t, read:-8k is negative */
	uint64_t rw_sequencer;  /* enum bench_sequencer */
	uint64_t rwmixread;     /* per cent */
	uint64_t bs_bytes;      /* the largest IO: room for it in every buffer */
	struct bench_sizes sizes[BENCH_DIRECTIONS]; /* max_bytes 0: all IOs have bs_bytes */
	uint64_t bs_unaligned;
	uint64_t blockalign_bytes[BENCH_DIRECTIONS]; /* 0: the least size of an IO */
	struct distribution_spec random_distribution[BENCH_DIRECTIONS];
	uint64_t percentage_random;
	uint64_t randseed;
	uint64_t randrepeat;
	uint64_t allrandrepeat;
	uint64_t norandommap;
	uint64_t zero_buffers;
	uint64_t refill_buffers;
	struct bench_pattern buffer_pattern;
	/* length */
	uint64_t runtime_ns; /* 0: no limit */
	uint64_t time_based;
	uint64_t ramp_time_ns;
	uint64_t loops;
	uint64_t number_ios; /* 0: no limit */
	/* rate; 0: no limit */
	uint64_t rate_bytes[BENCH_DIRECTIONS];
	uint64_t rate_min_bytes[BENCH_DIRECTIONS];
	uint64_t rate_iops[BENCH_DIRECTIONS];
	uint64_t rate_iops_min[BENCH_DIRECTIONS];
	uint64_t rate_cycle_ns;
	uint64_t rate_process; /* enum bench_rate_process */
	uint64_t rate_ignore_thinktime;
	uint64_t thinktime_ns;
	uint64_t thinktime_spin_ns;
	uint64_t thinktime_blocks;
	uint64_t thinktime_blocks_type; /* enum bench_thinktime_type */
	/* verify */
	uint64_t verify; /* enum bench_verify */
	uint64_t do_verify;
	uint64_t verify_only;
	uint64_t verify_interval_bytes; /* 0: the size of the IO */
	struct bench_pattern verify_pattern;
	uint64_t verify_generation; /* ours: written into headers, and expected there */
	uint64_t verify_backlog;    /* 0: when all is written */
	uint64_t verify_backlog_batch;
	uint64_t verify_async;
	uint64_t verify_fatal;
	uint64_t verify_dump;
	/* errors */
	uint64_t continue_on_error; /* BENCH_CONTINUE_* */
	uint64_t max_latency_ns;    /* 0: none */
	/* replay and logs; a log given bare is "", and is named after the job */
	const char *read_iolog; /* NULL: none */
	const char *write_iolog;
	struct replay *replay; /* what read_iolog says; NULL: none, or not read yet */
	uint64_t replay_no_stall;
	const char *replay_redirect;
	uint64_t replay_time_scale; /* per cent */
	const char *write_bw_log;
	const char *write_lat_log;
	const char *write_iops_log;
	uint64_t log_avg_ns; /* 0: every IO */
	uint64_t log_max_value;
	uint64_t log_offset;
	uint64_t log_unix_epoch;
	uint64_t per_job_logs;
	/* what is measured */
	uint64_t gtod_reduce;
	uint64_t lat_percentiles;
	uint64_t clat_percentiles;
	uint64_t slat_percentiles;
	struct bench_percentiles percentile_list;
	uint64_t unified_rw_reporting;
	uint64_t disk_util;
	/* engine */
	uint64_t ioengine;
	uint64_t iodepth;
	uint64_t submit_threads; /* 0: one; on ours: from the callbacks */
	uint64_t waiting;        /* ours: each of them waits for its one IO */
	uint64_t interleave;     /* blocks in a row of each of them; 0: whoever is ready */
	uint64_t batch_submit;   /* 0: on ours, all that are ready */
	uint64_t batch_complete_min;
	uint64_t batch_complete_max;
	uint64_t io_submit_mode; /* enum bench_submit_mode */
	struct bench_cpus cpus_allowed;
	uint64_t cpus_split; /* cpus_allowed_policy=split: one of them for each clone */
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
	uint64_t hipri;
	uint64_t userspace_reap;
	/* comparison */
	uint64_t versus;
	/* Of BENCH_FIO: BENCH_RAW_URING, BENCH_RAW_AIO or BENCH_PSYNC; 0: as the other side. */
	uint64_t fio_engine;
	uint64_t rounds;
	/* copies of the plan's */
	const char *output;
	uint64_t output_format;
	uint64_t eta;
	uint64_t readonly;
};

/* A whole run. */
struct bench_plan {
	struct bench_options *jobs; /* in the order in which they were written */
	struct option_given *given; /* [n_jobs], with what came from [global] */
	uint32_t n_jobs;
	struct option_given global; /* of the last [global], and of options before the first job */
	/* options of the run */
	const char *output; /* NULL: standard output */
	uint64_t output_format;
	uint64_t eta;
	uint64_t eta_newline_ns;     /* 0: never */
	uint64_t status_interval_ns; /* 0: none */
	uint64_t readonly;
	uint64_t parse_only;
	uint64_t showcmd;
	void *memory; /* what the texts stand in */
};

#define SPIN_DEFAULT       UINT64_MAX
#define IODEPTH_MAX        16384
#define SUBMIT_THREADS_MAX 1024
#define VERSUS_ROUNDS_MAX  1000
#define NUMJOBS_MAX        1024

extern const struct option_table bench_table;
extern const struct option_choice bench_ioengines[];
extern const struct option_choice bench_rws[];
extern const struct option_choice bench_verifies[];
extern const struct option_choice bench_etas[];

/* SCOPE_* of an ioengine. */
uint32_t bench_scope(uint64_t ioengine);

/* Set every field to its default. */
void bench_options_init(struct bench_options *options);

/* Where a job stands, for messages. */
struct option_source bench_source(const struct bench_options *options,
				  const struct option_given *given);

/* Refuse combinations that make no sense, fill in the defaults that hang on other options.
 * Prints one line on stderr and returns -EINVAL. */
int bench_options_check(struct bench_options *options, const struct option_given *given);

/* The options for running engine ioengine instead. psync has one IO in flight for each of its
 * threads, so beside an engine with a depth it is given as many threads as that; fio's psync too.
 * fio runs with its own engine of the same kind, where fio_engine does not say which. */
struct bench_options bench_options_for(const struct bench_options *options, uint64_t ioengine);

/* Does it write at all? */
static inline bool bench_is_write(const struct bench_options *options)
{
	return options->rw == BENCH_WRITE || options->rw == BENCH_RANDWRITE ||
	       options->rw == BENCH_RW || options->rw == BENCH_RANDRW;
}

/* Does it read at all? */
static inline bool bench_is_read(const struct bench_options *options)
{
	return options->rw != BENCH_WRITE && options->rw != BENCH_RANDWRITE &&
	       options->rw != BENCH_NOP;
}

static inline bool bench_is_mixed(const struct bench_options *options)
{
	return options->rw == BENCH_RW || options->rw == BENCH_RANDRW;
}

static inline bool bench_is_random(const struct bench_options *options)
{
	return options->rw == BENCH_RANDREAD || options->rw == BENCH_RANDWRITE ||
	       options->rw == BENCH_RANDRW;
}

/* Does the job stamp each IO? A nop takes less time than a clock. */
static inline bool bench_is_timed(const struct bench_options *options)
{
	return options->rw != BENCH_NOP && !options->gtod_reduce;
}

#endif
