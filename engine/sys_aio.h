/* SPDX-License-Identifier: MIT
 * sys_aio.h - the system calls of Linux AIO, as functions returning >= 0 or -errno, over the
 *             structures of libaio.h; and the completion ring that the kernel maps into the
 *             process. Nothing of the library libaio is used: it gives up where a sandbox
 *             answers EPERM to io_pgetevents.
 * Invariants: errno is read in the sys headers and nowhere else.
 * Threads:    any; a context's ring is for one thread at a time.
 * Ownership:  none. */
#ifndef IOE_SYS_AIO_H
#define IOE_SYS_AIO_H

#include <libaio.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/sys.h"

/* At the address that io_setup() returns (fs/aio.c, struct aio_ring). The kernel moves tail, the
 * process may move head instead of calling io_getevents(). */
struct ioe__aio_ring {
	uint32_t id;
	uint32_t nr; /* events there is room for */
	uint32_t head;
	uint32_t tail;
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length;
	struct io_event events[];
};

#define IOE__AIO_RING_MAGIC 0xa10a10a1U

_Static_assert(sizeof(struct ioe__aio_ring) == 32, "the kernel's header of the ring");
_Static_assert(sizeof(struct io_event) == 32, "the kernel's event");
_Static_assert(offsetof(struct iocb, key) + offsetof(struct iocb, aio_rw_flags) == 8 + 12,
	       "aio_data is 8 bytes at the start of an iocb, whatever a pointer is");

static inline int ioe__io_setup(uint32_t n_events, unsigned long *ret_context)
{
	*ret_context = 0;
	return (int)ioe__sys_result(syscall(SYS_io_setup, n_events, ret_context));
}

static inline void ioe__io_destroy(unsigned long context)
{
	(void)syscall(SYS_io_destroy, context);
}

static inline int ioe__io_submit(unsigned long context, uint32_t n, struct iocb **iocbs)
{
	return (int)ioe__sys_result(syscall(SYS_io_submit, context, (long)n, iocbs));
}

/* timeout_ns -1: no limit. */
static inline int ioe__io_getevents(unsigned long context, uint32_t n_min, uint32_t n,
				    struct io_event *events, int64_t timeout_ns)
{
	struct timespec ts = { 0, 0 };

	if (timeout_ns >= 0) {
		ts.tv_sec = (time_t)(timeout_ns / IOE__NS_PER_S);
		ts.tv_nsec = (long)(timeout_ns % IOE__NS_PER_S);
	}
	return (int)ioe__sys_result(syscall(SYS_io_getevents, context, (long)n_min, (long)n, events,
					    timeout_ns >= 0 ? &ts : NULL));
}

/* aio_data: 64 bits, which libaio.h calls a pointer. */
static inline void ioe__iocb_set_tag(struct iocb *iocb, uint64_t tag)
{
	memcpy(iocb, &tag, sizeof(tag));
}

static inline uint64_t ioe__io_event_tag(const struct io_event *event)
{
	uint64_t tag;

	memcpy(&tag, event, sizeof(tag));
	return tag;
}

/* Never keep the answer: fds are reused. */
static inline bool ioe__fd_is_block_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

#endif
