/* SPDX-License-Identifier: MIT
 * iolog.c - reading a list of what to do; the writing is in iolog_writer.c.
 * Invariants: see iolog.h; a line that is not understood is an error, not something to skip.
 * Threads:    one.
 * Ownership:  see iolog.h.
 */
#include "tools/bench/iolog.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sys.h"

#define WORDS_MAX 5
/* Times beyond this are no times: 30 years. */
#define SECONDS_MAX 1000000000ull

static const char *const action_names[IOLOG_ACTIONS] = {
	[IOLOG_READ] = "read",
	[IOLOG_WRITE] = "write",
	[IOLOG_SYNC] = "sync",
	[IOLOG_DATASYNC] = "datasync",
};

struct reader {
	struct iolog iolog;
	const char *path;
	uint64_t line;
	uint64_t n_room; /* entries there is memory for */
	uint64_t due_ns; /* of the last line */
	char *message;
	size_t message_bytes;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct reader *reader, int error,
							const char *format, ...)
{
	va_list args;
	int n = reader->line ?
			snprintf(reader->message, reader->message_bytes, "%s:%" PRIu64 ": ",
				 reader->path, reader->line) :
			snprintf(reader->message, reader->message_bytes, "%s: ", reader->path);

	if (n >= 0 && (size_t)n < reader->message_bytes) {
		va_start(args, format);
		vsnprintf(reader->message + n, reader->message_bytes - (size_t)n, format, args);
		va_end(args);
	}
	return error;
}

static int parse_number(struct reader *reader, const char *what, const char *text, uint64_t max,
			uint64_t *ret_number)
{
	uint64_t number = 0;

	for (const char *c = text; *c; c++) {
		uint64_t digit = (uint64_t)(unsigned char)*c - '0';

		if (digit > 9)
			return refuse(reader, -EINVAL, "the %s '%s' is no number", what, text);
		if (number > (max - digit) / 10)
			return refuse(reader, -ERANGE, "the %s %s is above %" PRIu64, what, text,
				      max);
		number = number * 10 + digit;
	}
	*ret_number = number;
	return 0;
}

static struct iolog_file *find_file(struct iolog *iolog, const char *name)
{
	for (uint32_t i = 0; i < iolog->n_files; i++) {
		if (!strcmp(iolog->files[i].name, name))
			return &iolog->files[i];
	}
	return NULL;
}

static int add_file(struct reader *reader, const char *name)
{
	struct iolog *iolog = &reader->iolog;
	struct iolog_file *files;
	char *copy;

	if (find_file(iolog, name))
		return 0;
	if (iolog->n_files == IOLOG_FILES_MAX)
		return refuse(reader, -E2BIG, "more than %u files", IOLOG_FILES_MAX);
	files = realloc(iolog->files, (iolog->n_files + 1) * sizeof(*files));
	if (files)
		iolog->files = files;
	copy = strdup(name);
	if (!files || !copy) {
		free(copy);
		return refuse(reader, -ENOMEM, "no memory");
	}
	files[iolog->n_files++] = (struct iolog_file){ .name = copy };
	return 0;
}

/* NAME add|open|close */
static int file_line(struct reader *reader, const char *name, const char *action)
{
	struct iolog_file *file = find_file(&reader->iolog, name);

	if (!strcmp(action, "add"))
		return add_file(reader, name);
	if (strcmp(action, "open") != 0 && strcmp(action, "close") != 0)
		return refuse(reader, -EINVAL,
			      "the action '%s' is unknown: add, open or close, or one with an "
			      "offset and a length",
			      action);
	if (!file)
		return refuse(reader, -EINVAL, "%s of '%s', which was not added", action, name);
	if (*action == 'c' && !file->is_open)
		return refuse(reader, -EINVAL, "close of '%s', which is not open", name);
	file->is_open = *action == 'o';
	return 0;
}

static int append(struct reader *reader, const struct iolog_entry *entry)
{
	struct iolog *iolog = &reader->iolog;

	if (iolog->n_entries == reader->n_room) {
		uint64_t room = reader->n_room ? reader->n_room * 2 : 1024;
		struct iolog_entry *entries =
			realloc(iolog->entries, room * sizeof(*iolog->entries));

		if (!entries)
			return refuse(reader, -ENOMEM, "no memory for %" PRIu64 " lines", room);
		iolog->entries = entries;
		reader->n_room = room;
	}
	iolog->entries[iolog->n_entries++] = *entry;
	return 0;
}

