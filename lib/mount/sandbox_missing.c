#include "mount/sandbox_missing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"

void
sandbox_packages(struct buf *names)
{
	static const struct {
		const char *program, *file, *package;
	} needs[] = {
		{ "linux.uml", "/usr/lib/uml/modules", "user-mode-linux" },
		{ "fusermount3", NULL, "fuse3" },
		{ "modprobe", NULL, "kmod" },
	};
	size_t i;

	for (i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if (!program_installed(needs[i].program) || (needs[i].file &&
		    access(needs[i].file, F_OK) < 0))
			buf_printf(names, "%s%s", names->len ? ", " : "",
			    needs[i].package);
}

char *
sandbox_missing(void)
{
	struct buf names = BUF_INIT;
	char *clause = NULL;

	sandbox_packages(&names);
	if (names.len)
		clause = xasprintf("not installed: %s", names.data);
	else if (access("/dev/fuse", R_OK | W_OK) < 0)
		clause = xstrdup("/dev/fuse cannot be used");
	buf_free(&names);
	return clause;
}
