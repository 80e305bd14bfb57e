#define _GNU_SOURCE
#include "finding.h"

#include <stddef.h>

#include "base/config.h"
#include "base/spawn.h"
#include "catalogue/cluster.h"
#include "mount/sandbox_missing.h"

static const struct {
	const char *program, *package, *without;
	enum grade grade;
} needs[] = {
	{ "ddrescue", "gddrescue", "no device can be imaged", WRONG },
	{ "pg_dump", "postgresql-client", "the catalogue cannot be backed up",
		NOTE },
	{ "psql", "postgresql-client", "\"ntt-db psql\" does not work", NOTE },
	{ "smartctl", "smartmontools", "the model and serial number of many "
		"disks stay unknown", NOTE },
	{ "hdparm", "hdparm", "the model and serial number of some old disks "
		"stay unknown", NOTE },
	{ "bwrap", "bubblewrap", "\"ntt-each -- PROGRAM\" refuses to run one, "
		"and no container is opened", NOTE },
	{ "qemu-img", "qemu-utils", "disks of virtual machines (qcow2, VMDK, "
		"VDI, VHD) cannot be opened", NOTE },
	{ "ewfexport", "ewf-tools", "E01 images cannot be opened", NOTE },
	{ "affcat", "afflib-tools", "AFF images cannot be opened", NOTE },
	{ "pdftotext", "poppler-utils", "\"ntt-each --text\" leaves PDF out",
		NOTE },
	{ "plocate", "plocate", "there is no index of names, so ntt-find reads "
		"them all", NOTE },
	{ "rclone", "rclone", "there can be no remote places", NOTE },
	{ "tmux", "tmux", "a dashboard does not outlive the terminal", NOTE },
};

static void
check_server(void)
{
	if (!config_private_cluster())
		return;
	if (cluster_possible())
		finding(PROGRAMS, OK, xstrdup("PostgreSQL for the private "
		    "catalogue"), NULL);
	else
		finding(PROGRAMS, WRONG, xstrdup("PostgreSQL is not installed, "
		    "so there can be no private catalogue"),
		    xstrdup("sudo apt-get install postgresql"));
}

void
check_programs(void)
{
	struct buf there = BUF_INIT, guest = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof needs / sizeof needs[0]; i++) {
		if (program_installed(needs[i].program)) {
			buf_printf(&there, "%s%s", there.len ? ", " : "",
			    needs[i].program);
			continue;
		}
		finding(PROGRAMS, needs[i].grade, xasprintf("%s is missing: "
		    "%s", needs[i].program, needs[i].without),
		    xasprintf("sudo apt-get install %s", needs[i].package));
	}
	if (there.len)
		finding(PROGRAMS, OK, buf_detach(&there), NULL);
	check_server();
	sandbox_packages(&guest);
	if (guest.len)
		finding(PROGRAMS, NOTE, xasprintf("the guest is missing: "
		    "images cannot be mounted without root rights, nor those "
		    "whose file system this kernel lacks"),
		    xasprintf("sudo apt-get install %s", guest.data));
	buf_free(&guest);
}
