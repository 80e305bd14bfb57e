#define _GNU_SOURCE
#include "meta.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/msdos_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"

/* Flags that say something about the file, not about how it is stored. */
enum {
	SETTABLE = FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL |
	    FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |
	    FS_NOCOMP_FL | FS_JOURNAL_DATA_FL | FS_NOTAIL_FL |
	    FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_NOCOW_FL | FS_PROJINHERIT_FL,
	EARLY = FS_COMPR_FL | FS_NOCOMP_FL | FS_NOCOW_FL,
	DOS_SETTABLE = ATTR_RO | ATTR_HIDDEN | ATTR_SYS | ATTR_ARCH,
	SET_IDS = S_ISUID | S_ISGID
};

static const char *const nouns[META_KINDS] = {
	[META_OWNER] = "owners or groups",
	[META_MODE] = "modes",
	[META_SETID] = "set-user-ID or set-group-ID bits",
	[META_ACL] = "access control lists",
	[META_CAPABILITY] = "capabilities",
	[META_XATTR] = "extended attributes",
	[META_XATTR_NAME] = "names of extended attributes (now with %XX)",
	[META_FLAGS] = "file flags",
	[META_DOS] = "DOS attributes",
	[META_TIMES] = "times",
	[META_LINKS] = "hard links (they are files of their own)",
};

static struct {
	uint64_t count;
	int err;		/* of the first */
} lost[META_KINDS];

void
meta_lost(enum meta_kind kind)
{
	if (lost[kind].count++ == 0)
		lost[kind].err = errno;
}

void
meta_report(void)
{
	int i;

	for (i = 0; i < META_KINDS; i++)
		if (lost[i].count)
			warn("%s %s could not be set: %s",
			    num_grouped(lost[i].count), nouns[i],
			    strerror(lost[i].err));
}

static const char *
by_link(const struct meta_target *t, char link[32])
{
	snprintf(link, 32, "/proc/self/fd/%d", t->fd);
	return link;
}

static int
change_owner(const struct meta_target *t, uid_t uid, gid_t gid)
{
	return t->path_only ? fchownat(t->fd, "", uid, gid, AT_EMPTY_PATH) :
	    fchown(t->fd, uid, gid);
}

static int
change_mode(const struct meta_target *t, mode_t mode)
{
	char link[32];

	return t->path_only ? chmod(by_link(t, link), mode) :
	    fchmod(t->fd, mode);
}

