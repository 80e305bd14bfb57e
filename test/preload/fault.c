/*
 * Preloaded into a program, makes one of its library calls fail.
 *
 *	NTT_FAULT_IN=ntt-copier		the program, children of others are spared
 *	NTT_FAULT=write:12:ENOSPC	the 12th call of the family, once
 *	NTT_FAULT=write:12+:ENOSPC	and every one after it
 *	NTT_FAULT_COUNTS=FILE		calls of each family, in order of enum
 *					family, as numbers of 64 bits; then 1 if
 *					the failure happened
 *
 * Instead of an errno "short" makes read and write do half of what they were
 * asked, as signals and full pipes do.  Counts are shared with what the program
 * forks.  What libc does inside itself (stdio) is not seen; stepper sees that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <regex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum family {
	F_WRITE, F_SYNC, F_RENAME, F_LINK, F_OPEN, F_MKDIR, F_MALLOC, F_READ,
	F_UNLINK, F_CLOSE, F_SEND, F_RECV, F_FORK, F_TRUNCATE, F_STAT,
	F_MOUNT, FAMILIES
};

enum { SHORT = -1 };

static const char *const names[FAMILIES] = {
	"write", "sync", "rename", "link", "open", "mkdir", "malloc", "read",
	"unlink", "close", "send", "recv", "fork", "truncate", "stat", "mount"
};

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EINTR", EINTR },
	{ "ENOMEM", ENOMEM }, { "EMFILE", EMFILE }, { "EACCES", EACCES },
	{ "EDQUOT", EDQUOT }, { "EAGAIN", EAGAIN },
	{ "ECONNRESET", ECONNRESET }, { "EPERM", EPERM }, { "short", SHORT }
};

static uint64_t *counts;	/* FAMILIES of them and one; NULL: not here */
static int family = -1, fault, for_ever;
static uint64_t nth;

static void
parse(const char *text)
{
	char name[16], error[16];
	unsigned long long n;
	char plus = ':';
	size_t i;

	if (sscanf(text, "%15[a-z]:%llu%c", name, &n, &plus) < 2)
		return;
	for_ever = plus == '+';
	text = strrchr(text, ':');
	snprintf(error, sizeof error, "%s", text + 1);
	for (i = 0; i < FAMILIES; i++)
		if (!strcmp(name, names[i]))
			family = (int)i;
	for (i = 0; i < sizeof errors / sizeof *errors; i++)
		if (!strcmp(error, errors[i].name))
			fault = errors[i].number;
	nth = n;
}

static void __attribute__((constructor))
start(void)
{
	const char *in = getenv("NTT_FAULT_IN"), *file;
	size_t size = (FAMILIES + 1) * sizeof *counts;
	void *map = MAP_FAILED;
	int fd;

	if (!in || strcmp(in, program_invocation_short_name))
		return;
	file = getenv("NTT_FAULT_COUNTS");
	fd = file ? (int)syscall(SYS_openat, AT_FDCWD, file,
	    O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
	if (fd >= 0) {
		if (syscall(SYS_ftruncate, fd, size) == 0)
			map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
		syscall(SYS_close, fd);
	}
	if (map == MAP_FAILED)
		return;
	if (getenv("NTT_FAULT"))
		parse(getenv("NTT_FAULT"));
	counts = map;
}

/* For who measures: nothing fails from now on. */
void fault_over(void);

void
fault_over(void)
{
	counts = NULL;
}

/* 0, or the errno this call is to fail with, or SHORT. */
static int
fails(enum family f)
{
	uint64_t n;

	if (!counts)
		return 0;
	n = __atomic_add_fetch(&counts[f], 1, __ATOMIC_RELAXED);
	if ((int)f != family || n < nth || (n > nth && !for_ever))
		return 0;
	counts[FAMILIES] = 1;
	return fault;
}

#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
		real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* The failing of a call that has no short form. */
#define FAIL(f, value) do { \
	int err_ = fails(f); \
	if (err_ > 0) { \
		errno = err_; \
		return value; \
	} \
} while (0)

/* The same where less can be done than was asked. */
#define FAIL_OR_CUT(f, len) do { \
	int err_ = fails(f); \
	if (err_ > 0) { \
		errno = err_; \
		return -1; \
	} \
	if (err_ == SHORT && len > 1) \
		len /= 2; \
} while (0)

