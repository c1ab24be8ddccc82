/* SPDX-License-Identifier: MIT
 * crash_kill.c - the writer is killed (SIGKILL) at any moment: every record of which a write's
 *                callback had said so, or a sync's, is in its file and whole. IOE_CRASH_KILLS (12).
 * Then the harness is put to the proof: a writer that does not write must be found out.
 * Invariants: the page cache outlives the writer, so a write that has ended needs no sync here.
 * Threads:    main; the writer is a process.
 * Ownership:  the files have no names: nothing stays behind, however this ends. */
#include "tests/crash/crash.h"
#include "tests/crash/records.h"
#include "tests/crash/writer.h"
#include "tests/lib/fail.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/stress.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	PATIENCE_S = 120,
	PROOF_KILLS_MAX = 40,
	KILLS_TELL = 12,
};

/* When it is killed: while it starts, in the first sweeps, and later. */
static const uint64_t said_below[] = { 20, 800, 5000 };

static struct layout layout;
static struct acks *acks; /* shared with the writer */
static int files[N_FILES];
static struct random choices;
static uint64_t n_merged, n_resumed;
static uint32_t n_kills_made;

static void make_files_new(void)
{
	for (uint32_t i = 0; i < N_FILES; i++)
		must_sys(ftruncate(files[i], 0));
	must_sys(fallocate(files[FILE_ALLOCATED], 0, 0, (off_t)layout.file_bytes[FILE_ALLOCATED]));
	must_sys(ftruncate(files[FILE_HOLE], (off_t)layout.file_bytes[FILE_HOLE]));
}

/* Until the writer has said so many things, and a little longer; 0: at once. */
static void let_it_write(uint32_t n_said)
{
	const struct timespec brief = { 0, (long)random_below(&choices, 200000) };
	uint32_t said;

	do {
		if (n_said > 0)
			nanosleep(&brief, NULL);
		said = __atomic_load_n(&acks->n_written, __ATOMIC_ACQUIRE);
		must(__atomic_load_n(&acks->error, __ATOMIC_ACQUIRE) == 0, "the writer: %s",
		     strerror(-acks->error));
	} while (said < n_said);
}

/* What was said by either callback. */
static void look(struct verdict *verdict)
{
	static struct versions versions;

	for (uint32_t stream = 0; stream < N_STREAMS; stream++) {
		for (uint32_t key = 0; key < N_KEYS; key++) {
			const uint32_t written = acks->written.of[stream][key];
			const uint32_t synced = acks->synced.of[stream][key];

			versions.of[stream][key] = written > synced ? written : synced;
		}
	}
	records_look(&layout, files, &versions, verdict);
}

static void run_and_kill(struct writer_options options, struct verdict *verdict)
{
	pid_t writer;

	stress_patience(PATIENCE_S);
	layout_draw(&layout, random_next(&choices));
	make_files_new();
	options.seed = layout.seed;
	writer = writer_start(&options, &layout, files, acks);
	let_it_write((uint32_t)random_below(&choices, said_below[random_below(&choices, 3)]));
	writer_kill(writer);
	n_kills_made++;
	n_merged += acks->n_merged;
	n_resumed += acks->n_resumed;
	look(verdict);
}

static void run_honest(uint32_t backend, uint32_t threading, uint64_t n_kills)
{
	const struct writer_options options = { .backend = backend, .threading = threading };
	struct verdict verdict = { .n_lost = 0 };

	for (uint64_t i = 0; verdict.n_lost == 0 && i < n_kills; i++)
		run_and_kill(options, &verdict);
	crash_found_all(&verdict);
}

static void run_lie(uint32_t backend, enum writer_lie lie)
{
	const struct writer_options options = { .backend = backend, .lie = lie };
	struct verdict verdict = { .n_lost = 0 };
	uint32_t n_kills = 0;

	while (verdict.n_lost == 0 && n_kills < PROOF_KILLS_MAX) {
		run_and_kill(options, &verdict);
		n_kills++;
	}
	crash_found_lies(&verdict, n_kills);
}

int main(int argc, char **argv)
{
	const uint64_t n = process_number("IOE_CRASH_KILLS", 12);

	acks = crash_begin(argc, argv, "crash_kill");
	for (uint32_t i = 0; i < N_FILES; i++)
		files[i] = place_file(PLACE_DISK, 0, 0, 0);
	choices = random_open(1);
	crash_combinations(n, "kills", run_honest);
	printf("    %llu events merged, %llu resumed\n", (unsigned long long)n_merged,
	       (unsigned long long)n_resumed);
	/* Few may all have been killed while they started. */
	must(n_merged > 0 || n_kills_made < KILLS_TELL, "nothing was merged");
	if (stress_scenario("proof: no writes"))
		run_lie(IOE_BACKEND_AUTO, WRITER_DOES_NOT_WRITE);
	return stress_end();
}