/* Which set-ID bits must not be set, because they would be another's. */
static mode_t
set_owner(const struct meta *m, const struct meta_target *t)
{
	uid_t uid = m->uid < 0 ? (uid_t)-1 : (uid_t)m->uid;
	gid_t gid = m->gid < 0 ? (gid_t)-1 : (gid_t)m->gid;
	struct stat st;
	mode_t bits = 0;
	int err;

	if ((m->uid < 0 && m->gid < 0) || change_owner(t, uid, gid) == 0)
		return 0;
	err = errno;
	if (m->gid >= 0)
		change_owner(t, (uid_t)-1, gid);
	if (fstatat(t->fd, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return SET_IDS;
	if (m->uid >= 0 && st.st_uid != uid)
		bits |= S_ISUID;
	if (m->gid >= 0 && st.st_gid != gid)
		bits |= S_ISDIR(t->type) ? 0 : S_ISGID;
	if ((m->uid >= 0 && st.st_uid != uid) ||
	    (m->gid >= 0 && st.st_gid != gid)) {
		errno = err;
		meta_lost(META_OWNER);
	}
	return bits;
}

static enum meta_kind
kind_of(const char *name)
{
	if (!strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")))
		return META_ACL;
	if (!strcmp(name, "security.capability"))
		return META_CAPABILITY;
	return META_XATTR;
}

static int
set_xattr(const struct meta_target *t, const char *name, const void *value,
    size_t len)
{
	char link[32];

	return t->path_only ? setxattr(by_link(t, link), name, value, len, 0) :
	    fsetxattr(t->fd, name, value, len, 0);
}

void
meta_xattr(const struct meta_target *t, const char *name, const void *value,
    size_t len)
{
	if (set_xattr(t, name, value, len) == 0)
		return;
	/* owners, too, need the right to write */
	if (errno == EACCES && t->type != S_IFLNK &&
	    change_mode(t, S_ISDIR(t->type) ? 0700 : 0600) == 0 &&
	    set_xattr(t, name, value, len) == 0)
		return;
	meta_lost(kind_of(name));
}

int
meta_next_xattr(const struct meta *m, size_t *at, const char **name,
    size_t *name_len, const void **value, size_t *value_len)
{
	size_t *const lens[] = { name_len, value_len };
	const void *parts[2];
	uint32_t len;
	int i;

	for (i = 0; i < 2; i++) {
		if (m->xattrs_len - *at < sizeof len)
			return 0;
		memcpy(&len, m->xattrs + *at, sizeof len);
		*at += sizeof len;
		*lens[i] = ntohl(len);
		if (*lens[i] > m->xattrs_len - *at)
			return 0;
		parts[i] = m->xattrs + *at;
		*at += *lens[i];
	}
	*name = parts[0];
	*value = parts[1];
	return 1;
}

static void
remove_acl(const struct meta_target *t, const char *name)
{
	char link[32];

	if (t->path_only)
		removexattr(by_link(t, link), name);
	else
		fremovexattr(t->fd, name);
}

static void
set_xattrs(const struct meta *m, const struct meta_target *t)
{
	size_t at = 0, name_len, value_len;
	const char *bytes;
	const void *value;
	char *name;

	if (t->inherits && t->type != S_IFLNK && m->mode >= 0) {
		remove_acl(t, "system.posix_acl_access");
		if (S_ISDIR(t->type))
			remove_acl(t, "system.posix_acl_default");
	}
	while (meta_next_xattr(m, &at, &bytes, &name_len, &value,
	    &value_len)) {
		name = strndup(bytes, name_len);
		if (!name)
			out_of_memory();
		meta_xattr(t, name, value, value_len);
		free(name);
	}
}

static void
set_mode(const struct meta *m, const struct meta_target *t, mode_t without)
{
	mode_t mode = (mode_t)m->mode;

	if (t->type == S_IFLNK)
		return;
	if (m->mode < 0)
		mode = S_ISDIR(t->type) ? 0755 : 0644;
	if (mode & without) {
		errno = EPERM;
		meta_lost(META_SETID);
		mode &= ~without;
	}
	if (change_mode(t, mode & 07777) < 0)
		meta_lost(META_MODE);
}

void
meta_set(const struct meta *m, const struct meta_target *t)
{
	mode_t without = set_owner(m, t);
	char link[32];

	set_xattrs(m, t);
	set_mode(m, t, without);
	if ((t->path_only ? utimensat(AT_FDCWD, by_link(t, link), m->times,
	    0) : futimens(t->fd, m->times)) < 0)
		meta_lost(META_TIMES);
}

int
meta_same(const struct meta *m, const struct stat *st)
{
	return (m->mode < 0 || S_ISLNK(st->st_mode) ||
	    (mode_t)m->mode == (st->st_mode & 07777)) &&
	    (m->uid < 0 || (uid_t)m->uid == st->st_uid) &&
	    (m->gid < 0 || (gid_t)m->gid == st->st_gid) &&
	    m->times[1].tv_sec == st->st_mtim.tv_sec &&
	    m->times[1].tv_nsec == st->st_mtim.tv_nsec;
}

/* Those of want that are in mask, as far as the file system has them. */
static int
set_flags(int fd, unsigned int want, unsigned int mask)
{
	unsigned int now, all, bit;
	int value, err = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &value) < 0)
		return -1;
	now = (unsigned int)value;
	all = (now & ~mask) | (want & mask);
	value = (int)all;
	if (all == now || ioctl(fd, FS_IOC_SETFLAGS, &value) == 0)
		return 0;
	for (bit = 1; bit && bit <= mask; bit <<= 1) {
		if (!(want & mask & bit & ~now))
			continue;
		value = (int)(now | bit);
		if (ioctl(fd, FS_IOC_SETFLAGS, &value) == 0)
			now |= bit;
		else
			err = errno;
	}
	errno = err;
	return err ? -1 : 0;
}

void
meta_flags_early(const struct meta *m, int fd)
{
	if (m->flags > 0 && m->flags & EARLY)
		set_flags(fd, (unsigned int)m->flags, EARLY);
}

void
meta_flags(const struct meta *m, int fd, uint32_t mask, int dos)
{
	uint32_t attributes;

	if (m->flags > 0 && m->flags & SETTABLE & mask &&
	    set_flags(fd, (unsigned int)m->flags, SETTABLE & mask) < 0)
		meta_lost(META_FLAGS);
	if (!dos || m->dos < 0 || !(m->dos & DOS_SETTABLE))
		return;
	if (ioctl(fd, FAT_IOCTL_GET_ATTRIBUTES, &attributes) == 0) {
		attributes = (attributes & ~(uint32_t)DOS_SETTABLE) |
		    ((uint32_t)m->dos & DOS_SETTABLE);
		if (ioctl(fd, FAT_IOCTL_SET_ATTRIBUTES, &attributes) == 0)
			return;
	}
	meta_lost(META_DOS);
}