/* Standard error is spared: it is where the failure is told. */
ssize_t
write(int fd, const void *p, size_t len)
{
	REAL(write);
	if (fd != STDERR_FILENO)
		FAIL_OR_CUT(F_WRITE, len);
	return real(fd, p, len);
}

ssize_t
pwrite(int fd, const void *p, size_t len, off_t at)
{
	REAL(pwrite);
	FAIL_OR_CUT(F_WRITE, len);
	return real(fd, p, len, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t len, off_t at)
{
	REAL(pwrite64);
	FAIL_OR_CUT(F_WRITE, len);
	return real(fd, p, len, at);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	REAL(writev);
	FAIL(F_WRITE, -1);
	return real(fd, v, n);
}

ssize_t
read(int fd, void *p, size_t len)
{
	REAL(read);
	FAIL_OR_CUT(F_READ, len);
	return real(fd, p, len);
}

ssize_t
pread(int fd, void *p, size_t len, off_t at)
{
	REAL(pread);
	FAIL_OR_CUT(F_READ, len);
	return real(fd, p, len, at);
}

ssize_t
pread64(int fd, void *p, size_t len, off_t at)
{
	REAL(pread64);
	FAIL_OR_CUT(F_READ, len);
	return real(fd, p, len, at);
}

/* What _FORTIFY_SOURCE makes of them. */
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
ssize_t __pread64_chk(int, void *, size_t, off_t, size_t);
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);

ssize_t
__read_chk(int fd, void *p, size_t len, size_t size)
{
	REAL(__read_chk);
	FAIL_OR_CUT(F_READ, len);
	return real(fd, p, len, size);
}

ssize_t
__pread_chk(int fd, void *p, size_t len, off_t at, size_t size)
{
	REAL(__pread_chk);
	FAIL_OR_CUT(F_READ, len);
	return real(fd, p, len, at, size);
}

ssize_t
__pread64_chk(int fd, void *p, size_t len, off_t at, size_t size)
{
	REAL(__pread64_chk);
	FAIL_OR_CUT(F_READ, len);
	return real(fd, p, len, at, size);
}

int
fsync(int fd)
{
	REAL(fsync);
	FAIL(F_SYNC, -1);
	return real(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	FAIL(F_SYNC, -1);
	return real(fd);
}

int
syncfs(int fd)
{
	REAL(syncfs);
	FAIL(F_SYNC, -1);
	return real(fd);
}

int
rename(const char *a, const char *b)
{
	REAL(rename);
	FAIL(F_RENAME, -1);
	return real(a, b);
}

int
renameat(int a, const char *b, int c, const char *d)
{
	REAL(renameat);
	FAIL(F_RENAME, -1);
	return real(a, b, c, d);
}

int
renameat2(int a, const char *b, int c, const char *d, unsigned int e)
{
	REAL(renameat2);
	FAIL(F_RENAME, -1);
	return real(a, b, c, d, e);
}

int
link(const char *a, const char *b)
{
	REAL(link);
	FAIL(F_LINK, -1);
	return real(a, b);
}

int
linkat(int a, const char *b, int c, const char *d, int e)
{
	REAL(linkat);
	FAIL(F_LINK, -1);
	return real(a, b, c, d, e);
}

int
symlink(const char *a, const char *b)
{
	REAL(symlink);
	FAIL(F_LINK, -1);
	return real(a, b);
}

int
symlinkat(const char *a, int b, const char *c)
{
	REAL(symlinkat);
	FAIL(F_LINK, -1);
	return real(a, b, c);
}

int
mkdir(const char *a, mode_t b)
{
	REAL(mkdir);
	FAIL(F_MKDIR, -1);
	return real(a, b);
}

int
mkdirat(int a, const char *b, mode_t c)
{
	REAL(mkdirat);
	FAIL(F_MKDIR, -1);
	return real(a, b, c);
}

int
unlink(const char *a)
{
	REAL(unlink);
	FAIL(F_UNLINK, -1);
	return real(a);
}

int
unlinkat(int a, const char *b, int c)
{
	REAL(unlinkat);
	FAIL(F_UNLINK, -1);
	return real(a, b, c);
}

int
ftruncate(int fd, off_t size)
{
	REAL(ftruncate);
	FAIL(F_TRUNCATE, -1);
	return real(fd, size);
}

int
ftruncate64(int fd, off_t size)
{
	REAL(ftruncate64);
	FAIL(F_TRUNCATE, -1);
	return real(fd, size);
}

/* It is closed all the same, as the kernel does it. */
int
close(int fd)
{
	int err;

	REAL(close);
	err = fails(F_CLOSE);
	if (real(fd) < 0)
		return -1;
	if (err > 0) {
		errno = err;
		return -1;
	}
	return 0;
}

static mode_t
mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name) \
int \
name(const char *path, int flags, ...) \
{ \
	mode_t mode; \
	va_list ap; \
	REAL(name); \
	va_start(ap, flags); \
	mode = mode_of(flags, ap); \
	va_end(ap); \
	FAIL(F_OPEN, -1); \
	return real(path, flags, mode); \
}

