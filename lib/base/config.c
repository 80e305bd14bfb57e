#define _GNU_SOURCE
#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/num.h"

static const struct {
	const char *name;
	const char *synonym;		/* the spelling with NTT_ */
	const char *fallback;
	const char *below_home;		/* with NTT_HOME */
} keys[CONFIG_KEYS] = {
	[CONFIG_HOME] = { "NTT_HOME", NULL, NULL, NULL },
	[CONFIG_DB_URL] = { "NTT_DB_URL", NULL, "postgresql:///copyjob",
		NULL },
	[CONFIG_IMAGE_ROOT] = { "IMAGE_ROOT", "NTT_IMAGE_ROOT",
		"/data/fast/img", "img" },
	[CONFIG_RAW_ROOT] = { "RAW_ROOT", "NTT_RAW_ROOT",
		"/data/fast/raw", "raw" },
	[CONFIG_BYHASH_ROOT] = { "BYHASH_ROOT", "NTT_BYHASH_ROOT",
		"/data/cold/by-hash", "by-hash" },
	[CONFIG_ARCHIVED_ROOT] = { "ARCHIVED_ROOT", "NTT_ARCHIVED_ROOT",
		"/data/cold/archived", "archived" },
	[CONFIG_ARCHIVE_ROOT] = { "ARCHIVE_ROOT", "NTT_ARCHIVE_ROOT",
		"/data/cold/archives", "archives" },
	[CONFIG_MOUNT_ROOT] = { "NTT_MOUNT_ROOT", NULL, "/mnt/ntt", "mnt" },
	[CONFIG_LOG_DIR] = { "NTT_LOG_DIR", NULL, "/var/log/ntt", "log" },
	[CONFIG_RUN_DIR] = { "NTT_RUN_DIR", NULL, "/run/ntt", "run" },
	[CONFIG_IGNORE_PATTERNS] = { "NTT_IGNORE_PATTERNS", NULL, NULL, NULL },
	[CONFIG_RECHECK] = { "NTT_RECHECK", NULL, "90", NULL },
	[CONFIG_COPIES] = { "NTT_COPIES", NULL, "1", NULL },
	[CONFIG_DIGESTS] = { "NTT_DIGESTS", NULL, "", NULL },
	[CONFIG_ORGANIZATION] = { "NTT_ORGANIZATION", NULL, "", NULL },
	[CONFIG_CONTACT] = { "NTT_CONTACT", NULL, "", NULL },
	[CONFIG_HOOKS] = { "NTT_HOOKS", NULL, "/etc/ntt/hooks.d", NULL },
	[CONFIG_HOOK_TIMEOUT] = { "NTT_HOOK_TIMEOUT", NULL, "60", NULL },
};

static const char system_file[] = "/etc/ntt/ntt.env";

static struct {
	char *value, *origin;
} values[CONFIG_KEYS];
static char *error;

static void __attribute__((format(printf, 1, 2)))
fail(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	free(error);
	error = buf_detach(&b);
}

const char *
config_error(void)
{
	return error ? error : "";
}

static int
is_path(enum config_key key)
{
	switch (key) {
	case CONFIG_DB_URL:
	case CONFIG_RECHECK:
	case CONFIG_COPIES:
	case CONFIG_DIGESTS:
	case CONFIG_ORGANIZATION:
	case CONFIG_CONTACT:
	case CONFIG_HOOK_TIMEOUT:
		return 0;
	default:
		return 1;
	}
}

static void
assign(enum config_key key, const char *value, const char *origin)
{
	free(values[key].value);
	free(values[key].origin);
	values[key].origin = xstrdup(origin);
	/* relative paths mean the directory the program was started in */
	values[key].value = is_path(key) && *value ? path_absolute(value) :
	    xstrdup(value);
}

void
config_set(enum config_key key, const char *value)
{
	assign(key, value, "flag");
	setenv(keys[key].name, values[key].value, 1);
}

