/* SPDX-License-Identifier: MIT
 * model.h - what may be read of a file on which reads and writes are in flight together: a history
 *           of operations, and the rule that says whether it can have happened.
 *
 * Every write is full of words of 8 bytes that name the write and their own place in the file; so
 * each word that is read tells whose it is, and whether it is where it belongs. Operations are
 * noted with stamps of one counter, taken before they are submitted and when they have ended; when
 * all is over the rule (model.c) is applied to every word that has been read.
 *
 * In the order of an operation's life: model_claim() a number, describe the op, model_fill() what
 * it writes; model_submit() right before the submit call, model_accept() right after it;
 * model_end() first thing in the callback, then model_see() what it has read.
 *
 * Invariants: a number is used once between two calls of model_begin().
 * Threads:    any, each op's fields one at a time; model_begin(), model_look_at_file() and
 *             model_check() when all others are done with it.
 * Ownership:  everything is the model's. */
#ifndef IOE_TESTS_MODEL_H
#define IOE_TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Offsets, lengths and elements of vectors are multiples of this. */
#define MODEL_UNIT 512u
#define MODEL_NONE UINT32_MAX

enum model_kind {
	MODEL_OTHER, /* touches no bytes: syncs */
	MODEL_READ,
	MODEL_WRITE,
};

struct model_op {
	/* What it is: set by the caller before model_submit(). */
	enum model_kind kind;
	bool is_barrier;
	int fd;
	uint64_t offset;
	uint64_t length;
	const char *name; /* for messages */

	/* The rest is the model's. Stamps: 0 is "not (yet)". */
	bool in_one; /* all of its call that were accepted went into the channel in one push */
	uint32_t call;
	uint64_t submitted;
	uint64_t accepted;
	uint64_t ended;
	uint64_t settled; /* model_check(): no later than this it was over */
	int64_t result;
	uint64_t done;
	uint32_t *seen;    /* of a read, for each unit of done: whose bytes */
	uint64_t stray;    /* a word that nobody can have written there ... */
	uint64_t stray_at; /* ... and its place in the file; UINT64_MAX: none */
};

/* Forget everything: a file of so many bytes, at most n_ops operations. */
void model_begin(uint64_t file_bytes, uint32_t n_ops);
/* Fill a piece of the file with what stands there before the first write. */
void model_fill_file(int fd, uint64_t offset, uint64_t size);

/* Numbers for n operations of one thread, the first of them; MODEL_NONE when there are no more. */
uint32_t model_claim(uint32_t n);
struct model_op *model_op(uint32_t number);
/* What a write has to write, into its vector. */
void model_fill(uint32_t number, const struct iovec *iov, uint32_t n_iov);

/* The n operations are about to be submitted by one call, in this order. In one: that call gives
 * all it accepts to the driver together. Those not accepted may be submitted by another call. */
void model_submit(uint32_t first, uint32_t n, bool in_one);
/* The call has returned: the first n have been accepted. */
void model_accept(uint32_t first, uint32_t n);
/* Fails if the operation has ended already. */
void model_end(uint32_t number, int64_t result, uint64_t done);
/* What a read has read: the whole units of the first `done` bytes of its vector. */
void model_see(uint32_t number, const struct iovec *iov, uint32_t n_iov);

/* Read a piece of the file, when all is over, as an operation of its own. */
void model_look_at_file(int fd, uint64_t offset, uint64_t size);
/* Operations that were accepted. */
uint32_t model_n_accepted(void);
/* Accepted and not ended. */
uint32_t model_n_open(void);
/* NULL: it can have happened. Else what cannot. */
const char *model_check(void);

#endif
