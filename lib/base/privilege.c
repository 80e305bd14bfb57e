#define _GNU_SOURCE
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/config.h"

static int
keep_only(cap_value_t wanted)
{
	cap_t caps = cap_init();
	int rc = -1;

	if (caps && cap_set_flag(caps, CAP_PERMITTED, 1, &wanted, CAP_SET)
	    == 0 && cap_set_flag(caps, CAP_EFFECTIVE, 1, &wanted, CAP_SET)
	    == 0)
		rc = cap_set_proc(caps);
	cap_free(caps);
	return rc;
}

int
privilege_keep(const char *user, int capability)
{
	const struct invoker *who = config_invoker();
	struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	errno = 0;
	pw = user ? getpwnam(user) : getpwuid(who->uid);
	if (!pw && errno == 0)
		errno = ENOENT;
	if (!pw)
		return -1;
	if (pw->pw_uid != 0 &&
	    (prctl(PR_SET_KEEPCAPS, 1) < 0 ||
	    initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0))
		return -1;
	return keep_only(capability);
}

int
privilege_drop(const char *user)
{
	return privilege_keep(user, CAP_DAC_READ_SEARCH);
}
