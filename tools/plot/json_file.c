/* SPDX-License-Identifier: MIT
 * json_file.c - a file's last JSON document.
 * Invariants: none.
 * Threads:    any.
 * Ownership:  the text is freed here, the document handed out.
 */
#include "tools/plot/json_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sys.h"

#define ROOM_FIRST  65536
#define BYTES_LIMIT (1u << 30)

/* The whole of a file, or of a pipe. */
static int read_text(int fd, char **ret_text, size_t *ret_length)
{
	size_t length = 0, room = 0;
	char *text = NULL;

	for (;;) {
		int64_t n;

		if (length == room) {
			char *larger;

			room = room ? 2 * room : ROOM_FIRST;
			larger = room <= BYTES_LIMIT ? realloc(text, room) : NULL;
			if (!larger) {
				free(text);
				return room <= BYTES_LIMIT ? -ENOMEM : -EFBIG;
			}
			text = larger;
		}
		n = sys_result(read(fd, text + length, room - length));
		if (n == -EINTR)
			continue;
		if (n < 0) {
			free(text);
			return (int)n;
		}
		if (!n)
			break;
		length += (size_t)n;
	}
	*ret_text = text;
	*ret_length = length;
	return 0;
}

/* The next line from here on that begins with a brace; NULL: none. */
static const char *find_document(const char *text, const char *end)
{
	while (text < end && *text != '{') {
		text = memchr(text, '\n', (size_t)(end - text));
		if (!text)
			return NULL;
		text++;
	}
	return text < end ? text : NULL;
}

static int parse_last(const char *text, size_t length, json_t **ret_document, char *why,
		      size_t why_size)
{
	const char *end = text + length, *start = find_document(text, end);
	json_t *last = NULL;

	if (!start) {
		snprintf(why, why_size, "%s", length ? "not JSON" : "the file is empty");
		return -EINVAL;
	}
	while (start) {
		json_error_t error;
		json_t *document =
			json_loadb(start, (size_t)(end - start), JSON_DISABLE_EOF_CHECK, &error);
		int line = 1;

		if (!document) {
			for (const char *c = text; c < start; c++)
				line += *c == '\n';
			snprintf(why, why_size, "not JSON: line %d: %s", line + error.line - 1,
				 error.text);
			json_decref(last);
			return -EINVAL;
		}
		json_decref(last);
		last = document;
		/* how many bytes it has read */
		start = find_document(start + error.position, end);
	}
	*ret_document = last;
	return 0;
}

int json_file_read(const char *path, json_t **ret_document, char *why, size_t why_size)
{
	int fd = (int)sys_result(open(path, O_RDONLY | O_CLOEXEC)), rc;
	size_t length = 0;
	char *text = NULL;

	rc = fd < 0 ? fd : read_text(fd, &text, &length);
	if (fd >= 0)
		close(fd);
	if (rc) {
		snprintf(why, why_size, "%s", strerror(-rc));
		return rc;
	}
	rc = parse_last(text, length, ret_document, why, why_size);
	free(text);
	return rc;
}
