#include "base/fileflags.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>

enum {
	/* how a file system keeps a file, which is no property of it */
	FLAGS_OF_STORAGE = FS_EXTENT_FL | FS_INLINE_DATA_FL | FS_INDEX_FL |
	    FS_HUGE_FILE_FL | FS_EA_INODE_FL | FS_DIRTY_FL | FS_COMPRBLK_FL
};

#define NTFS3_MAGIC 0x7366746eul

/* File systems of other operating systems have no such flags. */
static int
has_flags(unsigned long fs_type)
{
	return fs_type != FUSE_SUPER_MAGIC && fs_type != MSDOS_SUPER_MAGIC &&
	    fs_type != EXFAT_SUPER_MAGIC && fs_type != NTFS3_MAGIC &&
	    fs_type != ISOFS_SUPER_MAGIC && fs_type != NFS_SUPER_MAGIC;
}

unsigned int
fileflags(int fd, unsigned long fs_type)
{
	unsigned int flags = 0;

	if (!has_flags(fs_type) || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return 0;
	return flags & ~(unsigned int)FLAGS_OF_STORAGE;
}
