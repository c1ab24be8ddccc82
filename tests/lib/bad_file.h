/* SPDX-License-Identifier: MIT
 * bad_file.h - a file of which chosen blocks fail, on a file system of our own (FUSE). What it was
 *              asked for is logged, and can be held back.
 *
 *     struct bad_file file;
 *
 *     bad_file_open(&file, 64, BAD_FILE_WHOLE);
 *     bad_file_fail(&file, 37, EIO, EIO);
 *     ... IO to file.fd ...
 *     check_eq(bad_file_log(&file, 0).size, 64 * BAD_FILE_BLOCK);
 *     bad_file_close(&file);
 *
 * Invariants: the mount is in no directory and in no namespace, only behind file descriptors: it is
 *             gone with the test, however that ends; so is the process that serves it, which
 *             answers what it has held back when the test is ending.
 * Threads:    one at a time; opened before the test has threads (it forks).
 * Ownership:  bad_file_close(), or the end of the test, ends the server; the file is its memory. */
#ifndef IOE_TESTS_BAD_FILE_H
#define IOE_TESTS_BAD_FILE_H

#include <stdint.h>
#include <sys/types.h>

#define BAD_FILE_BLOCK UINT64_C(4096)
#define BAD_FILE_EVERY (UINT32_MAX - 1)
enum { BAD_FILE_BLOCKS_MAX = 256, BAD_FILE_LOG_MAX = 8192 };

/* What becomes of a transfer that touches a failing block: nothing is transferred, the whole of it
 * fails; or it ends before that block, and fails if that is its first. Reads can end short, or
 * writes, not both: what the kernel does with them is not the same (bad_file.c). CACHED: whole, and
 * the page cache is in between, as with most files. */
enum bad_file_mode {
	BAD_FILE_WHOLE,
	BAD_FILE_SHORT_READS,
	BAD_FILE_SHORT_WRITES,
	BAD_FILE_CACHED,
};

enum bad_file_op { BAD_FILE_READ, BAD_FILE_WRITE, BAD_FILE_FSYNC };

/* A request that the file system was asked, in the order of their coming. */
struct bad_file_entry {
	enum bad_file_op op;
	uint64_t offset;
	uint64_t size;
	int64_t result;    /* bytes, or -errno; of one that has been answered */
	uint32_t came;     /* when: one number for each coming and each answer */
	uint32_t answered; /* 0: not yet */
};

struct bad_file_shared;

struct bad_file {
	int fd; /* read and write; past the page cache, but for CACHED */
	int control;
	unsigned connection; /* its name among those of fusectl */
	pid_t server;
	struct bad_file_shared *shared;
};

/* A file of n_blocks, zeros. Skips the test where FUSE cannot be mounted. */
void bad_file_open(struct bad_file *file, uint32_t n_blocks, enum bad_file_mode mode);
void bad_file_close(struct bad_file *file);

/* From now on reads, or writes, of the block end with that errno; 0: they do not fail. */
void bad_file_fail(struct bad_file *file, uint32_t block, int read_error, int write_error);
/* The first read and the first write of the block. */
void bad_file_fail_once(struct bad_file *file, uint32_t block, int error);
/* From now on each answer takes so long, less than a second; one comes after the other. */
void bad_file_slow(struct bad_file *file, uint32_t answer_ns);
void bad_file_mend(struct bad_file *file);
/* Transfers of at most size_max bytes that touch the block, or BAD_FILE_EVERY one, are not answered
 * until the release, which may be called by another thread. */
void bad_file_hold(struct bad_file *file, uint32_t block, uint64_t size_max);
/* The same for syncs. */
void bad_file_hold_syncs(struct bad_file *file);
void bad_file_release(struct bad_file *file);
/* Answer n of what is held, now or later: always the one that came first, and only while n_waiting
 * are held, itself included. Once, or when these n have been answered. */
void bad_file_pass(struct bad_file *file, uint32_t n, uint32_t n_waiting);

/* The file system goes away, with all that it has been asked and not answered: from now on the
 * kernel fails everything. Any thread. Skips the test where there is no fusectl. */
void bad_file_abort(struct bad_file *file);

uint32_t bad_file_n_logged(const struct bad_file *file);
struct bad_file_entry bad_file_log(const struct bad_file *file, uint32_t index);
/* How many transfers and syncs are held now. */
uint32_t bad_file_n_held(const struct bad_file *file);
/* What is stored, all n_blocks of it. */
uint8_t *bad_file_bytes(const struct bad_file *file);

#endif