static int
find_key(const char *name)
{
	int key;

	for (key = 0; key < CONFIG_KEYS; key++)
		if (!strcmp(name, keys[key].name) ||
		    (keys[key].synonym && !strcmp(name, keys[key].synonym)))
			return key;
	return -1;
}

/* One logical line: [export] KEY=VALUE [# comment]; -1 if it is not that. */
static int
parse_line(char *line, char **key, char **value)
{
	char *p = line + strspn(line, " \t"), *out;
	char quote;

	*key = NULL;
	if (*p == '\0' || *p == '#')
		return 0;
	if (!strncmp(p, "export", 6) && (p[6] == ' ' || p[6] == '\t'))
		p += 6 + strspn(p + 6, " \t");
	*key = p;
	p += strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_");
	if (p == *key || *p != '=')
		return -1;
	*p++ = '\0';
	quote = *p == '"' || *p == '\'' ? *p : '\0';
	*value = out = p;
	if (quote) {
		for (p++; *p && *p != quote; p++) {
			if (quote == '"' && *p == '\\' && p[1] &&
			    strchr("\"\\$`", p[1]))
				p++;
			*out++ = *p;
		}
		if (*p != quote)
			return -1;
		p++;
	} else {
		while (*p && *p != ' ' && *p != '\t')
			*out++ = *p++;
	}
	p += strspn(p, " \t");
	if (*p != '\0' && *p != '#')
		return -1;
	*out = '\0';
	return 0;
}

int
config_parse(const char *text, size_t len, const char *name,
    void (*set)(void *arg, const char *key, const char *value, int line),
    void *arg)
{
	const char *end = text + len, *p, *eol;
	int number = 1, rc = 0;

	for (p = text; p < end && rc == 0; p = eol + 1, number++) {
		char *line, *key, *value;
		size_t n;

		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		n = (size_t)(eol - p);
		if (memchr(p, '\0', n)) {
			fail("%s:%d: cannot read a line with a NUL byte",
			    name, number);
			return -1;
		}
		if (n > 0 && p[n - 1] == '\r')
			n--;
		line = xmalloc(n + 1);
		memcpy(line, p, n);
		line[n] = '\0';
		if (parse_line(line, &key, &value) < 0) {
			fail("%s:%d: expected KEY=VALUE", name, number);
			rc = -1;
		} else if (key) {
			set(arg, key, value, number);
		}
		free(line);
	}
	return rc;
}

static void
set_from_file(void *arg, const char *name, const char *value, int line)
{
	char *origin;
	int key = find_key(name);

	/* a file may hold other programs' settings too */
	if (key < 0)
		return;
	origin = xasprintf("%s:%d", (const char *)arg, line);
	assign((enum config_key)key, value, origin);
	free(origin);
}

/* A file that is not there is fine; one that cannot be read is not. */
static int
load_file(const char *path)
{
	enum { MAX_BYTES = 1 << 20 };
	char *text = NULL;
	ssize_t len;
	int fd, rc = -1;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR ||
	    errno == EACCES))
		return 0;
	if (fd < 0) {
		fail("could not open \"%s\": %s", path, strerror(errno));
		return -1;
	}
	text = xmalloc(MAX_BYTES);
	len = read_full(fd, text, MAX_BYTES);
	if (len < 0)
		fail("could not read \"%s\": %s", path, strerror(errno));
	else if (len == MAX_BYTES)
		fail("\"%s\" is too long for a configuration file", path);
	else
		rc = config_parse(text, (size_t)len, path, set_from_file,
		    (void *)(uintptr_t)path);
	free(text);
	close(fd);
	return rc;
}

static void
load_environment(void)
{
	int key;

	for (key = 0; key < CONFIG_KEYS; key++) {
		const char *value = getenv(keys[key].name);

		if (!value && keys[key].synonym)
			value = getenv(keys[key].synonym);
		/* only ARCHIVED_ROOT has a meaning when it is empty */
		if (value && (*value || key == CONFIG_ARCHIVED_ROOT))
			assign((enum config_key)key, value, "environment");
	}
}

