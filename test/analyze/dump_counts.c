/*
 * Linked into what is measured: counts of processes that leave without
 * exit(3), and of those that may open no file.
 */
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int);
_Noreturn void __wrap__exit(int);
int __real_prctl(int, ...);
int __wrap_prctl(int, ...);

_Noreturn void
__wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}

int
__wrap_prctl(int what, ...)
{
	unsigned long a[4];
	va_list ap;
	int i;

	if (what == PR_SET_SECCOMP)
		return 0;
	va_start(ap, what);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return __real_prctl(what, a[0], a[1], a[2], a[3]);
}
