/* SPDX-License-Identifier: MIT
 * writer.c - see writer.h. Each thread writes groups of neighbouring records, a few groups at a
 *            time, each group followed by one barrier sync. It goes over the keys of its streams
 *            from the first to the last, then over again with the next version.
 * Invariants: a sweep over a stream begins when the last one has been written and synced, so what
 *             it overwrites is older than what has been said to be synced.
 * Threads:    N_THREADS that submit, and those of ioe that call back; the words of struct acks are
 *             written by callbacks.
 * Ownership:  a group, its events and its buffer are the engine's until its last callback. */
#include "tests/crash/writer.h"
#include "engine/ioe.h"
#include "tests/lib/fail.h"
#include "tests/lib/random.h"
#include "tests/lib/spoil.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	GROUPS = 4, /* of a thread, in flight together */
	GROUP_RECORDS_MAX = 16,
	RECORD_PIECES_MAX = 3, /* events of a record */
	GROUP_EVENTS_MAX = GROUP_RECORDS_MAX * RECORD_PIECES_MAX + 1,
};

struct group;

struct record {
	struct group *group;
	uint32_t key;
	uint32_t n_left; /* pieces whose callback has not run */
};

struct group {
	struct thread *thread;
	uint32_t n_left; /* callbacks that have not run; 0: free */
	uint32_t stream, version, first_key, n_records, n_events;
	bool merges;  /* or else each piece is a request */
	uint8_t byte; /* read instead of a sync */
	struct record records[GROUP_RECORDS_MAX];
	struct ioe_event events[GROUP_EVENTS_MAX];
	struct ioe_event *order[GROUP_EVENTS_MAX];
	/* Records that are neighbours in the file are not in memory: joined, they are a vector. */
	uint8_t buffers[GROUP_RECORDS_MAX][RECORD_BYTES_MAX + 1];
};

struct thread {
	pthread_t handle;
	uint32_t number;
	struct random random;
	sem_t n_free;
	uint32_t next_key[STREAMS_PER_THREAD];
	uint32_t version[STREAMS_PER_THREAD];
	struct group groups[GROUPS];
};

/* Of the writer's process. */
static struct {
	struct writer_options options;
	const struct layout *layout;
	const int *files;
	struct acks *acks;
	struct ioe_engine *engine;
	struct thread threads[N_THREADS];
} writer;

/* The first is printed at once: the harness may wait for what does not come any more. */
static void say_error(int64_t error)
{
	if (__atomic_exchange_n(&writer.acks->error, (int32_t)error, __ATOMIC_ACQ_REL) == 0)
		fprintf(stderr, "the writer: %s\n", strerror((int)-error));
}

/* ---- Callbacks --------------------------------------------------------------------------- */

static void leave(struct group *group)
{
	struct thread *thread = group->thread;

	if (__atomic_sub_fetch(&group->n_left, 1, __ATOMIC_ACQ_REL) == 0)
		sem_post(&thread->n_free);
}

static void on_piece(struct ioe_event *event)
{
	struct record *record = event->arg;
	struct group *group = record->group;
	const bool is_nop = event->op == IOE_OP_NOP;

	if (event->result != (is_nop ? 0 : (int64_t)event->length))
		say_error(event->result < 0 ? event->result : -EIO);
	else if (__atomic_sub_fetch(&record->n_left, 1, __ATOMIC_ACQ_REL) == 0) {
		__atomic_store_n(&writer.acks->written.of[group->stream][record->key],
				 group->version, __ATOMIC_RELEASE);
		__atomic_add_fetch(&writer.acks->n_written, 1, __ATOMIC_RELEASE);
	}
	leave(group);
}

/* At once, and not when the callbacks of the writes have run as well: a sync that is done is
 * enough, by law 7. */
static void on_sync(struct ioe_event *event)
{
	struct group *group = event->arg;

	if (event->result < 0)
		say_error(event->result);
	for (uint32_t i = 0; event->result >= 0 && i < group->n_records; i++)
		__atomic_store_n(&writer.acks->synced.of[group->stream][group->first_key + i],
				 group->version, __ATOMIC_RELEASE);
	if (event->result >= 0)
		__atomic_add_fetch(&writer.acks->n_synced, group->n_records, __ATOMIC_RELEASE);
	leave(group);
}