#define OPENAT(name) \
int \
name(int dir, const char *path, int flags, ...) \
{ \
	mode_t mode; \
	va_list ap; \
	REAL(name); \
	va_start(ap, flags); \
	mode = mode_of(flags, ap); \
	va_end(ap); \
	FAIL(F_OPEN, -1); \
	return real(dir, path, flags, mode); \
}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int
__open_2(const char *path, int flags)
{
	REAL(__open_2);
	FAIL(F_OPEN, -1);
	return real(path, flags);
}

int
__open64_2(const char *path, int flags)
{
	REAL(__open64_2);
	FAIL(F_OPEN, -1);
	return real(path, flags);
}

int
__openat_2(int dir, const char *path, int flags)
{
	REAL(__openat_2);
	FAIL(F_OPEN, -1);
	return real(dir, path, flags);
}

int
__openat64_2(int dir, const char *path, int flags)
{
	REAL(__openat64_2);
	FAIL(F_OPEN, -1);
	return real(dir, path, flags);
}

/* openat2(2) has no function of its own. */
long
syscall(long number, ...)
{
	long a[6];
	va_list ap;
	int i;

	REAL(syscall);
	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2)
		FAIL(F_OPEN, -1);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int
fstat(int fd, struct stat *st)
{
	REAL(fstat);
	FAIL(F_STAT, -1);
	return real(fd, st);
}

int
stat(const char *path, struct stat *st)
{
	REAL(stat);
	FAIL(F_STAT, -1);
	return real(path, st);
}

int
fstatat(int dir, const char *path, struct stat *st, int flags)
{
	REAL(fstatat);
	FAIL(F_STAT, -1);
	return real(dir, path, st, flags);
}

int
mount(const char *a, const char *b, const char *c, unsigned long d,
    const void *e)
{
	REAL(mount);
	FAIL(F_MOUNT, -1);
	return real(a, b, c, d, e);
}

/* A connection that was reset is so in both directions. */
static ssize_t
reset(int fd, int err)
{
	shutdown(fd, SHUT_RDWR);
	errno = err;
	return -1;
}

ssize_t
send(int fd, const void *p, size_t len, int flags)
{
	int err = fails(F_SEND);

	REAL(send);
	return err > 0 ? reset(fd, err) : real(fd, p, len, flags);
}

ssize_t
recv(int fd, void *p, size_t len, int flags)
{
	int err = fails(F_RECV);

	REAL(recv);
	return err > 0 ? reset(fd, err) : real(fd, p, len, flags);
}

pid_t
fork(void)
{
	REAL(fork);
	FAIL(F_FORK, -1);
	return real();
}

/* glibc's own names, because dlsym(3) allocates. */
/*
 * What glibc 2.36 does with memory it did not get no program can answer for:
 * looking up an account it uses it, compiling an expression it frees it twice.
 */
static __thread int in_libc;

#define UNDISTURBED(result, call) do { \
	in_libc = 1; \
	result = call; \
	in_libc = 0; \
} while (0)

struct passwd *
getpwuid(uid_t uid)
{
	struct passwd *pw;
	REAL(getpwuid);

	UNDISTURBED(pw, real(uid));
	return pw;
}

struct passwd *
getpwnam(const char *name)
{
	struct passwd *pw;
	REAL(getpwnam);

	UNDISTURBED(pw, real(name));
	return pw;
}

int
regcomp(regex_t *re, const char *text, int flags)
{
	int rc;
	REAL(regcomp);

	UNDISTURBED(rc, real(re, text, flags));
	return rc;
}

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

void *
malloc(size_t n)
{
	if (!in_libc)
		FAIL(F_MALLOC, NULL);
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	if (!in_libc)
		FAIL(F_MALLOC, NULL);
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	if (!in_libc)
		FAIL(F_MALLOC, NULL);
	return __libc_realloc(p, n);
}
