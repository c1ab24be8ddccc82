/* SPDX-License-Identifier: MIT
 * bytes.h - a byte model: what each byte of a small file may be, where reads and writes of any
 *           offset and length are in flight together; and how long the file may be.
 *
 * The sharp little sister of model.h: that one takes histories of many threads, in words of 8
 * bytes, and judges them when all is over; this one judges every byte of a read when the read ends.
 * A byte written tells of its write and its place (as well as a byte can).
 *
 * A read may see at a place: each write that may be there and was submitted before the read ended,
 * unless another that is certainly there lies certainly between the two; and what was there in the
 * beginning, unless some write is certainly there, before the read. "Certainly before" is
 * bytes_before(): ended before the other was submitted, or law 6, or law 7. "Certainly there" are
 * the bytes that count as done; the rest of a write may be there as well, or not, for good.
 *
 * In the order of an operation's life: bytes_claim(), describe it, bytes_fill(), bytes_submitted(),
 * bytes_accepted(), `progress` and `result` as they become known, bytes_ended().
 *
 * Invariants: stamps come from one counter.
 * Threads:    one at a time.
 * Ownership:  everything is the model's. */
#ifndef IOE_TESTS_BYTES_H
#define IOE_TESTS_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	BYTES_FILES = 2,
	BYTES_FILE_MAX = 16384, /* nothing is written behind */
	BYTES_OPS_MAX = 1024,
	BYTES_NO_FILE = 255,
};

enum bytes_kind {
	BYTES_OTHER, /* syncs, nops; fallocate that keeps the size */
	BYTES_READ,
	BYTES_WRITE,
	BYTES_ZERO, /* a hole is punched */
	BYTES_GROW, /* fallocate of mode 0 */
};

struct bytes_op {
	/* Set by the caller. */
	enum bytes_kind kind;
	uint8_t file; /* NO_FILE: has no effect on any */
	bool is_barrier;
	bool has_range; /* overlaps others of its fd */
	int fd;
	uint64_t offset;
	uint64_t length;
	uint32_t call;  /* those of one submit call: the same number */
	uint32_t group; /* those the driver takes up together for certain: the same number, not 0 */
	/* As it becomes known. */
	uint64_t progress; /* bytes that have been moved */
	bool is_over;
	int64_t result; /* when it is over */
	/* The model's; 0 is "not yet". */
	uint64_t submitted;
	uint64_t accepted;
	uint64_t ended;
};

/* Forget everything; files of so many bytes. */
void bytes_begin(const uint32_t sizes[BYTES_FILES]);
/* Make that file what it is in the beginning. */
void bytes_make_file(uint32_t file, int fd);

/* The number of a new operation; 0: there are no more. */
uint32_t bytes_claim(void);
struct bytes_op *bytes_op(uint32_t number);
/* Operations 1 to that have been claimed. */
uint32_t bytes_n_ops(void);

/* What a write has to write. */
void bytes_fill(uint32_t number, const struct iovec *iov, uint32_t n_iov);
/* Right before the submit call, and right after it; or it was refused. */
void bytes_submitted(uint32_t number);
void bytes_accepted(uint32_t number);
void bytes_refused(uint32_t number);
void bytes_ended(uint32_t number);

/* Whether a conflicts with b (law 6), whether it must be over before b starts (laws 6 and 7), and
 * whether it certainly was. */
bool bytes_conflict(const struct bytes_op *a, const struct bytes_op *b);
bool bytes_ordered(const struct bytes_op *a, const struct bytes_op *b);
bool bytes_before(const struct bytes_op *a, const struct bytes_op *b);

/* Fails unless the read may have read this. has_all: it ended as soon as it met the file's end, and
 * not before. */
void bytes_check_read(uint32_t number, const struct iovec *iov, uint32_t n_iov, bool has_all);
/* Fails unless the file may be as it is, when everything has ended. */
void bytes_check_file(uint32_t file, int fd);

#endif