/* ---- Groups ------------------------------------------------------------------------------ */

static void add_piece(struct group *group, struct record *record, uint8_t *bytes, uint32_t length,
		      uint64_t offset)
{
	struct ioe_event *event = &group->events[group->n_events++];

	if (writer.options.lie == WRITER_DOES_NOT_WRITE)
		ioe_prep_nop(event);
	else
		ioe_prep_write(event, writer.files[stream_file(group->stream)], bytes, length,
			       offset);
	if (!group->merges && event->op == IOE_OP_WRITE)
		event->flags = IOE_EVENT_NO_MERGE;
	event->callback = on_piece;
	event->arg = record;
	record->n_left++;
}

static void add_record(struct group *group, uint32_t key, uint8_t *bytes)
{
	struct random *random = &group->thread->random;
	struct record *record = &group->records[key - group->first_key];
	const uint32_t length = writer.layout->length[group->stream][key];
	const uint64_t offset = record_offset(writer.layout, group->stream, key, group->version);
	const uint32_t n_pieces = (uint32_t)random_between(random, 1, RECORD_PIECES_MAX);
	uint32_t done = 0;

	*record = (struct record){ .group = group, .key = key };
	record_fill(writer.layout, group->stream, key, group->version, bytes);
	for (uint32_t i = 1; i < n_pieces; i++) {
		const uint32_t n = (uint32_t)random_below(random, length - done);

		if (n > 0)
			add_piece(group, record, bytes + done, n, offset + done);
		done += n;
	}
	add_piece(group, record, bytes + done, length - done, offset + done);
}

static void add_sync(struct group *group)
{
	struct ioe_event *event = &group->events[group->n_events++];
	const int file = writer.files[stream_file(group->stream)];

	if (writer.options.lie == WRITER_DOES_NOT_SYNC)
		ioe_prep_read(event, file, &group->byte, 1, 0);
	else if (random_below(&group->thread->random, 2) == 0)
		ioe_prep_fsync(event, file);
	else
		ioe_prep_fdatasync(event, file);
	if (writer.options.lie != WRITER_HAS_NO_BARRIER)
		event->flags = IOE_EVENT_BARRIER;
	event->callback = on_sync;
	event->arg = group;
}

/* One by one or together; the sync is the last. */
static void submit(struct group *group)
{
	struct random *random = &group->thread->random;
	const uint32_t n = group->n_events;
	int ret = 0;

	group->n_left = n;
	for (uint32_t i = 0; i < n; i++)
		group->order[i] = &group->events[i];
	for (uint32_t i = n - 1; i > 1; i--) {
		const uint64_t other = random_below(random, i);
		struct ioe_event *event = group->order[i - 1];

		group->order[i - 1] = group->order[other];
		group->order[other] = event;
	}
	/* After its last submit the group may be another's. */
	if (random_below(random, 2) == 0) {
		ret = ioe_submit_batch(writer.engine, group->order, n);
		ret = ret == (int)n ? 0 : -EIO;
	} else {
		for (uint32_t i = 0; i < n && ret == 0; i++)
			ret = ioe_submit(writer.engine, group->order[i]);
	}
	if (ret != 0)
		say_error(ret);
}

/* One that is free; the semaphore has been taken. */
static struct group *find_free(struct thread *thread)
{
	struct group *group = thread->groups;

	while (__atomic_load_n(&group->n_left, __ATOMIC_ACQUIRE) != 0)
		group++;
	return group;
}

static void wait_free(struct thread *thread, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		while (sem_wait(&thread->n_free) != 0)
			continue;
}

static void say_counts(void)
{
	struct ioe_stats stats = { .size = sizeof(stats) };

	if (ioe_engine_stats(writer.engine, &stats) != 0)
		return;
	__atomic_store_n(&writer.acks->n_merged, (uint32_t)stats.merged_events, __ATOMIC_RELEASE);
	__atomic_store_n(&writer.acks->n_resumed, (uint32_t)stats.resumed, __ATOMIC_RELEASE);
}

