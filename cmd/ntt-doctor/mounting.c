#define _GNU_SOURCE
#include "finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/spawn.h"
#include "mount/fs_mount.h"
#include "mount/sandbox_missing.h"

static const char *const kinds[] = { "ext4", "vfat", "exfat", "ntfs",
	"iso9660", "udf", "hfs", "hfsplus", "xfs", "btrfs", "jfs", "reiserfs",
	"squashfs" };

/* 1: root rights are here, or sudo gives them without a password. */
static int
check_rights(void)
{
	char *helper = program_path("ntt-mount-helper"), *argv[] = {
		(char *)"sudo", (char *)"-n", (char *)"-l", (char *)"--",
		helper, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	int may = geteuid() == 0;

	if (may) {
		finding(MOUNTING, OK, xstrdup("root rights"), NULL);
	} else if (helper) {
		io.in = io.out = io.err = SPAWN_NULL;
		may = run(argv, &io) == 0;
		if (may)
			finding(MOUNTING, OK, xstrdup("sudo gives "
			    "ntt-mount-helper root rights"), NULL);
	}
	free(helper);
	return may;
}

static void
check_devices(int may)
{
	if (may && access("/dev/loop-control", F_OK) < 0)
		finding(MOUNTING, WRONG, xstrdup("there are no loop devices, "
		    "which images are mounted through"),
		    xstrdup("modprobe loop"));
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		finding(MOUNTING, WRONG, xstrdup("/dev/fuse cannot be used: "
		    "damaged images and the guest need it"),
		    xstrdup("modprobe fuse"));
}

static int
kernel_has(const char *kind)
{
	FILE *f = fopen("/proc/filesystems", "re");
	const char *module = !strcmp(kind, "ntfs") ? "ntfs3" : kind;
	struct utsname name;
	char line[256], *path, *word;
	int has = 0;

	while (f && !has && fgets(line, sizeof line, f)) {
		word = strrchr(line, '\t');
		line[strcspn(line, "\n")] = '\0';
		has = word && !strcmp(word + 1, module);
	}
	if (f)
		fclose(f);
	uname(&name);
	path = xasprintf("/lib/modules/%s/kernel/fs/%s", name.release, module);
	has |= access(path, F_OK) == 0;
	free(path);
	return has;
}

static void
check_kinds(int may)
{
	struct buf kernel = BUF_INIT, guest = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		char *missing;

		if (may && kernel_has(kinds[i])) {
			buf_printf(&kernel, "%s%s", kernel.len ? ", " : "",
			    kinds[i]);
			continue;
		}
		missing = fs_mount_missing(kinds[i]);
		if (missing)
			finding(MOUNTING, NOTE, xasprintf("%s can be mounted "
			    "nowhere: %s", kinds[i], missing), NULL);
		else
			buf_printf(&guest, "%s%s", guest.len ? ", " : "",
			    kinds[i]);
		free(missing);
	}
	if (kernel.len)
		finding(MOUNTING, OK, xasprintf("this kernel mounts %s",
		    kernel.data), NULL);
	if (guest.len)
		finding(MOUNTING, OK, xasprintf("the guest mounts %s",
		    guest.data), NULL);
	buf_free(&kernel);
	buf_free(&guest);
}

void
check_mounting(void)
{
	int may = check_rights();
	char *missing = sandbox_missing();

	if (!may && missing)
		finding(MOUNTING, WRONG, xasprintf("no image can be mounted: "
		    "sudo does not give ntt-mount-helper root rights, and the "
		    "guest is %s", missing), xstrdup("install the packages, "
		    "or the rule of contrib/sudoers.d/ntt"));
	else if (!may)
		finding(MOUNTING, NOTE, xstrdup("sudo does not give "
		    "ntt-mount-helper root rights: images are mounted in the "
		    "guest, which is slower, and devices cannot be imaged"),
		    xstrdup("install the rule of contrib/sudoers.d/ntt"));
	free(missing);
	check_devices(may);
	check_kinds(may);
}
