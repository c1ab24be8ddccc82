/* SPDX-License-Identifier: MIT
 * records.h - what the writer writes, and how one sees whether it is all there.
 *
 * A stream is a row of keys in a file, written by one thread. Each key has two places, one for odd
 * and one for even versions of its record, so that a version is overwritten by the next but one,
 * which is not begun before the next has been synced. The places of one parity stand next to each
 * other: the records of a group join into larger requests. Sizes are any number of bytes.
 *
 * A record says who it is, and its body is a function of that: it is whole if each of its bytes is
 * the right one, which no checksum could tell better.
 *
 * Invariants: a layout does not change while records of it exist.
 * Threads:    any; struct acks is shared by processes, its words are atomics.
 * Ownership:  the caller's. */
#ifndef IOE_TESTS_RECORDS_H
#define IOE_TESTS_RECORDS_H

#include <stdint.h>

enum {
	N_THREADS = 4,
	/* Of each thread: in the file that is allocated before, in the one that is a hole, which
	 * both belong to all threads, and in a file of its own that grows. */
	STREAMS_PER_THREAD = 3,
	N_STREAMS = N_THREADS * STREAMS_PER_THREAD,
	FILE_ALLOCATED = 0,
	FILE_HOLE = 1,
	FILE_GROWS = 2, /* that of the first thread */
	N_FILES = FILE_GROWS + N_THREADS,
	N_KEYS = 128,
	RECORD_BYTES_MAX = 9000,
};

struct layout {
	uint64_t seed;
	uint32_t length[N_STREAMS][N_KEYS];
	uint64_t start[N_STREAMS][N_KEYS]; /* of the odd version, in its file */
	uint64_t half[N_STREAMS];          /* from an odd version to an even one */
	uint64_t file_bytes[N_FILES];
};

/* Of each record, counted from 1; 0: none. */
struct versions {
	uint32_t of[N_STREAMS][N_KEYS];
};

/* What the writer has been told. */
struct acks {
	struct versions synced;  /* the callback of the sync has run */
	struct versions written; /* the callback of the last of its writes has run */
	uint32_t n_synced;
	uint32_t n_written;
	uint32_t n_merged;  /* events that shared a request */
	uint32_t n_resumed; /* events that were gone on with after a short write */
	int32_t error;      /* something that must not fail has failed: -errno */
};

/* What is missing. */
struct verdict {
	uint64_t n_looked_at;
	uint64_t n_lost;
	char first[160];
};

void layout_draw(struct layout *layout, uint64_t seed);
uint32_t stream_file(uint32_t stream);
uint64_t record_offset(const struct layout *layout, uint32_t stream, uint32_t key,
		       uint32_t version);
void record_fill(const struct layout *layout, uint32_t stream, uint32_t key, uint32_t version,
		 uint8_t *bytes);

/* Whether the files hold every record of those versions; adds to *verdict. A file that is not there
 * (-1) holds none. */
void records_look(const struct layout *layout, const int files[N_FILES],
		  const struct versions *versions, struct verdict *verdict);

#endif
