/* SPDX-License-Identifier: MIT
 * test_sample_log.c - the lines of fio's logs over time.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  each test has a directory of its own, which it removes. */
#include <unistd.h>

#include "tests/check.h"
#include "tools/bench/sample_log.h"

#define MS UINT64_C(1000000)

static char dir[64];
static char stem[96];
static char message[256];

static struct sample io(uint64_t at_ms, uint32_t direction, uint32_t bytes, uint64_t slat,
			uint64_t clat)
{
	const uint64_t lat = slat == SAMPLE_NONE ? clat : slat + clat;

	return (struct sample){ at_ms * MS, at_ms * 4096, { slat, clat, lat }, bytes, direction };
}

static void make_place(void)
{
	snprintf(dir, sizeof(dir), "/tmp/ioe-logs-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	snprintf(stem, sizeof(stem), "%s/x", dir);
}

/* That file has just that text, and is removed. */
static void check_file(const char *rest, const char *expected)
{
	char path[128], text[2048];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s%s", stem, rest);
	file = fopen(path, "r");
	cr_assert(file != NULL, "%s", path);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	unlink(path);
	cr_assert_str_eq(text, expected, "%s: %s", rest, text);
}

static void write_logs(struct sample_log *logs, uint32_t n, uint64_t runtime_ms,
		       struct sample_log_names names)
{
	check_eq(sample_log_write(logs, n, runtime_ms * MS, &names, message, sizeof(message)), 0);
	for (uint32_t i = 0; i < n; i++)
		sample_log_deinit(&logs[i]);
}

/* Figures of a run of fio 3.33: 4096 bytes in 350933 ns are logged as 11671. */
Test(sample_log, each_io_is_a_line_in_the_order_of_time)
{
	struct sample_log logs[2];
	struct sample samples[] = { io(3, 0, 4096, 2866, 350933), io(1, 1, 8192, 1000, 25241),
				    io(2, 0, 4096, SAMPLE_NONE, 83443) };

	make_place();
	sample_log_init(&logs[0], 0);
	sample_log_init(&logs[1], 0);
	sample_log_add(&logs[0], &samples[0]);
	sample_log_add(&logs[1], &samples[1]);
	sample_log_add(&logs[1], &samples[2]);
	write_logs(logs, 2, 10,
		   (struct sample_log_names){ .bw = stem, .lat = stem, .iops = stem, .index = 1 });
	check_file("_bw.1.log", "1, 324551, 1, 8192, 0\n2, 49087, 0, 4096, 0\n"
				"3, 11671, 0, 4096, 0\n");
	check_file("_slat.1.log", "1, 1000, 1, 8192, 0\n3, 2866, 0, 4096, 0\n");
	check_file("_clat.1.log", "1, 25241, 1, 8192, 0\n2, 83443, 0, 4096, 0\n"
				  "3, 350933, 0, 4096, 0\n");
	check_file("_lat.1.log", "1, 26241, 1, 8192, 0\n2, 83443, 0, 4096, 0\n"
				 "3, 353799, 0, 4096, 0\n");
	check_file("_iops.1.log", "1, 1, 1, 8192, 0\n2, 1, 0, 4096, 0\n3, 1, 0, 4096, 0\n");
	check_eq(rmdir(dir), 0);
}

Test(sample_log, windows_have_means_or_maxima)
{
	for (int is_max = 0; is_max < 2; is_max++) {
		struct sample_log logs[2];

		make_place();
		sample_log_init(&logs[0], 300 * MS);
		sample_log_init(&logs[1], 300 * MS);
		for (uint32_t i = 0; i < 31; i++) {
			struct sample sample = io(i * 9, i % 2, 4096, 10, 1000 + i);

			sample_log_add(&logs[i % 3 == 0], &sample);
		}
		/* None from 300 to 600; the last window ends after the job. */
		for (uint32_t i = 0; i < 2; i++) {
			struct sample sample = io(899 + i * 50, 0, 4096, 10, 5);

			sample_log_add(&logs[1], &sample);
		}
		write_logs(logs, 2, 1000,
			   (struct sample_log_names){ .bw = stem,
						      .lat = stem,
						      .iops = stem,
						      .index = 2,
						      .has_offsets = true,
						      .is_max = is_max });
		/* 16 * 4 KiB in 0.3 s; 15; 1. */
		check_file("_bw.2.log", "300, 213, 0, 0, 0, 0\n300, 200, 1, 0, 0, 0\n"
					"900, 13, 0, 0, 0, 0\n");
		check_file("_iops.2.log", "300, 53, 0, 0, 0, 0\n300, 50, 1, 0, 0, 0\n"
					  "900, 3, 0, 0, 0, 0\n");
		check_file("_clat.2.log", is_max ? "300, 1030, 0, 0, 0, 0\n300, 1029, 1, 0, 0, 0\n"
						   "900, 5, 0, 0, 0, 0\n1000, 5, 0, 0, 0, 0\n" :
						   "300, 1015, 0, 0, 0, 0\n300, 1015, 1, 0, 0, 0\n"
						   "900, 5, 0, 0, 0, 0\n1000, 5, 0, 0, 0, 0\n");
		check_file("_lat.2.log", is_max ? "300, 1040, 0, 0, 0, 0\n300, 1039, 1, 0, 0, 0\n"
						  "900, 15, 0, 0, 0, 0\n1000, 15, 0, 0, 0, 0\n" :
						  "300, 1025, 0, 0, 0, 0\n300, 1025, 1, 0, 0, 0\n"
						  "900, 15, 0, 0, 0, 0\n1000, 15, 0, 0, 0, 0\n");
		check_file("_slat.2.log", "300, 10, 0, 0, 0, 0\n300, 10, 1, 0, 0, 0\n"
					  "900, 10, 0, 0, 0, 0\n1000, 10, 0, 0, 0, 0\n");
		check_eq(rmdir(dir), 0);
	}
}

Test(sample_log, only_what_was_asked_for_and_without_numbers_one_file_for_all)
{
	make_place();
	for (int i = 0; i < 2; i++) {
		struct sample_log log;
		struct sample sample = io(5, 0, 4096, SAMPLE_NONE, 100);

		sample_log_init(&log, 0);
		sample_log_add(&log, &sample);
		write_logs(&log, 1, 10,
			   (struct sample_log_names){ .iops = stem, .epoch_ns = 1000 * MS });
	}
	check_file("_iops.log", "1005, 1, 0, 4096, 0\n1005, 1, 0, 4096, 0\n");
	check_eq(rmdir(dir), 0);
}

Test(sample_log, many_ios_need_no_more_than_memory)
{
	struct sample_log log;

	sample_log_init(&log, 0);
	for (uint64_t i = 0; i < 100000; i++) {
		struct sample sample = io(i, 0, 4096, 1, 1);

		sample_log_add(&log, &sample);
	}
	check_eq(log.n, 100000);
	check_eq(log.samples[99999].at_ns, 99999 * MS);
	sample_log_deinit(&log);
}

Test(sample_log, a_log_that_cannot_be_written_is_an_error)
{
	struct sample_log log;
	struct sample_log_names names = { .bw = "/nowhere/at/all", .index = 1 };

	sample_log_init(&log, 0);
	check_eq(sample_log_write(&log, 1, 1, &names, message, sizeof(message)), -ENOENT);
	cr_assert_str_eq(message, "/nowhere/at/all_bw.1.log: No such file or directory");
	sample_log_deinit(&log);
}
