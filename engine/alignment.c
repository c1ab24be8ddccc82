/* SPDX-License-Identifier: MIT
 * alignment.c - what O_DIRECT IO on a file must be aligned to.
 * Invariants: none.
 * Threads:    any.
 * Ownership:  none. */
#include "engine/ioe.h"
#include "engine/sys_file.h"

#include <string.h>

/* Right for every sector size in use (512 and 4096 bytes), and a page. */
#define ALIGNMENT_SAFE 4096u

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
		const int sector = ioe__block_sector_bytes(fd);
		const uint32_t bytes = sector > 0 ? (uint32_t)sector : ALIGNMENT_SAFE;

		alignment.memory_bytes = bytes;
		alignment.offset_bytes = bytes;
	}
	*ret_alignment = alignment;
	return 0;
}