static void write_group(struct thread *thread)
{
	const uint32_t which = (uint32_t)random_below(&thread->random, STREAMS_PER_THREAD);
	uint64_t n = random_between(&thread->random, 1, GROUP_RECORDS_MAX);
	struct group *group;

	if (thread->next_key[which] == N_KEYS) {
		wait_free(thread, GROUPS);
		for (uint32_t i = 0; i < GROUPS; i++)
			sem_post(&thread->n_free);
		thread->next_key[which] = 0;
		thread->version[which]++;
	}
	if (n > N_KEYS - thread->next_key[which])
		n = N_KEYS - thread->next_key[which];
	wait_free(thread, 1);
	group = find_free(thread);
	group->stream = thread->number * STREAMS_PER_THREAD + which;
	group->version = thread->version[which];
	group->first_key = thread->next_key[which];
	group->n_records = (uint32_t)n;
	group->n_events = 0;
	group->merges = random_below(&thread->random, 4) != 0;
	for (uint32_t i = 0; i < n; i++)
		add_record(group, group->first_key + i, group->buffers[i]);
	add_sync(group);
	say_counts();
	thread->next_key[which] += (uint32_t)n;
	submit(group);
}

static void *run_thread(void *arg)
{
	struct thread *thread = arg;

	for (;;)
		write_group(thread);
	return NULL;
}

/* ---- The process ------------------------------------------------------------------------- */

static uint32_t any_byte(uint64_t offset)
{
	(void)offset;
	return 1;
}

/* Every other writer has faults: writes that are short or interrupted, and are gone on with before
 * the barrier that stands behind them. */
static void open_engine(void)
{
	struct random random = random_open_at(writer.options.seed, 100);
	const bool has_faults = random_below(&random, 2) == 0;
	const struct ioe_config config = {
		.size = sizeof(config),
		.backend = writer.options.backend,
		.threading = writer.options.threading,
		/* The seam is of one driver. */
		.n_drivers = has_faults ? 1 : (uint32_t)random_between(&random, 1, 2),
		.depth_max = (uint32_t)random_between(&random, 4, 64),
	};
	int ret;

	if (has_faults) {
		spoil_watch(1, any_byte);
		spoil_begin(writer.options.seed, (uint32_t)random_between(&random, 2, 16), 0);
	}
	ret = ioe_engine_open(&config, &writer.engine);
	if (ret != 0) {
		say_error(ret);
		_exit(1);
	}
}

static void run(void)
{
	open_engine();
	for (uint32_t i = 0; i < N_THREADS; i++) {
		struct thread *thread = &writer.threads[i];

		thread->number = i;
		thread->random = random_open_at(writer.options.seed, i);
		sem_init(&thread->n_free, 0, GROUPS);
		for (uint32_t k = 0; k < STREAMS_PER_THREAD; k++)
			thread->version[k] = 1;
		for (uint32_t k = 0; k < GROUPS; k++)
			thread->groups[k].thread = thread;
	}
	for (uint32_t i = 0; i < N_THREADS; i++)
		if (pthread_create(&writer.threads[i].handle, NULL, run_thread,
				   &writer.threads[i]) != 0)
			say_error(-EAGAIN);
	for (;;)
		pause();
}

pid_t writer_start(const struct writer_options *options, const struct layout *layout,
		   const int files[N_FILES], struct acks *acks)
{
	const pid_t parent = getpid();
	pid_t pid;

	*acks = (struct acks){ .error = 0 };
	fflush(NULL);
	pid = (pid_t)must_sys(fork());
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	writer.options = *options;
	writer.layout = layout;
	writer.files = files;
	writer.acks = acks;
	run();
	_exit(1);
}

void writer_kill(pid_t writer_pid)
{
	int status;

	must_sys(kill(writer_pid, SIGKILL));
	must_sys(waitpid(writer_pid, &status, 0));
	must(WIFSIGNALED(status), "the writer has ended by itself: %#x", (unsigned)status);
}
