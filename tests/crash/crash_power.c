/* SPDX-License-Identifier: MIT
 * crash_power.c - the power goes while records are written and synced (law 7): what is left of the
 *                 disk is mounted, its journal replayed, and every record whose sync had been
 *                 called back is there and whole. IOE_CRASH_SNAPSHOTS (6) cuts.
 * Then the harness is put to the proof: a writer that does not sync, one whose sync does not wait,
 * and a disk that flushes nothing must be found out.
 * Invariants: the versions looked for are those of the moment before the image was made.
 * Threads:    main; the writer and the disk are processes.
 * Ownership:  file descriptors hold it all: nothing stays behind, however this ends. */
#include "tests/crash/crash.h"
#include "tests/crash/power_disk.h"
#include "tests/crash/records.h"
#include "tests/crash/writer.h"
#include "tests/lib/disk.h"
#include "tests/lib/fail.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/stress.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ROUND_CUTS_MAX = 4,
	PATIENCE_S = 120,
	/* A proof has so many cuts to find what is wrong; most need one. */
	PROOF_CUTS_MAX = 40,
};

static struct layout layout;
static struct acks *acks; /* shared with the writer and the disk */
static int empty_disk;    /* a file: ext4 with a journal */
static struct random choices;
static uint32_t n_cuts_made;

/* One life of a file system, with several cuts. */
struct round {
	struct writer_options options;
	bool disk_lies;
	struct power_disk disk;
	int root;
	int files[N_FILES];
	pid_t writer;
};

static struct {
	uint64_t n_cached, n_kept, n_merged, n_resumed;
} seen;

static void open_files(int root, int flags, int ret_files[N_FILES])
{
	for (uint32_t i = 0; i < N_FILES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "file%u", i);
		ret_files[i] = openat(root, name, flags | O_CLOEXEC, 0600);
	}
}

static void close_files(const int files[N_FILES])
{
	for (uint32_t i = 0; i < N_FILES; i++)
		if (files[i] >= 0)
			close(files[i]);
}

static void make_files(struct round *round)
{
	const int dir = (int)must_sys(openat(round->root, ".", O_RDONLY | O_CLOEXEC));

	open_files(round->root, O_RDWR | O_CREAT, round->files);
	for (uint32_t i = 0; i < N_FILES; i++)
		must(round->files[i] >= 0, "a file on ext4: %s", strerror(errno));
	must_sys(fallocate(round->files[FILE_ALLOCATED], 0, 0,
			   (off_t)layout.file_bytes[FILE_ALLOCATED]));
	must_sys(ftruncate(round->files[FILE_HOLE], (off_t)layout.file_bytes[FILE_HOLE]));
	for (uint32_t i = 0; i < N_FILES; i++)
		must_sys(fsync(round->files[i]));
	must_sys(fsync(dir));
	close(dir);
}

static void round_begin(struct round *round)
{
	layout_draw(&layout, random_next(&choices));
	round->options.seed = layout.seed;
	power_disk_open(&round->disk, empty_disk, acks, sizeof(*acks), &acks->n_synced);
	round->root = disk_mount(round->disk.device, "ext4");
	must(round->root >= 0, "mounting ext4: %s", strerror(-round->root));
	make_files(round);
	if (round->disk_lies)
		power_disk_ignore_flushes(&round->disk);
	round->writer = writer_start(&round->options, &layout, round->files, acks);
}

static void round_end(struct round *round)
{
	writer_kill(round->writer);
	must(acks->error == 0, "the writer: %s", strerror(-acks->error));
	seen.n_merged += acks->n_merged;
	seen.n_resumed += acks->n_resumed;
	close_files(round->files);
	close(round->root);
	power_disk_close(&round->disk);
}

/* With a write that reaches the disk, or when some more records have been synced; of what is in the
 * cache nothing, half, some or all is kept. Without syncs little may reach the disk at all. */
static struct power_cut draw_cut(const struct round *round)
{
	const uint32_t number = n_cuts_made++;
	const bool by_writes = round->options.lie != WRITER_DOES_NOT_SYNC && number / 4 % 2 == 0;
	const uint32_t kept_of_16[] = { 0, 8, (uint32_t)random_between(&choices, 1, 15), 16 };
	struct power_cut cut = { .n_writes = POWER_DISK_NEVER,
				 .n_counted = POWER_DISK_NEVER,
				 .kept_of_16 = kept_of_16[number % 4],
				 .seed = random_next(&choices) };

