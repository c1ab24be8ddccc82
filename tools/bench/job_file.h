/* SPDX-License-Identifier: MIT
 * job_file.h - fio's job files: INI with sections, comments, included files and ${ENVIRONMENT}.
 * Invariants: a line is handed over only if it can be read; the first that cannot ends it.
 * Threads:    any; no state.
 * Ownership:  texts that are handed over are kept by keep(), and stay as long as what it keeps.
 */
#ifndef IOE_TOOLS_JOB_FILE_H
#define IOE_TOOLS_JOB_FILE_H

#include <stddef.h>

struct job_file_reader {
	const char *command; /* for messages: "ioe bench" */
	void *arg;           /* handed to all of these */
	/* [name] */
	int (*section)(void *arg, const char *name, const char *where);
	/* name=text, in the section that came before; NULL: name alone */
	int (*option)(void *arg, const char *name, const char *text, const char *where);
	/* A copy that stays; NULL: no memory. */
	char *(*keep)(void *arg, const char *text, size_t length);
};

/* Read the file; "-" is standard input. where is "path:line". Stops at the first failure of a
 * function. Returns 0, or -EINVAL when a line on stderr has said why, or -ENOMEM. */
int job_file_read(const struct job_file_reader *reader, const char *path);

#endif
