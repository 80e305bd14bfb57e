#include "store/verify_options.h"

#include <string.h>

#include "base/diag.h"
#include "base/prog.h"

const char verify_usage[] =
    "[options] MEDIUM | --all | --from-file FILE | --sla DAYS\n"
    "--manifest MEDIUM\n"
    "--archive MEDIUM | --archive --all\n"
    "--orphans | --migrate-empty";

void
verify_options_parse(struct verify_options *o)
{
	const struct prog_option options[] = {
		OPT_MEDIUM,
		{ 0, "all", NULL, "all blobs, the longest unchecked first",
			OPT_FLAG(&o->all) },
		{ 0, "from-file", "FILE", "the blobs FILE names, - for stdin",
			OPT_TEXT(&o->from_file) },
		{ 0, "sla", "DAYS", "all that was not checked for DAYS",
			OPT_U64(&o->days, 1, 36500) },
		{ 0, "sample-rate", "N",
			"one in N blobs (default 10, 1: every one)",
			OPT_U64(&o->sample_rate, 1, UINT32_MAX) },
		{ 0, "max-verifications", "N", "not more than N blobs",
			OPT_U64(&o->max, 1, INT64_MAX) },
		{ 'w', "workers", "N",
			"processes that read (default 4, on rotating disks 1)",
			OPT_U64(&o->workers, 1, 64) },
		{ 0, "rate", "BYTES", "read not more than BYTES a second",
			OPT_SIZE(&o->rate) },
		{ 0, "uncached", NULL,
			"read from the disk what is in memory too",
			OPT_FLAG(&o->uncached) },
		{ 0, "orphans", NULL,
			"files without rows, rows without files",
			OPT_FLAG(&o->orphans) },
		{ 0, "archive", NULL, "read archives against their manifests",
			OPT_FLAG(&o->archive) },
		{ 0, "manifest", NULL, "print a list for b3sum --check",
			OPT_FLAG(&o->manifest) },
		{ 0, "migrate-empty", NULL,
			"rename the empty file of old stores to its BLAKE3",
			OPT_FLAG(&o->migrate) },
		OPT_END
	};
	int scopes;

	memset(o, 0, sizeof *o);
	prog_options(options);
	o->medium = prog_medium(0, 0);
	prog_operands(0, 0);
	scopes = !!o->medium + o->all + !!o->from_file;
	if (scopes > 1)
		die_usage("a medium, --all and --from-file exclude each other");
	if (o->manifest && !o->medium)
		die_usage("--manifest needs a medium");
	if (o->archive && !o->medium && !o->all)
		die_usage("--archive needs a medium or --all");
	if (!scopes && !o->days && !o->orphans && !o->migrate)
		die_usage("one of a medium, --all, --from-file FILE and "
		    "--sla DAYS is missing");
	if (!scopes && o->days)
		o->all = 1;
	if (!o->sample_rate)
		o->sample_rate = o->days ? 1 : 10;
}