	if (by_writes)
		cut.n_writes = (uint32_t)random_between(&choices, 1, 400);
	else
		cut.n_counted = (uint32_t)random_between(&choices, 1, 400);
	return cut;
}

static void cut(struct round *round, struct verdict *verdict)
{
	struct power_cut power_cut = draw_cut(round);
	int snapshot, device, root, files[N_FILES];
	const struct acks *then = round->disk.watched;

	power_disk_cut(&round->disk, &power_cut);
	must(then->error == 0, "the writer: %s", strerror(-then->error));
	seen.n_cached += power_cut.n_cached;
	seen.n_kept += power_cut.n_kept;
	snapshot = power_disk_snapshot(&round->disk);
	device = disk_over(snapshot, POWER_DISK_SECTOR, 0);
	root = disk_mount(device, "ext4");
	/* A journal needs flushes as well: without them it may be good for nothing. */
	must(root >= 0 || round->disk_lies, "what is left cannot be mounted: %s", strerror(-root));
	open_files(root, O_RDONLY, files);
	records_look(&layout, files, &then->synced, verdict);
	close_files(files);
	if (root >= 0)
		close(root);
	close(device);
	close(snapshot);
}

static void run_honest(uint32_t backend, uint32_t threading, uint64_t n_cuts)
{
	struct verdict verdict = { .n_lost = 0 };

	for (uint64_t done = 0; verdict.n_lost == 0 && done < n_cuts;) {
		struct round round = { .options = { .backend = backend, .threading = threading } };

		stress_patience(PATIENCE_S);
		round_begin(&round);
		for (uint32_t i = 0; i < ROUND_CUTS_MAX && done < n_cuts; i++, done++)
			cut(&round, &verdict);
		round_end(&round);
	}
	crash_found_all(&verdict);
}

static void run_lie(uint32_t backend, enum writer_lie lie, bool disk_lies)
{
	struct round round = { .options = { .backend = backend, .lie = lie },
			       .disk_lies = disk_lies };
	struct verdict verdict = { .n_lost = 0 };
	uint32_t n_cuts = 0;

	stress_patience(PATIENCE_S);
	round_begin(&round);
	while (verdict.n_lost == 0 && n_cuts < PROOF_CUTS_MAX) {
		cut(&round, &verdict);
		n_cuts++;
	}
	round_end(&round);
	crash_found_lies(&verdict, n_cuts);
}

static void set_up(void)
{
	empty_disk = (int)must_sys(memfd_create("ioe-disk", MFD_CLOEXEC));
	must_sys(ftruncate(empty_disk, (off_t)POWER_DISK_BYTES));
	disk_make_ext4(empty_disk, "has_journal,^resize_inode");
	choices = random_open(1);
}

/* What makes it a test: that something was lost, of writes that had been merged. */
static void say_seen(void)
{
	if (n_cuts_made == 0)
		return;
	printf("    %llu sectors were in the cache, %llu of them kept; %llu events merged, "
	       "%llu resumed\n",
	       (unsigned long long)seen.n_cached, (unsigned long long)seen.n_kept,
	       (unsigned long long)seen.n_merged, (unsigned long long)seen.n_resumed);
	must(seen.n_cached > seen.n_kept, "no cut has taken anything away");
	must(seen.n_merged > 0, "nothing was merged");
}

int main(int argc, char **argv)
{
	const uint64_t n = process_number("IOE_CRASH_SNAPSHOTS", 6);

	acks = crash_begin(argc, argv, "crash_power");
	if (geteuid() != 0)
		support_skip("mounting ext4 and FUSE takes root");
	set_up();
	crash_combinations(n, "cuts", run_honest);
	say_seen();
	if (stress_scenario("proof: no syncs"))
		run_lie(IOE_BACKEND_AUTO, WRITER_DOES_NOT_SYNC, false);
	if (stress_scenario("proof: a disk that ignores flushes"))
		run_lie(IOE_BACKEND_AUTO, WRITER_IS_HONEST, true);
	if (stress_scenario("proof: syncs that do not wait"))
		run_lie(IOE_BACKEND_THREADS, WRITER_HAS_NO_BARRIER, false);
	return stress_end();
}
