/* SPDX-License-Identifier: MIT
 * request_fixture.h - a request and a pool of iovecs, for the tests of request.c.
 * Invariants: the pool has one block of IOE__IOV_BLOCK_MAX entries; the request is free at first.
 * Threads:    one.
 * Ownership:  the file's that includes it. */
#ifndef IOE_TESTS_REQUEST_FIXTURE_H
#define IOE_TESTS_REQUEST_FIXTURE_H

#include "engine/request.h"
#include "tests/check.h"

#include <fcntl.h>
#include <unistd.h>

static struct ioe__iovpool pool;
static struct ioe__request request;
static struct ioe__file_view view;

static void setup(void)
{
	check_eq(ioe__iovpool_init(&pool, 1), 0);
	request = (struct ioe__request){ .slot = 0 };
	view.fd = -1;
}

static void teardown(void)
{
	ioe__iovpool_deinit(&pool);
}

#define REQUEST_TEST(suite, name) Test(suite, name, .init = setup, .fini = teardown)

static int null_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = (int)check_sys(open("/dev/null", O_RDWR));
	return fd;
}

static void build_one(struct ioe_event *event)
{
	check_eq(ioe__request_build(&request, &pool, &view, event, 1, 1), 1);
}

#endif