/* NAME ACTION OFFSET LENGTH */
static int io_line(struct reader *reader, const char *name, const char *action, const char *offset,
		   const char *length)
{
	struct iolog *iolog = &reader->iolog;
	struct iolog_entry entry = { .due_ns = reader->due_ns };
	struct iolog_file *file = find_file(iolog, name);
	uint64_t bytes = 0;
	int rc = parse_number(reader, "offset", offset, INT64_MAX, &entry.offset);

	if (!rc)
		rc = parse_number(reader, "length", length, INT32_MAX, &bytes);
	if (rc)
		return rc;
	if (!strcmp(action, "wait") && iolog->version == 2) {
		uint64_t due_ns = entry.offset * NS_PER_MSEC;

		if (entry.offset > SECONDS_MAX * 1000)
			return refuse(reader, -ERANGE, "the time %s is too large", offset);
		reader->due_ns = due_ns > reader->due_ns ? due_ns : reader->due_ns;
		return 0;
	}
	while (entry.action < IOLOG_ACTIONS && strcmp(action, action_names[entry.action]) != 0)
		entry.action++;
	if (entry.action == IOLOG_ACTIONS)
		return refuse(reader, -EINVAL, "the action '%s' is unknown: read, write, sync%s",
			      action, iolog->version == 2 ? ", datasync or wait" : " or datasync");
	if (!file)
		return refuse(reader, -EINVAL, "%s of '%s', which was not added", action, name);
	if (!file->is_open)
		return refuse(reader, -EINVAL, "%s of '%s', which is not open", action, name);
	entry.file = (uint16_t)(file - iolog->files);
	entry.bytes = (uint32_t)bytes;
	if (entry.action <= IOLOG_WRITE) {
		if (!bytes)
			return refuse(reader, -EINVAL, "%s of 0 bytes", action);
		if (entry.offset + bytes > INT64_MAX)
			return refuse(reader, -ERANGE, "%s beyond the end of any file", action);
		if (entry.offset + bytes > file->end_bytes)
			file->end_bytes = entry.offset + bytes;
		if (bytes > iolog->bytes_max)
			iolog->bytes_max = (uint32_t)bytes;
	}
	iolog->n_of[entry.action]++;
	return append(reader, &entry);
}

static int one_line(struct reader *reader, char *line)
{
	const bool has_time = reader->iolog.version == 3;
	char *words[WORDS_MAX + 1], **word = words, *next = NULL;
	uint32_t n = 0;

	for (char *w = strtok_r(line, " \t\r\n", &next); w; w = strtok_r(NULL, " \t\r\n", &next)) {
		if (n == (has_time ? 5 : 4))
			return refuse(reader, -EINVAL, "more than %u words", n);
		words[n++] = w;
	}
	if (!n)
		return 0;
	if (has_time) {
		uint64_t us = 0;
		int rc = parse_number(reader, "time", words[0], SECONDS_MAX * 1000000, &us);

		if (rc)
			return rc;
		/* Threads that write one list may have stamped in another order. */
		if (us * 1000 > reader->due_ns)
			reader->due_ns = us * 1000;
		word++;
		n--;
	}
	if (n == 2)
		return file_line(reader, word[0], word[1]);
	if (n == 4)
		return io_line(reader, word[0], word[1], word[2], word[3]);
	return refuse(reader, -EINVAL, "not '%sfile action' or '%sfile action offset length'",
		      has_time ? "time " : "", has_time ? "time " : "");
}

/* The version; 0: that line is none. */
static uint32_t version_of(const char *line)
{
	static const char *const texts[] = { "fio version 2 iolog", "fio version 3 iolog" };

	for (uint32_t i = 0; i < 2; i++) {
		size_t n = strlen(texts[i]);

		if (!strncmp(line, texts[i], n) && strspn(line + n, " \t\r\n") == strlen(line + n))
			return i + 2;
	}
	return 0;
}

static int read_lines(struct reader *reader, FILE *file)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int rc = 0;

	while (!rc && (n = getline(&line, &room, file)) >= 0) {
		uint32_t version = version_of(line);

		reader->line++;
		if (reader->line == 1 && !version)
			rc = refuse(reader, -EINVAL,
				    "not 'fio version 2 iolog' or 'fio version 3 iolog'");
		else if (memchr(line, '\0', (size_t)n))
			rc = refuse(reader, -EINVAL, "not a line of text");
		else if (reader->line == 1)
			reader->iolog.version = version;
		else if (version && version != reader->iolog.version)
			rc = refuse(reader, -EINVAL, "version %u in a list of version %u", version,
				    reader->iolog.version);
		/* fio appends to a list, and says its version again. */
		else if (!version)
			rc = one_line(reader, line);
	}
	free(line);
	if (!rc && ferror(file))
		rc = refuse(reader, -EIO, "%s", strerror(EIO));
	if (!rc && !reader->line)
		rc = refuse(reader, -EINVAL, "empty");
	return rc;
}

int iolog_read(const char *path, struct iolog *ret_iolog, char *ret_message, size_t message_bytes)
{
	struct reader reader = { .path = path,
				 .message = ret_message,
				 .message_bytes = message_bytes };
	FILE *file = fopen(path, "re");
	int rc;

	if (!file) {
		rc = (int)sys_result(-1);
		return refuse(&reader, rc, "%s", strerror(-rc));
	}
	rc = read_lines(&reader, file);
	fclose(file);
	reader.line = 0;
	if (!rc && !reader.iolog.n_entries)
		rc = refuse(&reader, -EINVAL, "nothing to do in it");
	if (rc)
		iolog_deinit(&reader.iolog);
	else
		*ret_iolog = reader.iolog;
	return rc;
}

void iolog_deinit(struct iolog *iolog)
{
	for (uint32_t i = 0; i < iolog->n_files; i++)
		free(iolog->files[i].name);
	free(iolog->files);
	free(iolog->entries);
	*iolog = (struct iolog){ .n_files = 0 };
}
