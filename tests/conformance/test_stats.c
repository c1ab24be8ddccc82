/* SPDX-License-Identifier: MIT
 * test_stats.c - the counters of ioe_engine_stats() add up. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

enum { EACH = 10 };

/* EACH of six operations, one of them in vain, in one batch; the counters when all have ended. */
static struct ioe_stats do_some_of_each(struct rig *rig)
{
	const int fd = rig_file(rig, EACH * 1000);
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 6 * EACH);
	uint32_t k = 0;

	config.depth_max = 8;
	config.n_helpers = 8;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < EACH; i++) {
		ioe_prep_nop(&jobs[k++].event);
		ioe_prep_read(&jobs[k++].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
		ioe_prep_write(&jobs[k++].event, fd, rig_buffer(rig, 700), 700, i * 1000);
		ioe_prep_fsync(&jobs[k++].event, fd);
		ioe_prep_fallocate(&jobs[k++].event, fd, 0, 0, 1000);
		ioe_prep_fdatasync(&jobs[k++].event, 1 << 20);
	}
	check_eq(rig_batch(rig, jobs, k, false), k);
	check_eq(ioe_engine_drain(rig->engine), 0);
	return rig_stats(rig);
}

MATRIX_TEST(stats, events_and_bytes_are_those_of_what_was_done)
{
	struct ioe_stats stats;

	rig_needs_file(rig, RIG_GROWTH);
	stats = do_some_of_each(rig);
	check_eq(stats.size, sizeof(stats));
	check_eq(stats.n_drivers, 1);
	check_eq(stats.depth, 8);
	check_eq(stats.events_accepted, 6 * EACH);
	check_eq(stats.events_finished, 6 * EACH);
	check_eq(stats.events_by_op[IOE_OP_NOP], EACH);
	check_eq(stats.events_by_op[IOE_OP_READ], EACH);
	check_eq(stats.events_by_op[IOE_OP_WRITE], EACH);
	check_eq(stats.events_by_op[IOE_OP_FSYNC], EACH);
	check_eq(stats.events_by_op[IOE_OP_FDATASYNC], EACH);
	check_eq(stats.events_by_op[IOE_OP_FALLOCATE], EACH);
	check_eq(stats.events_by_op[IOE_OP_NONE], 0);
	check_eq(stats.errors, EACH);
	check_eq(stats.bytes_read, EACH * 1000);
	check_eq(stats.bytes_written, EACH * 700);
}

MATRIX_TEST(stats, requests_and_times_agree_with_what_was_done)
{
	const struct ioe_stats stats = do_some_of_each(rig);

	check_op(stats.requests, >=, 4 * EACH);
	check_op(stats.requests, <=, 6 * EACH);
	check_eq(stats.resumed, 0);
	check_eq(stats.split, 0);
	check_eq(stats.stale_completions, 0);
	check_eq(stats.cq_overflows, 0);
	check_eq(stats.in_flight, 0);
	check_op(stats.in_flight_max, >=, 1);
	check_op(stats.in_flight_max, <=, 8);
	check_op(stats.elapsed_ns, >, 0);
	cr_assert(stats.in_flight_average >= 0 && stats.in_flight_average <= 8);
	if (rig->row.backend == IOE_BACKEND_THREADS)
		check_op(stats.helped, >=, 3 * EACH);
	if (rig->row.backend == IOE_BACKEND_URING)
		check_op(stats.system_calls, >, 0);
}

MATRIX_TEST(stats, refused_events_are_not_counted)
{
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	job->event.op = IOE_OP_END;
	check_eq(rig_submit_ret(rig, job), -EINVAL);
	check_eq(rig_try(rig, job), -EINVAL);
	check_eq(rig_stats(rig).events_accepted, 0);
	check_eq(rig_stats(rig).events_finished, 0);
	check_eq(rig_stats(rig).errors, 0);
}

MATRIX_TEST(stats, in_flight_is_a_gauge_and_depth_its_bound)
{
	enum { DEPTH = 4, N = 10 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	char bytes[N];
	int fds[2];

	rig_pipe(rig, fds);
	config.depth_max = DEPTH;
	rig_open(rig, &config);
	check_eq(rig_stats(rig).in_flight, 0);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_in_flight(rig, DEPTH);
	check_eq(rig_stats(rig).events_accepted, N);
	check_eq(rig_stats(rig).events_finished, 0);
	check_eq(write(fds[1], "0123456789", N), N);
	rig_wait_all(rig);
	check_eq(rig_stats(rig).in_flight_max, DEPTH);
	rig_wait_in_flight(rig, 0);
	cr_assert(rig_stats(rig).in_flight_average > 0);
	check_op(rig_stats(rig).in_flight_ns, >, 0);
}

MATRIX_TEST(stats, no_timing_leaves_the_average_out)
{
	const int fd = rig_file(rig, 1000);
	struct ioe_config config = rig_config(rig);
	struct job *job = rig_jobs(rig, 1);

	config.flags = IOE_ENGINE_NO_TIMING;
	rig_open(rig, &config);
	ioe_prep_read(&job->event, fd, rig_buffer(rig, 1000), 1000, 0);
	check_eq(rig_do(rig, job), 1000);
	cr_assert(rig_stats(rig).in_flight_average == 0);
	check_eq(rig_stats(rig).events_accepted, 1);
}

DRIVER_TEST(stats, sleeping_drivers_and_their_wakes_are_counted)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 5);
	struct thread_info threads[64];
	pid_t driver = 0;
	uint32_t n;

	config.spin_ns = IOE_CONFIG_OFF;
	rig_open(rig, &config);
	n = process_threads(threads, 64);
	for (uint32_t i = 0; i < n && i < 64; i++)
		if (strcmp(threads[i].name, "ioe-drv0") == 0)
			driver = threads[i].tid;
	cr_assert(driver != 0, "no thread named ioe-drv0");
	for (uint32_t i = 0; i < 5; i++) {
		cr_assert(thread_wait_asleep(driver));
		ioe_prep_nop(&jobs[i].event);
		check_eq(rig_do(rig, &jobs[i]), 0);
	}
	cr_assert(thread_wait_asleep(driver));
	check_op(rig_stats(rig).wakes, >=, 5);
	check_op(rig_stats(rig).wakes, <=, rig_stats(rig).parks);
}
