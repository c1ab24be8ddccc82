/* SPDX-License-Identifier: MIT
 * iolog_writer.c - writing down what is done, for write_iolog.
 * Invariants: times never fall, so what is read back is in the order in which it was written.
 * Threads:    any; a lock is held for each line.
 * Ownership:  see iolog.h.
 */
#include "tools/bench/iolog.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sys.h"

struct iolog_writer {
	pthread_mutex_t lock;
	FILE *file;
	uint64_t start_ns;
	uint64_t last_us;
	int error;
};

bool iolog_name_is_word(const char *name)
{
	if (!*name)
		return false;
	for (; *name; name++) {
		if (isspace((unsigned char)*name))
			return false;
	}
	return true;
}

int iolog_writer_open(const char *path, uint64_t start_ns, struct iolog_writer **ret_writer)
{
	struct iolog_writer *writer = calloc(1, sizeof(*writer));
	int rc = 0;

	if (!writer)
		return -ENOMEM;
	writer->file = fopen(path, "ae");
	if (!writer->file) {
		rc = (int)sys_result(-1);
		free(writer);
		return rc;
	}
	/* The position of a stream that appends is known only once it has been moved. */
	if (fseeko(writer->file, 0, SEEK_END) || ftello(writer->file) == 0) {
		if (fputs("fio version 3 iolog\n", writer->file) < 0)
			writer->error = (int)sys_result(-1);
	}
	writer->start_ns = start_ns;
	pthread_mutex_init(&writer->lock, NULL);
	*ret_writer = writer;
	return 0;
}

/* Under the lock. */
static uint64_t time_us(struct iolog_writer *writer, uint64_t now_ns)
{
	uint64_t us = now_ns > writer->start_ns ? (now_ns - writer->start_ns) / 1000 : 0;

	if (us > writer->last_us)
		writer->last_us = us;
	return writer->last_us;
}

static void written(struct iolog_writer *writer, int n)
{
	if (n < 0 && !writer->error)
		writer->error = (int)sys_result(-1);
}

void iolog_writer_file(struct iolog_writer *writer, uint64_t now_ns, const char *name,
		       const char *what)
{
	pthread_mutex_lock(&writer->lock);
	written(writer,
		fprintf(writer->file, "%" PRIu64 " %s %s\n", time_us(writer, now_ns), name, what));
	pthread_mutex_unlock(&writer->lock);
}

void iolog_writer_io(struct iolog_writer *writer, uint64_t now_ns, const char *name,
		     enum iolog_action action, uint64_t offset, uint32_t bytes)
{
	static const char *const names[IOLOG_ACTIONS] = { "read", "write", "sync", "datasync" };

	pthread_mutex_lock(&writer->lock);
	written(writer, fprintf(writer->file, "%" PRIu64 " %s %s %" PRIu64 " %" PRIu32 "\n",
				time_us(writer, now_ns), name, names[action], offset, bytes));
	pthread_mutex_unlock(&writer->lock);
}

int iolog_writer_close(struct iolog_writer *writer)
{
	int rc;

	if (!writer)
		return 0;
	written(writer, fclose(writer->file) ? -1 : 0);
	rc = writer->error;
	pthread_mutex_destroy(&writer->lock);
	free(writer);
	return rc;
}
