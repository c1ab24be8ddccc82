/* SPDX-License-Identifier: MIT
 * sys_file.h - what the kernel tells of a file; the rarely used neighbour of sys.h.
 * Invariants: errno is read here and in sys.h only.
 * Threads:    any.
 * Ownership:  none. */
#ifndef IOE_SYS_FILE_H
#define IOE_SYS_FILE_H

#include "engine/sys.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* Bytes, where the kernel does not say: right for sectors of 512 and 4096 bytes. */
#define IOE__ALIGNMENT_USUAL 4096u

/* Linux 6.1; glibc 2.36 does not know it. */
#define IOE__STATX_DIOALIGN 0x2000u

/* The kernel's struct statx (include/uapi/linux/stat.h) as far as we read it: stx_mask is the first
 * word, stx_mode at 0x1c, stx_dio_mem_align and stx_dio_offset_align at 0x98 and 0x9c. */
struct ioe__kernel_statx {
	uint32_t mask;
	uint32_t before[6];
	uint16_t mode;
	uint16_t spare;
	uint32_t between[30];
	uint32_t dio_mem_align;
	uint32_t dio_offset_align;
	uint32_t after[24];
};

_Static_assert(sizeof(struct ioe__kernel_statx) == 256, "the size the kernel fills");
_Static_assert(offsetof(struct ioe__kernel_statx, mode) == 0x1c, "as in the kernel");
_Static_assert(offsetof(struct ioe__kernel_statx, dio_mem_align) == 0x98, "as in the kernel");

struct ioe__file_facts {
	bool is_block_device;
	bool has_dio_align;
	uint32_t dio_memory_align;
	uint32_t dio_offset_align; /* 0: no direct IO */
};

static inline int ioe__file_facts(int fd, struct ioe__file_facts *ret_facts)
{
	struct ioe__kernel_statx statx_buf;
	int ret;

	memset(&statx_buf, 0, sizeof(statx_buf));
	/* DONT_SYNC: the kernel knows this by itself; a server that hangs (FUSE, NFS) is not asked,
	 * since drivers ask too. */
	ret = (int)ioe__sys_result(syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
					   IOE__STATX_DIOALIGN, &statx_buf));
	if (ret < 0)
		return ret;
	ret_facts->is_block_device = S_ISBLK(statx_buf.mode);
	ret_facts->has_dio_align = (statx_buf.mask & IOE__STATX_DIOALIGN) != 0;
	ret_facts->dio_memory_align = statx_buf.dio_mem_align;
	ret_facts->dio_offset_align = statx_buf.dio_offset_align;
	return 0;
}

/* GCOVR_EXCL_START: Linux before 6.1 only */
/* The logical sector of a block device, or -errno. */
static inline int ioe__block_sector_bytes(int fd)
{
	int bytes = 0;
	int ret = (int)ioe__sys_result(ioctl(fd, BLKSSZGET, &bytes));

	return ret < 0 ? ret : bytes;
}
/* GCOVR_EXCL_STOP */

#endif
