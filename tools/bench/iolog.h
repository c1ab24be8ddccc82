/* SPDX-License-Identifier: MIT
 * iolog.h - fio's list of what was done, to be done again: read_iolog, write_iolog.
 *
 *   fio version 2 iolog              fio version 3 iolog
 *   FILE add|open|close              MICROSECONDS FILE add|open|close
 *   FILE ACTION OFFSET LENGTH        MICROSECONDS FILE ACTION OFFSET LENGTH
 * ACTION is read, write, sync or datasync; in version 2 also wait, whose OFFSET is the time since
 * the start in milliseconds before which the next one does not begin: so does fio 3.33, whatever
 * its manual says. Written is version 3.
 * Invariants: every entry of an iolog that was read is of a file that was added and open; due_ns
 *             never falls.
 * Threads:    reading: one. Writing: any.
 * Ownership:  iolog_deinit() frees what iolog_read() made, iolog_writer_close() the writer.
 */
#ifndef IOE_TOOLS_IOLOG_H
#define IOE_TOOLS_IOLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum iolog_action { IOLOG_READ, IOLOG_WRITE, IOLOG_SYNC, IOLOG_DATASYNC, IOLOG_ACTIONS };

struct iolog_entry {
	uint64_t due_ns; /* from the start */
	uint64_t offset;
	uint32_t bytes;
	uint16_t file;
	uint16_t action; /* enum iolog_action */
};

struct iolog_file {
	char *name;
	uint64_t end_bytes; /* of the last byte that is read or written, and one more */
	bool is_open;       /* while reading the list */
};

#define IOLOG_FILES_MAX 65535u

struct iolog {
	struct iolog_file *files;
	struct iolog_entry *entries;
	uint64_t n_entries;
	uint64_t n_of[IOLOG_ACTIONS];
	uint32_t n_files;
	uint32_t bytes_max; /* of the largest entry */
	uint32_t version;
};

/* -errno, and why in ret_message: "name:line: ..."; nothing to free then. */
int iolog_read(const char *path, struct iolog *ret_iolog, char *ret_message, size_t message_bytes);
void iolog_deinit(struct iolog *iolog);

struct iolog_writer;

/* Append to the file, as fio does. start_ns: the moment that is 0. */
int iolog_writer_open(const char *path, uint64_t start_ns, struct iolog_writer **ret_writer);

/* Names are words in this format: can this one be written? */
bool iolog_name_is_word(const char *name);

/* what: add, open or close. */
void iolog_writer_file(struct iolog_writer *writer, uint64_t now_ns, const char *name,
		       const char *what);
void iolog_writer_io(struct iolog_writer *writer, uint64_t now_ns, const char *name,
		     enum iolog_action action, uint64_t offset, uint32_t bytes);

/* 0, or -errno of the first write that failed. NULL is fine. */
int iolog_writer_close(struct iolog_writer *writer);

#endif
