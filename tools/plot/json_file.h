/* SPDX-License-Identifier: MIT
 * json_file.h - the JSON that fio and `ioe bench` write, as it lies in files.
 * Invariants: none.
 * Threads:    any.
 * Ownership:  the document is the caller's.
 */
#ifndef IOE_TOOLS_PLOT_JSON_FILE_H
#define IOE_TOOLS_PLOT_JSON_FILE_H

#include <jansson.h>
#include <stddef.h>

/* The last document of a file: notes before it are passed over, as fio writes them, and so are
 * earlier documents (--status-interval). Returns 0, -errno, or -EINVAL: no JSON, and why says what
 * is wrong and where. */
int json_file_read(const char *path, json_t **ret_document, char *why, size_t why_size);

#endif
