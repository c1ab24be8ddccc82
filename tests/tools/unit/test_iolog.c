/* SPDX-License-Identifier: MIT
 * test_iolog.c - fio's lists of what was done: read whole or refused, written as fio writes them.
 * Invariants: none.
 * Threads:    those of a test are joined by it.
 * Ownership:  each test has a file of its own, which it removes. */
#include <pthread.h>
#include <unistd.h>

#include "tests/check.h"
#include "tools/bench/iolog.h"
#include "tools/sys.h"

static char path[64];
static char message[256];

static void put(const char *text)
{
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "/tmp/ioe-iolog-XXXXXX");
	fd = (int)check_sys(mkstemp(path));
	file = fdopen(fd, "w");
	fputs(text, file);
	fclose(file);
}

static int get(const char *text, struct iolog *iolog)
{
	int rc;

	put(text);
	rc = iolog_read(path, iolog, message, sizeof(message));
	unlink(path);
	return rc;
}

Test(iolog, version_3_has_its_times_in_microseconds)
{
	struct iolog iolog;

	check_eq(get("fio version 3 iolog\n26 /d/a add\n27 /d/b add\n174 /d/a open\n175 /d/b open\n"
		     "182 /d/a read 61440 4096\n739 /d/b write 774144 8192\n"
		     "1054 /d/a sync 950272 0\n1000 /d/a datasync 0 0\n2000 /d/a close\n",
		     &iolog),
		 0);
	check_eq(iolog.version, 3);
	check_eq(iolog.n_files, 2);
	cr_assert_str_eq(iolog.files[1].name, "/d/b");
	check_eq(iolog.files[0].end_bytes, 65536);
	check_eq(iolog.files[1].end_bytes, 782336);
	check_eq(iolog.bytes_max, 8192);
	check_eq(iolog.n_entries, 4);
	check_eq(iolog.entries[0].due_ns, 182000);
	check_eq(iolog.entries[0].offset, 61440);
	check_eq(iolog.entries[0].bytes, 4096);
	check_eq(iolog.entries[0].action, IOLOG_READ);
	check_eq(iolog.entries[1].file, 1);
	check_eq(iolog.entries[1].action, IOLOG_WRITE);
	check_eq(iolog.entries[2].action, IOLOG_SYNC);
	check_eq(iolog.entries[2].due_ns, 1054000);
	check_eq(iolog.entries[3].due_ns, 1054000); /* never falls */
	check_eq(iolog.n_of[IOLOG_READ] + iolog.n_of[IOLOG_WRITE], 2);
	iolog_deinit(&iolog);
}

Test(iolog, version_2_waits_for_milliseconds_since_the_start)
{
	struct iolog iolog;

	check_eq(get("fio version 2 iolog\n\n/a add\n/a open\n/a read 0 512\n/a wait 500 0\n"
		     "/a read 512 512\n/a wait 100 0\n/a write 0 1024\n/a close\n/a open\n"
		     "/a read 4096 1\n/a close",
		     &iolog),
		 0);
	check_eq(iolog.n_entries, 4);
	check_eq(iolog.entries[0].due_ns, 0);
	check_eq(iolog.entries[1].due_ns, 500 * NS_PER_MSEC);
	check_eq(iolog.entries[2].due_ns, 500 * NS_PER_MSEC);
	check_eq(iolog.files[0].end_bytes, 4097);
	iolog_deinit(&iolog);
}

Test(iolog, a_list_that_was_appended_to_is_read_on)
{
	struct iolog iolog;

	check_eq(get("fio version 3 iolog\n1 /a add\n1 /a open\n2 /a read 0 512\n3 /a close\n"
		     "fio version 3 iolog\n0 /a add\n0 /a open\n1 /a read 512 512\n2 /a close\n",
		     &iolog),
		 0);
	check_eq(iolog.n_files, 1);
	check_eq(iolog.n_entries, 2);
	iolog_deinit(&iolog);
}

