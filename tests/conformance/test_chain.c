/* SPDX-License-Identifier: MIT
 * test_chain.c - the automatic chain uring, aio, threads (P27, P28), under seccomp filters that a
 *                test installs in its own process; a backend chosen by name is never swapped. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int uring_calls[] = { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register };
static const int aio_calls[] = { SYS_io_setup, SYS_io_submit, SYS_io_getevents, SYS_io_destroy,
				 SYS_io_cancel };

static void forbid_uring(int error)
{
	if (!process_forbid(error, uring_calls, 3))
		cr_skip_test("seccomp filters cannot be installed here");
}

static void forbid_aio(int error)
{
	if (!process_forbid(error, aio_calls, 5))
		cr_skip_test("seccomp filters cannot be installed here");
}

/* Every operation once, in every threading mode, through AUTO; backend is what it must choose. */
static void expect_chosen(const char *backend, const char *in_reason)
{
	static const uint32_t modes[] = { IOE_THREADING_POOL, IOE_THREADING_INLINE,
					  IOE_THREADING_NONE };

	for (uint32_t i = 0; i < 3; i++) {
		const struct rig_row row = { "auto", IOE_BACKEND_AUTO, modes[i], PLACE_DISK };
		struct rig rig;
		struct job *jobs;
		uint8_t *buffer;
		struct iovec iov;
		int fd;

		rig_init(&rig, &row);
		jobs = rig_jobs(&rig, 8);
		buffer = rig_buffer(&rig, 4096);
		iov = (struct iovec){ buffer, 4096 };
		fd = rig_file(&rig, 8192);
		rig_open(&rig, NULL);
		cr_assert_str_eq(ioe_engine_backend(rig.engine), backend);
		if (in_reason != NULL)
			cr_assert_not_null(strstr(ioe_engine_reason(rig.engine), in_reason),
					   "reason: %s", ioe_engine_reason(rig.engine));
		ioe_prep_nop(&jobs[0].event);
		check_eq(rig_do(&rig, &jobs[0]), 0);
		ioe_prep_read(&jobs[1].event, fd, buffer, 4096, 4096);
		check_eq(rig_do(&rig, &jobs[1]), 4096);
		check_eq(pattern_differs(buffer, 4096, 4096, RIG_SEED), -1);
		ioe_prep_write(&jobs[2].event, fd, buffer, 4096, 0);
		check_eq(rig_do(&rig, &jobs[2]), 4096);
		ioe_prep_readv(&jobs[3].event, fd, &iov, 1, 0);
		check_eq(rig_do(&rig, &jobs[3]), 4096);
		ioe_prep_writev(&jobs[4].event, fd, &iov, 1, 0);
		check_eq(rig_do(&rig, &jobs[4]), 4096);
		ioe_prep_fsync(&jobs[5].event, fd);
		check_eq(rig_do(&rig, &jobs[5]), 0);
		ioe_prep_fdatasync(&jobs[6].event, fd);
		check_eq(rig_do(&rig, &jobs[6]), 0);
		/* A block device cannot grow. */
		ioe_prep_fallocate(&jobs[7].event, fd, 0, 0, 10000);
		check_eq(rig_do(&rig, &jobs[7]), fallocate(fd, 0, 0, 10000) == 0 ? 0 : -errno);
		rig_deinit(&rig);
	}
}

Test(chain, first_choice_is_uring)
{
	const int ret = rig_try_backend(IOE_BACKEND_URING);

	if (ret != 0)
		cr_skip_test("uring is not available here: %s", strerror(-ret));
	expect_chosen("uring", NULL);
}

Test(chain, p27_aio_where_uring_does_not_exist)
{
	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	forbid_uring(ENOSYS);
	expect_chosen("aio", "uring");
	check_eq(rig_try_backend(IOE_BACKEND_URING), -ENOSYS);
	check_eq(rig_try_backend(IOE_BACKEND_AIO), 0);
}

Test(chain, p27_aio_where_uring_is_forbidden)
{
	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	forbid_uring(EPERM);
	expect_chosen("aio", "uring");
	check_eq(rig_try_backend(IOE_BACKEND_URING), -EPERM);
}

Test(chain, p27_threads_where_neither_exists)
{
	forbid_uring(ENOSYS);
	forbid_aio(ENOSYS);
	expect_chosen("threads", "aio");
	check_eq(rig_try_backend(IOE_BACKEND_URING), -ENOSYS);
	check_eq(rig_try_backend(IOE_BACKEND_AIO), -ENOSYS);
	check_eq(rig_try_backend(IOE_BACKEND_THREADS), 0);
}

Test(chain, p27_threads_where_both_are_forbidden)
{
	forbid_uring(EPERM);
	forbid_aio(EPERM);
	expect_chosen("threads", "uring");
	check_eq(rig_try_backend(IOE_BACKEND_AIO), -EPERM);
}

Test(chain, threads_where_uring_is_denied_and_aio_used_up)
{
	static const int setup[] = { SYS_io_setup };

	forbid_uring(EACCES);
	if (!process_forbid(EAGAIN, setup, 1))
		cr_skip_test("seccomp filters cannot be installed here");
	expect_chosen("threads", "aio");
	check_eq(rig_try_backend(IOE_BACKEND_AIO), -EAGAIN);
}

Test(chain, aio_works_where_io_pgetevents_is_forbidden)
{
	static const int pgetevents[] = { SYS_io_pgetevents };

	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	forbid_uring(EPERM);
	if (!process_forbid(EPERM, pgetevents, 1))
		cr_skip_test("seccomp filters cannot be installed here");
	expect_chosen("aio", "uring");
}

Test(chain, lack_of_files_is_an_error_and_no_reason_to_go_on)
{
	static const int setup[] = { SYS_io_uring_setup };

	if (rig_try_backend(IOE_BACKEND_URING) != 0)
		cr_skip_test("uring is not available here");
	if (!process_forbid(EMFILE, setup, 1))
		cr_skip_test("seccomp filters cannot be installed here");
	check_eq(rig_try_backend(IOE_BACKEND_AUTO), -EMFILE);
	check_eq(rig_try_backend(IOE_BACKEND_URING), -EMFILE);
}

Test(chain, p28_lack_of_memory_at_any_depth_goes_on_and_is_told)
{
	static const int setup[] = { SYS_io_uring_setup };

	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	if (!process_forbid(ENOMEM, setup, 1))
		cr_skip_test("seccomp filters cannot be installed here");
	expect_chosen("aio", "uring is not available (ENOMEM, not even at the smallest depth)");
	check_eq(rig_try_backend(IOE_BACKEND_URING), -ENOMEM);
}

Test(chain, failed_open_leaves_nothing_behind)
{
	const uint32_t n_threads = process_n_threads(), n_fds = process_n_fds();

	forbid_uring(EPERM);
	for (uint32_t i = 0; i < 10; i++)
		check_eq(rig_try_backend(IOE_BACKEND_URING), -EPERM);
	cr_assert(process_wait_threads(n_threads));
	check_eq(process_n_fds(), n_fds);
}
