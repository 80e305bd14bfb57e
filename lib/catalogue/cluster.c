#define _GNU_SOURCE
#include "catalogue/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/lock.h"
#include "base/spawn.h"
#include "base/tempfile.h"

const char cluster_database[] = "copyjob";

static const char role[] = "ntt";
/* What PostgreSQL adds to unix_socket_directories. */
#define SOCKET_NAME "/.s.PGSQL.5432"

enum { START_SECONDS = 120 };

/* The account the server runs as. */
struct account {
	uid_t uid;
	gid_t gid;
	char name[64];
};

static char *
pg_path(const char *below)
{
	char *pg = path_join(config_get(CONFIG_HOME), "pg");
	char *path = *below ? path_join(pg, below) : xstrdup(pg);

	free(pg);
	return path;
}

static int
exists(const char *below)
{
	char *path = pg_path(below);
	int found = access(path, F_OK) == 0;

	free(path);
	return found;
}

static void
put_quoted(struct buf *out, const char *value)
{
	buf_putc(out, '\'');
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *value);
	}
	buf_putc(out, '\'');
}

void
cluster_conninfo(struct buf *out, const char *database)
{
	static int fd = -1;
	struct sockaddr_un address;
	char *dir = pg_path("");

	if (strlen(dir) + sizeof SOCKET_NAME > sizeof address.sun_path) {
		if (fd < 0)
			fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		free(dir);
		dir = xasprintf("/proc/self/fd/%d", fd);
	}
	buf_puts(out, "host=");
	put_quoted(out, dir);
	buf_printf(out, " port=5432 user=%s dbname=%s", role,
	    database ? database : cluster_database);
	free(dir);
}

void
cluster_url(struct buf *out)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	char *dir = pg_path("");
	const char *p;

	buf_printf(out, "postgresql://%s@/%s?host=", role, cluster_database);
	for (p = dir; *p; p++)
		if (strchr(safe, *p))
			buf_putc(out, *p);
		else
			buf_printf(out, "%%%02X", (unsigned char)*p);
	free(dir);
}

/* A server that is there and answers nothing is not down. */
static int
server_lives(void)
{
	char *path = pg_path("data/postmaster.pid"), name[16] = "", state = 'X';
	FILE *f = fopen(path, "re");
	long pid;
	int known = f && fscanf(f, "%ld", &pid) == 1;

	free(path);
	if (f)
		fclose(f);
	if (!known)
		return 0;
	/* its number may be another's by now */
	path = xasprintf("/proc/%ld/stat", pid);
	f = fopen(path, "re");
	known = f && fscanf(f, "%*d (%15[^)]) %c", name, &state) == 2;
	if (f)
		fclose(f);
	free(path);
	/* one that was killed stays as long as nobody has asked for it */
	return known && !strcmp(name, "postgres") && state != 'Z' &&
	    state != 'X';
}

enum cluster_state
cluster_state(void)
{
	struct buf info = BUF_INIT;
	PGPing ping;

	if (!exists("data"))
		return CLUSTER_NONE;
	cluster_conninfo(&info, "postgres");
	buf_puts(&info, " connect_timeout=5");
	ping = PQping(info.data);
	buf_free(&info);
	switch (ping) {
	case PQPING_OK:
		return CLUSTER_UP;
	case PQPING_REJECT:
		return CLUSTER_BUSY;
	default:
		return server_lives() ? CLUSTER_BUSY : CLUSTER_DOWN;
	}
}

/* Who the server is to run as; 0 or an exit status. */
static int
find_account(struct account *a)
{
	const struct invoker *who = config_invoker();
	const struct passwd *pw;

	pw = geteuid() != 0 ? getpwuid(geteuid()) : who->sudo && who->uid ?
	    getpwuid(who->uid) : getpwnam("postgres");
	if (!pw && geteuid() == 0) {
		warn("PostgreSQL cannot run as root and there is no user "
		    "\"postgres\"");
		return EXIT_FAILED;
	}
	a->uid = pw ? pw->pw_uid : geteuid();
	a->gid = pw ? pw->pw_gid : getegid();
	/* peer authentication goes by name, so there must be one */
	if (!pw) {
		warn("user id %u has no name, and PostgreSQL needs one",
		    geteuid());
		return EXIT_FAILED;
	}
	snprintf(a->name, sizeof a->name, "%s", pw->pw_name);
	return 0;
}

