#define _GNU_SOURCE
#include "finding.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>

static void
check_clock(void)
{
	/* nothing of this program is older: 2026-01-01 */
	enum { NOT_BEFORE = 1767225600 };
	struct timex t = { 0 };

	if (time(NULL) < NOT_BEFORE)
		finding(MACHINE, WRONG, xstrdup("the clock is wrong: it shows "
		    "a time before 2026"), xstrdup("timedatectl set-time"));
	else if (adjtimex(&t) == TIME_ERROR || (t.status & STA_UNSYNC))
		finding(MACHINE, NOTE, xstrdup("the clock is not synchronised "
		    "with others"), xstrdup("timedatectl set-ntp true"));
	else
		finding(MACHINE, OK, xstrdup("the clock is synchronised"),
		    NULL);
}

void
check_machine(void)
{
	enum { LEAST = 256 };
	struct rlimit files;

	check_clock();
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < LEAST)
		finding(MACHINE, WRONG, xasprintf("a process may have %ju "
		    "files open, and a copier wants %d",
		    (uintmax_t)files.rlim_cur, LEAST),
		    xasprintf("ulimit -n %d", LEAST));
}
