/* SPDX-License-Identifier: MIT
 * alignment.c - what O_DIRECT IO on a file must be aligned to.
 * Invariants: none.
 * Threads:    any.
 * Ownership:  none. */
#include "engine/ioe.h"
#include "engine/sys_file.h"

#include <string.h>

int ioe_file_alignment(int fd, struct ioe_alignment *ret_alignment)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	struct ioe__file_facts facts;
	int ret;

	if (ret_alignment == NULL || ret_alignment->size < sizeof(alignment))
		return -EINVAL;
	ret = ioe__file_facts(fd, &facts);
	if (ret < 0)
		return ret;
	if (facts.has_dio_align && facts.dio_offset_align == 0)
		return -EOPNOTSUPP;
	if (facts.has_dio_align) {
		alignment.memory_bytes = facts.dio_memory_align;
		alignment.offset_bytes = facts.dio_offset_align;
	} else {
		/* Of block devices only: FUSE would hand the ioctl to its server. */
		/* GCOVR_EXCL_START: of block devices, Linux before 6.1 only */
		const int sector = facts.is_block_device ? ioe__block_sector_bytes(fd) : 0;
		const uint32_t bytes = sector > 0 ? (uint32_t)sector : IOE__ALIGNMENT_USUAL;
		/* GCOVR_EXCL_STOP */

		alignment.memory_bytes = bytes;
		alignment.offset_bytes = bytes;
	}
	*ret_alignment = alignment;
	return 0;
}