/* The numerically last directory of Debian's /usr/lib/postgresql/N/bin. */
static int
newest_version(void)
{
	DIR *dir = opendir("/usr/lib/postgresql");
	const struct dirent *entry;
	int best = 0;

	while (dir && (entry = readdir(dir))) {
		int version = atoi(entry->d_name);
		char *path = xasprintf("/usr/lib/postgresql/%s/bin/initdb",
		    entry->d_name);

		if (version > best && access(path, X_OK) == 0)
			best = version;
		free(path);
	}
	if (dir)
		closedir(dir);
	return best;
}

/* A server program, of the version of the data when there is data. */
static char *
server_program(const char *name)
{
	char *version_file = pg_path("data/PG_VERSION"), *path = NULL;
	int version = 0;
	FILE *f = fopen(version_file, "re");

	free(version_file);
	if (f) {
		if (fscanf(f, "%d", &version) != 1)
			version = 0;
		fclose(f);
	}
	if (version == 0)
		version = newest_version();
	if (version > 0) {
		path = xasprintf("/usr/lib/postgresql/%d/bin/%s", version,
		    name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return program_path(name);
}

int
cluster_possible(void)
{
	char *initdb = server_program("initdb");
	char *pg_ctl = server_program("pg_ctl");
	int possible = initdb && pg_ctl;

	free(initdb);
	free(pg_ctl);
	return possible;
}

/* The last line a failed program left is the one that says why. */
static void
explain(const char *name, int status, const struct buf *output)
{
	const char *end = output->data + output->len, *p = end;

	while (p > output->data && p[-1] == '\n')
		end = --p;
	while (p > output->data && p[-1] != '\n')
		p--;
	warn("\"%s\" ended with status %d%s%s", name, status,
	    p < end ? ": " : "",
	    p < end ? quoted_bytes(p, (size_t)(end - p)) : "");
}

static int
keep_lock(void *arg)
{
	const int *lock = arg;

	return *lock < 0 ? 0 : fcntl(*lock, F_SETFD, 0);
}

/*
 * Runs a server program on pg/ as the account.  It holds the lock too, unless
 * that is -1: under another account it outlives us when we are killed.  Its directory is passed as a
 * descriptor, because the account may not be allowed to walk there (root's own
 * directories are often closed to others).  What it says goes to output.
 */
static int
run_server_program(const struct account *a, const char *name,
    const char *const args[], int lock, struct buf *output)
{
	struct spawn_io io = SPAWN_INHERIT;
	char *argv[32], *program = server_program(name), *dir = pg_path("");
	char *uid = xasprintf("--reuid=%u", a->uid);
	char *gid = xasprintf("--regid=%u", a->gid);
	int n = 0, i, status = EXIT_NOPROG;

	if (!program) {
		warn("could not find PostgreSQL's \"%s\": install package "
		    "postgresql", name);
		goto out;
	}
	if (geteuid() == 0) {
		argv[n++] = (char *)"setpriv";
		argv[n++] = uid;
		argv[n++] = gid;
		argv[n++] = (char *)"--init-groups";
		argv[n++] = (char *)"--";
	}
	argv[n++] = program;
	for (i = 0; args[i]; i++) {
		if (n == (int)(sizeof argv / sizeof argv[0]) - 1)
			abort();
		argv[n++] = (char *)(uintptr_t)args[i];
	}
	argv[n] = NULL;
	/* the program's own current directory must be one it can enter */
	io.keep = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (io.keep >= 0 && dup3(io.keep, 200, O_CLOEXEC) == 200) {
		close(io.keep);
		io.keep = 200;
	}
	io.in = SPAWN_NULL;
	io.err = SPAWN_OUT;
	io.chdir_root = 1;
	io.prepare = keep_lock;
	io.arg = &lock;
	status = run_capture(argv, &io, output, 1 << 16, 0);
	if (io.keep >= 0)
		close(io.keep);
out:
	free(program);
	free(dir);
	free(uid);
	free(gid);
	return status;
}

/* What args name of pg/: see run_server_program(). */
#define PG_DIR "/proc/self/fd/200"

static int
write_file(const char *below, const struct buf *text, const struct account *a)
{
	char *path = pg_path(below);
	struct tempfile t;
	int rc = -1;

	if (tempfile_open(&t, path) == 0) {
		if (write_all(t.fd, text->data, text->len) == 0 &&
		    fchmod(t.fd, 0600) == 0 &&
		    (geteuid() != 0 || fchown(t.fd, a->uid, a->gid) == 0))
			rc = tempfile_commit(&t);
		tempfile_abort(&t);
	}
	if (rc < 0)
		warn("could not write %s: %m", quoted(path));
	free(path);
	return rc;
}

static long
clamp(long value, long low, long high)
{
	return value < low ? low : value > high ? high : value;
}

/*
 * For bulk loads into tables of the same transaction wal_level minimal writes
 * no WAL at all.  A query over hundreds of media locks each partition and each
 * index, hence max_locks_per_transaction.
 */
static void
put_settings(struct buf *b)
{
	long megabytes = sysconf(_SC_PHYS_PAGES) / 1024 *
	    sysconf(_SC_PAGESIZE) / 1024;

	buf_printf(b,
	    "listen_addresses = ''\n"
	    "unix_socket_directories = '..'\n"
	    "port = 5432\n"
	    "max_connections = 100\n"
	    "max_locks_per_transaction = 1024\n"
	    "shared_buffers = %ldMB\n"
	    "maintenance_work_mem = %ldMB\n"
	    "work_mem = 32MB\n"
	    "effective_cache_size = %ldMB\n"
	    "random_page_cost = 1.1\n"
	    "jit = off\n"
	    "fsync = on\n"
	    "synchronous_commit = on\n"
	    "wal_level = minimal\n"
	    "max_wal_senders = 0\n"
	    "max_wal_size = 4GB\n"
	    "checkpoint_timeout = 15min\n"
	    "log_min_messages = warning\n"
	    "log_line_prefix = '%%m [%%p] %%a '\n"
	    "timezone = 'UTC'\n",
	    clamp(megabytes / 8, 64, 2048), clamp(megabytes / 32, 64, 1024),
	    clamp(megabytes / 2, 128, 1 << 20));
}

static int
write_settings(const char *data, const struct account *a)
{
	struct buf text = BUF_INIT;
	char *conf = path_join(data, "postgresql.conf");
	char *hba = path_join(data, "pg_hba.conf");
	char *ident = path_join(data, "pg_ident.conf");
	int rc;

	put_settings(&text);
	rc = write_file(conf, &text, a);
	buf_reset(&text);
	buf_puts(&text, "local all all peer map=ntt\n");
	if (rc == 0)
		rc = write_file(hba, &text, a);
	buf_reset(&text);
	buf_printf(&text, "ntt root %s\n", role);
	if (a->uid != 0)
		buf_printf(&text, "ntt %s %s\n", a->name, role);
	if (rc == 0)
		rc = write_file(ident, &text, a);
	buf_free(&text);
	free(conf);
	free(hba);
	free(ident);
	return rc;
}

static int
remove_tree(const char *path)
{
	char *argv[] = { (char *)"rm", (char *)"-rf", (char *)"--",
		(char *)(uintptr_t)path, NULL };

	return run(argv, NULL);
}

static int
make_pg_dir(const struct account *a)
{
	char *dir = pg_path("");
	int rc = make_dirs(dir);

	/* others pass through to the socket, where peer authentication is */
	if (rc == 0 && geteuid() == 0)
		rc = chown(dir, a->uid, a->gid);
	if (rc < 0)
		warn("could not make %s: %m", quoted(dir));
	free(dir);
	return rc;
}

/* One start, stop or initdb at a time; -1 when the lock is not to be had. */
static int
lock_cluster(void)
{
	int lock = lock_wait(config_get(CONFIG_HOME), "pg.lock",
	    LOCK_EXCLUSIVE);

	if (lock < 0)
		warn("could not lock %s: %m", quoted(config_get(CONFIG_HOME)));
	return lock;
}

static int
init_locked(const struct account *a, int lock)
{
	static const char *const args[] = { "-D", PG_DIR "/data.partial",
		"--username=ntt", "--auth=peer", "--encoding=UTF8",
		"--locale=C", "--data-checksums", NULL };
	char *partial = pg_path("data.partial"), *data = pg_path("data");
	struct buf output = BUF_INIT;
	int status = EXIT_FAILED;

	if (exists("data")) {
		status = EXIT_DONE;
		goto out;
	}
	if (make_pg_dir(a) < 0)
		goto out;
	if (remove_tree(partial) != 0)
		goto out;
	status = run_server_program(a, "initdb", args, lock, &output);
	if (status != EXIT_DONE) {
		explain("initdb", status, &output);
		goto out;
	}
	status = EXIT_FAILED;
	if (write_settings("data.partial", a) < 0)
		goto out;
	if (rename(partial, data) < 0 || fsync_parent(data) < 0) {
		warn("could not rename %s to %s: %m", quoted(partial),
		    quoted(data));
		goto out;
	}
	status = EXIT_DONE;
out:
	buf_free(&output);
	free(partial);
	free(data);
	return status;
}

int
cluster_init(void)
{
	struct account a;
	int lock, status = find_account(&a);

	if (status)
		return status;
	if (make_dirs(config_get(CONFIG_HOME)) < 0) {
		warn("could not make %s: %m", quoted(config_get(CONFIG_HOME)));
		return EXIT_FAILED;
	}
	lock = lock_cluster();
	if (lock < 0)
		return EXIT_AGAIN;
	status = init_locked(&a, lock);
	lock_release(lock);
	return status;
}

static void
pause_ms(long ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

static int
wait_until_up(void)
{
	int i;

	for (i = 0; i < START_SECONDS * 10; i++) {
		enum cluster_state state = cluster_state();

		if (state != CLUSTER_BUSY)
			return state == CLUSTER_UP;
		pause_ms(100);
	}
	return 0;
}

static int
start_locked(const struct account *a)
{
	static const char *const args[] = { "start", "--wait", "--silent",
		"--timeout=120", "--pgdata=" PG_DIR "/data",
		"--log=" PG_DIR "/log", NULL };
	enum { TRIES = 20 };
	struct buf output = BUF_INIT;
	int i, status;

	switch (cluster_state()) {
	case CLUSTER_NONE:
		warn("NTT_HOME has no database yet: run \"ntt-db init\"");
		return EXIT_FAILED;
	case CLUSTER_UP:
		return EXIT_DONE;
	case CLUSTER_BUSY:
		if (wait_until_up())
			return EXIT_DONE;
		break;
	case CLUSTER_DOWN:
		break;
	}
	/* after a kill the old server's children still need to notice */
	for (i = 0; i < TRIES; i++) {
		buf_reset(&output);
		status = run_server_program(a, "pg_ctl", args, -1,
		    &output);
		if (status == EXIT_DONE && wait_until_up()) {
			buf_free(&output);
			return EXIT_DONE;
		}
		if (status == EXIT_NOPROG || !exists("data/postmaster.pid"))
			break;
		pause_ms(500);
	}
	explain("pg_ctl", status, &output);
	buf_free(&output);
	warn("PostgreSQL's own log is \"%s/pg/log\"",
	    config_get(CONFIG_HOME));
	return EXIT_AGAIN;
}

int
cluster_start(void)
{
	struct account a;
	int lock, status = find_account(&a);

	if (status)
		return status;
	if (!exists("data")) {
		warn("NTT_HOME has no database yet: run \"ntt-db init\"");
		return EXIT_FAILED;
	}
	lock = lock_cluster();
	if (lock < 0)
		return EXIT_AGAIN;
	status = start_locked(&a);
	lock_release(lock);
	return status;
}

int
cluster_stop(void)
{
	static const char *const args[] = { "stop", "--wait", "--silent",
		"--mode=fast", "--timeout=120", "--pgdata=" PG_DIR "/data",
		NULL };
	struct buf output = BUF_INIT;
	struct account a;
	int lock, status = find_account(&a);

	if (status)
		return status;
	if (cluster_state() <= CLUSTER_DOWN)
		return EXIT_DONE;
	lock = lock_cluster();
	if (lock < 0)
		return EXIT_AGAIN;
	status = run_server_program(&a, "pg_ctl", args, -1, &output);
	if (status != EXIT_DONE)
		explain("pg_ctl", status, &output);
	buf_free(&output);
	lock_release(lock);
	return status == EXIT_DONE ? EXIT_DONE : EXIT_FAILED;
}