static void
fill_defaults(void)
{
	const char *home = values[CONFIG_HOME].value;
	int key;

	for (key = 0; key < CONFIG_KEYS; key++) {
		char *path;

		if (values[key].value)
			continue;
		if (home && keys[key].below_home) {
			path = path_join(home, keys[key].below_home);
			assign((enum config_key)key, path, "NTT_HOME");
			free(path);
		} else if (home && key == CONFIG_DB_URL) {
			/* the module that knows the cluster spells it out */
			assign(key, "", "NTT_HOME");
		} else if (keys[key].fallback) {
			assign((enum config_key)key, keys[key].fallback,
			    "default");
		}
	}
}

const struct invoker *
config_invoker(void)
{
	static struct invoker who;
	static int known;
	const char *sudo_uid = getenv("SUDO_UID");
	struct passwd *pw;
	uint64_t uid;

	if (known)
		return &who;
	known = 1;
	who.uid = getuid();
	who.gid = getgid();
	if (geteuid() == 0 && sudo_uid &&
	    num_u64(sudo_uid, 0, UINT32_MAX - 1, &uid) == 0) {
		who.uid = (unsigned int)uid;
		who.sudo = 1;
	}
	pw = getpwuid(who.uid);
	if (pw) {
		who.gid = who.sudo ? pw->pw_gid : who.gid;
		who.name = xstrdup(pw->pw_name);
		who.home = xstrdup(pw->pw_dir);
	}
	if (!who.sudo && getenv("HOME"))
		who.home = xstrdup(getenv("HOME"));
	return &who;
}

static void
forget(void)
{
	int key;

	for (key = 0; key < CONFIG_KEYS; key++) {
		free(values[key].value);
		free(values[key].origin);
		values[key].value = values[key].origin = NULL;
	}
}

int
config_load(void)
{
	const struct invoker *who = config_invoker();
	char *path;
	int rc;

	forget();
	if (load_file(system_file) < 0)
		return -1;
	if (who->home) {
		path = path_join(who->home, ".config/ntt/ntt.env");
		rc = load_file(path);
		free(path);
		if (rc < 0)
			return -1;
	}
	load_environment();
	fill_defaults();
	return 0;
}

int
config_load_privileged(void)
{
	forget();
	if (load_file(system_file) < 0)
		return -1;
	if (!getenv("SUDO_UID") && getuid() == geteuid())
		load_environment();
	fill_defaults();
	return 0;
}

const char *
config_get(enum config_key key)
{
	return values[key].value;
}

const char *
config_name(enum config_key key)
{
	return keys[key].name;
}

const char *
config_origin(enum config_key key)
{
	return values[key].origin ? values[key].origin : "unset";
}

int
config_private_cluster(void)
{
	return values[CONFIG_HOME].value &&
	    !strcmp(config_origin(CONFIG_DB_URL), "NTT_HOME");
}

int
config_all_default(void)
{
	int key;

	for (key = 0; key < CONFIG_KEYS; key++)
		if (values[key].value &&
		    strcmp(values[key].origin, "default"))
			return 0;
	return 1;
}

int
config_make_parents(const char *path)
{
	static const enum config_key roots[] = { CONFIG_HOME,
		CONFIG_IMAGE_ROOT, CONFIG_RAW_ROOT, CONFIG_BYHASH_ROOT,
		CONFIG_ARCHIVED_ROOT, CONFIG_ARCHIVE_ROOT, CONFIG_MOUNT_ROOT,
		CONFIG_LOG_DIR, CONFIG_RUN_DIR };
	char *absolute = path_absolute(path);
	size_t i, len;
	int rc = 0;

	for (i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		const char *root = config_get(roots[i]);

		len = root ? strlen(root) : 0;
		if (len == 0 || strncmp(absolute, root, len) ||
		    absolute[len] != '/')
			continue;
		rc = make_parents(absolute);
		break;
	}
	free(absolute);
	return rc;
}