Test(iolog, what_is_wrong_is_said_with_its_line)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{ "", ": empty" },
		{ "fio version 1 iolog\n", ":1: not 'fio version 2 iolog' or 'fio version 3" },
		{ "fio version 3 iolog\n", ": nothing to do in it" },
		{ "fio version 3 iolog\n0 /a open\n", ":2: open of '/a', which was not added" },
		{ "fio version 3 iolog\n0 /a add\n0 /a close\n",
		  ":3: close of '/a', which is not" },
		{ "fio version 2 iolog\n/a add\n/a read 0 1\n",
		  ":3: read of '/a', which is not o" },
		{ "fio version 2 iolog\n/a read 0 1\n", ":2: read of '/a', which was not added" },
		{ "fio version 2 iolog\n/a mend\n", ":2: the action 'mend' is unknown: add, open" },
		{ "fio version 2 iolog\n/a trim 0 1\n", ":2: the action 'trim' is unknown: read" },
		{ "fio version 3 iolog\n1 /a wait 0 1\n",
		  ":2: the action 'wait' is unknown: read" },
		{ "fio version 3 iolog\n/a add\n", ":2: the time '/a' is no number" },
		{ "fio version 3 iolog\n1 /a\n", ":2: not 'time file action' or 'time file act" },
		{ "fio version 2 iolog\n/a read 0\n", ":2: not 'file action' or 'file action off" },
		{ "fio version 2 iolog\n/a b read 0 1\n", ":2: more than 4 words" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read -1 1\n",
		  ":4: the offset '-1' is" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 0 0\n", ":4: read of 0 bytes" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 0 4k\n",
		  ":4: the length '4k' is" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 0 4294967296\n",
		  ":4: the length" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 9223372036854775807 1\n",
		  ":4: read beyond the end of any file" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 99999999999999999999 1\n",
		  ":4: the offset 99999999999999999999 is above 9223372036854775807" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 0 1\n/a close\n/a read 0 1\n",
		  ":6: read of '/a', which is not open" },
		{ "fio version 2 iolog\n/a add\n/a open\n/a read 0 1\nfio version 3 iolog\n",
		  ":5: version 3 in a list of version 2" },
	};
	struct iolog iolog = { .n_files = 77 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char begin[160];

		check_op(get(rows[i].text, &iolog), <, 0);
		snprintf(begin, sizeof(begin), "%s%s", path, rows[i].says);
		cr_assert(!strncmp(message, begin, strlen(begin)), "row %zu: %s, not %s", i,
			  message, begin);
		check_eq(iolog.n_files, 77);
	}
	check_eq(iolog_read("/nowhere/at/all", &iolog, message, sizeof(message)), -ENOENT);
	cr_assert_str_eq(message, "/nowhere/at/all: No such file or directory");
}

Test(iolog, what_is_written_is_what_fio_writes_and_reads_back)
{
	struct iolog_writer *writer;
	struct iolog iolog;
	char text[512];
	FILE *file;
	size_t n;

	put("");
	check_eq(iolog_writer_open(path, 1000000, &writer), 0);
	iolog_writer_file(writer, 1026000, "f", "add");
	iolog_writer_file(writer, 1174000, "f", "open");
	iolog_writer_io(writer, 1182000, "f", IOLOG_READ, 61440, 4096);
	iolog_writer_io(writer, 1181000, "f", IOLOG_WRITE, 491520, 8192);
	iolog_writer_io(writer, 2054999, "f", IOLOG_SYNC, 491520, 0);
	iolog_writer_file(writer, 8848000, "f", "close");
	check_eq(iolog_writer_close(writer), 0);
	file = fopen(path, "r");
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	cr_assert_str_eq(text, "fio version 3 iolog\n26 f add\n174 f open\n182 f read 61440 4096\n"
			       "182 f write 491520 8192\n1054 f sync 491520 0\n7848 f close\n");
	/* Appended to, without a second first line. */
	check_eq(iolog_writer_open(path, 0, &writer), 0);
	iolog_writer_file(writer, 0, "f", "open");
	iolog_writer_io(writer, 5000, "f", IOLOG_DATASYNC, 0, 0);
	check_eq(iolog_writer_close(writer), 0);
	check_eq(iolog_read(path, &iolog, message, sizeof(message)), 0);
	check_eq(iolog.n_entries, 4);
	check_eq(iolog.entries[3].action, IOLOG_DATASYNC);
	iolog_deinit(&iolog);
	unlink(path);
	check_eq(iolog_writer_open("/nowhere/at/all", 0, &writer), -ENOENT);
	check_eq(iolog_writer_open("/dev/full", 0, &writer), 0);
	check_eq(iolog_writer_close(writer), -ENOSPC);
	check_eq(iolog_writer_close(NULL), 0);
}

static void *write_many(void *arg)
{
	for (uint32_t i = 0; i < 2000; i++)
		iolog_writer_io(arg, clock_now_ns(), "f", IOLOG_READ, i * 512ull, 512);
	return NULL;
}

Test(iolog, threads_may_write_one_list)
{
	struct iolog_writer *writer;
	struct iolog iolog;
	pthread_t threads[4];

	put("");
	check_eq(iolog_writer_open(path, clock_now_ns(), &writer), 0);
	iolog_writer_file(writer, 0, "f", "add");
	iolog_writer_file(writer, 0, "f", "open");
	for (int i = 0; i < 4; i++)
		check_eq(pthread_create(&threads[i], NULL, write_many, writer), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	check_eq(iolog_writer_close(writer), 0);
	check_eq(iolog_read(path, &iolog, message, sizeof(message)), 0);
	check_eq(iolog.n_entries, 8000);
	iolog_deinit(&iolog);
	unlink(path);
}

Test(iolog, a_name_with_spaces_cannot_be_written)
{
	cr_assert(iolog_name_is_word("/a/b.c"));
	cr_assert(!iolog_name_is_word("/a b"));
	cr_assert(!iolog_name_is_word("/a\n"));
	cr_assert(!iolog_name_is_word(""));
}
