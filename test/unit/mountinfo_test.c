/* /proc/self/mountinfo as the kernel writes it, and as it does not. */
#include <errno.h>
#include <string.h>

#include "base/mountinfo.h"
#include "tap.h"

static const char sample[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "36 22 7:0 / /mnt/a\\040b ro master:1 propagate_from:2 - ext3 "
    "/dev/loop0 ro,x=\\134\n"
    "37 36 0:40 /sub\\012dir /mnt/a\\040b rw - tmpfs  rw\n"
    "38 37 7:2 / /mnt/a\\040b rw - xfs /dev/loop2 rw\n"
    "39 22 0:41 / /mnt/\\377\\134040 rw unbindable - fuse.x a#b rw\n";

static int
parses(const char *text)
{
	struct mountinfo m = MOUNTINFO_INIT;
	int rc = mountinfo_parse(&m, text, strlen(text));

	mountinfo_free(&m);
	return rc == 0;
}

static void
fields(void)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *e;

	tap_ok(mountinfo_parse(&m, sample, sizeof sample - 1) == 0,
	    "the sample is parsed");
	tap_is_u64(m.count, 5, "five mounts");
	e = &m.entries[1];
	tap_is_u64(e->id, 36, "id");
	tap_is_u64(e->parent, 22, "parent");
	tap_is_u64(e->major, 7, "major");
	tap_is_str(e->point, "/mnt/a b", "mount point with a space");
	tap_is_str(e->fstype, "ext3", "type behind two optional fields");
	tap_is_str(e->source, "/dev/loop0", "source");
	tap_is_str(e->super_options, "ro,x=\\", "an escaped backslash");
	tap_is_str(m.entries[2].root, "/sub\ndir", "root with a newline");
	tap_is_str(m.entries[2].source, "", "empty source");
	tap_is_str(m.entries[4].point, "/mnt/\377\\040",
	    "any byte, and no escape undone twice");
	mountinfo_free(&m);
}

static void
stacks(void)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *top;

	mountinfo_parse(&m, sample, sizeof sample - 1);
	top = mountinfo_top(&m, "/mnt/a b");
	tap_is_u64(top ? top->id : 0, 38, "the uppermost of three");
	tap_is_u64(mountinfo_depth(&m, "/mnt/a b"), 3, "three of them");
	tap_ok(mountinfo_top(&m, "/mnt/a") == NULL, "no prefix counts");
	top = mountinfo_top(&m, "/");
	tap_is_u64(top ? top->id : 0, 22, "a single one");
	mountinfo_free(&m);
}

static void
damage(void)
{
	size_t n;
	char copy[sizeof sample];
	struct mountinfo m = MOUNTINFO_INIT;

	tap_ok(parses(""), "nothing is fine");
	tap_ok(!parses("22 1 8:1 / / rw - ext4 /dev/root rw"), "no newline");
	tap_ok(!parses("22 1 8:1 / / rw ext4 /dev/root rw\n"), "no dash");
	tap_ok(!parses("22 1 8:1 / / rw - ext4\n"), "too few after the dash");
	tap_ok(!parses("22 1 81 / / rw - ext4 a rw\n"), "no colon");
	tap_ok(!parses("x 1 8:1 / / rw - ext4 a rw\n"), "no number");
	tap_ok(!parses("\n"), "an empty line");
	tap_ok(parses("22 1 8:1 / /a\\04 rw - ext4 \\9 rw\\\n"),
	    "half an escape is text");
	for (n = 0; n < sizeof sample - 1; n++) {
		memcpy(copy, sample, n);
		mountinfo_parse(&m, copy, n);
		mountinfo_free(&m);
	}
	tap_ok(1, "cut anywhere");
	tap_ok(mountinfo_read(&m) == 0 && mountinfo_top(&m, "/proc"),
	    "this machine's");
	mountinfo_free(&m);
}

int
main(void)
{
	fields();
	stacks();
	damage();
	return tap_done();
}
