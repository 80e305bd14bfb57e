#include "base/medium_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"

static char *
below(enum config_key root, const char *medium, const char *suffix)
{
	return xasprintf("%s/%s%s", config_get(root), medium, suffix);
}

char *
medium_image(const char *medium)
{
	return below(CONFIG_IMAGE_ROOT, medium, ".img");
}

char *
medium_raw(const char *medium)
{
	return below(CONFIG_RAW_ROOT, medium, ".raw");
}

char *
medium_archive(const char *medium)
{
	return below(CONFIG_ARCHIVE_ROOT, medium, ".tar.zst");
}

char *
medium_catalogue(const char *medium, unsigned int number)
{
	char *suffix = number < 2 ? xstrdup(".catalogue.zst") :
	    xasprintf(".%u.catalogue.zst", number);
	char *path = below(CONFIG_ARCHIVE_ROOT, medium, suffix);

	free(suffix);
	return path;
}

char *
medium_mount_point(const char *medium)
{
	return below(CONFIG_MOUNT_ROOT, medium, "");
}

char *
medium_tree(const char *medium)
{
	return below(CONFIG_ARCHIVED_ROOT, medium, "");
}

char *
medium_registry(const char *run_dir, const char *medium)
{
	return xasprintf("%s/mount-%s.registry", run_dir, medium);
}

char *
medium_refused(const char *run_dir, const char *medium)
{
	return xasprintf("%s/view-%s.refused", run_dir, medium);
}

char *
medium_failing(const char *mount_root, const char *medium)
{
	return xasprintf("%s/" MEDIUM_FAILING "/%s", mount_root, medium);
}

char *
image_companion(const char *image, const char *suffix)
{
	size_t len = strlen(image);

	if (len > 4 && !strcmp(image + len - 4, ".img"))
		len -= 4;
	return xasprintf("%.*s%s", (int)len, image, suffix);
}

char *
image_map(const char *image)
{
	return image_companion(image, ".map");
}

char *
medium_mount_lock(const char *medium)
{
	return xasprintf("mount-%s.lock", medium);
}

char *
medium_use_lock(const char *medium)
{
	return xasprintf("use-%s.lock", medium);
}

char *
medium_run_lock(const char *medium)
{
	return xasprintf("orchestrator-%s.lock", medium);
}

char *
medium_sandbox_lock(const char *medium)
{
	return xasprintf("sandbox-%s.lock", medium);
}
