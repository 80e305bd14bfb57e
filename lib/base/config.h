/*
 * Configuration: environment, then ~/.config/ntt/ntt.env, then
 * /etc/ntt/ntt.env, then the defaults of ntt(7); NTT_HOME moves the defaults.
 * Files are KEY=VALUE lines and are never executed.
 */
#ifndef NTT_CONFIG_H
#define NTT_CONFIG_H

#include <stddef.h>

enum config_key {
	CONFIG_HOME,
	CONFIG_DB_URL,
	CONFIG_IMAGE_ROOT,
	CONFIG_RAW_ROOT,
	CONFIG_BYHASH_ROOT,
	CONFIG_ARCHIVED_ROOT,	/* "": no tree */
	CONFIG_ARCHIVE_ROOT,
	CONFIG_MOUNT_ROOT,
	CONFIG_LOG_DIR,
	CONFIG_RUN_DIR,
	CONFIG_IGNORE_PATTERNS,
	CONFIG_RECHECK,
	CONFIG_COPIES,
	CONFIG_DIGESTS,
	CONFIG_ORGANIZATION,
	CONFIG_CONTACT,
	CONFIG_HOOKS,
	CONFIG_HOOK_TIMEOUT,
	CONFIG_KEYS
};

/* 0, or -1 with config_error() saying where and why. */
int config_load(void);
/*
 * Settings that a program with root rights may believe: those in
 * /etc/ntt/ntt.env, and its environment only if it was not started through
 * sudo.
 */
int config_load_privileged(void);
const char *config_error(void);

/* NULL when unset (NTT_HOME and NTT_IGNORE_PATTERNS only). */
const char *config_get(enum config_key key);
const char *config_name(enum config_key key);	/* "NTT_DB_URL" */
/* "environment", "default", "NTT_HOME", or "file:line". */
const char *config_origin(enum config_key key);
/* The database is the private cluster in NTT_HOME. */
int config_private_cluster(void);
/* Nothing was set anywhere. */
int config_all_default(void);

/*
 * The directories of an output that a person may have named: made below the
 * roots, and nowhere else, because a name that was mistyped makes no directory.
 * 0, or -1 with errno.
 */
int config_make_parents(const char *path);

/* Sets a value as a flag would, for this process and its children. */
void config_set(enum config_key key, const char *value);

/*
 * Parses the text of a file; name is for messages.  For config_load() and the
 * fuzzer.  set() is called for each pair, with the number of the line.
 */
int config_parse(const char *text, size_t len, const char *name,
	void (*set)(void *arg, const char *key, const char *value, int line),
	void *arg);

/*
 * Who asked: the user who ran sudo, or ourselves.  home may be NULL.
 * The strings live as long as the process.
 */
struct invoker {
	unsigned int uid, gid;
	const char *name, *home;
	int sudo;		/* we are root on behalf of that user */
};
const struct invoker *config_invoker(void);

#endif
