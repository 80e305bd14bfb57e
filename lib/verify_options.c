#include "verify_options.h"

#include <string.h>

#include "diag.h"
#include "num.h"

const char verify_usage[] =
    "-m HASH | --all | --from-file FILE | --sla DAYS [options]\n"
    "--manifest -m HASH\n"
    "--archive -m HASH | --archive --all\n"
    "--orphans | --migrate-empty";

const struct option_help verify_options[] = {
	{ 'm', "medium", "HASH", "the blobs of a medium, and its tree" },
	{ 0, "all", NULL, "all blobs, the longest unchecked first" },
	{ 0, "from-file", "FILE", "the blobs FILE names, - for stdin" },
	{ 0, "sla", "DAYS", "all that was not checked for DAYS" },
	{ 0, "sample-rate", "N", "one in N blobs (default 10, 1: every one)" },
	{ 0, "max-verifications", "N", "not more than N blobs" },
	{ 'w', "workers", "N",
		"processes that read (default 4, on rotating disks 1)" },
	{ 0, "rate", "BYTES", "read not more than BYTES a second" },
	{ 0, "uncached", NULL, "read from the disk what is in memory too" },
	{ 0, "orphans", NULL, "files without rows, rows without files" },
	{ 0, "archive", NULL, "read archives against their manifests" },
	{ 0, "manifest", NULL, "print a list for b3sum --check" },
	{ 0, "migrate-empty", NULL,
		"rename the empty file of old stores to its BLAKE3" },
	{ 0, NULL, NULL, NULL }
};

static void
take(struct verify_options *o, const char *name, const char *value)
{
	if (!strcmp(name, "medium"))
		o->medium = value;
	else if (!strcmp(name, "all"))
		o->all = 1;
	else if (!strcmp(name, "from-file"))
		o->from_file = value;
	else if (!strcmp(name, "sla"))
		o->days = num_arg("--sla", value, 1, 36500);
	else if (!strcmp(name, "sample-rate"))
		o->sample_rate = num_arg("--sample-rate", value, 1,
		    UINT32_MAX);
	else if (!strcmp(name, "max-verifications"))
		o->max = num_arg("--max-verifications", value, 1, INT64_MAX);
	else if (!strcmp(name, "workers"))
		o->workers = num_arg("--workers", value, 1, 64);
	else if (!strcmp(name, "rate"))
		o->rate = size_arg("--rate", value);
	else if (!strcmp(name, "uncached"))
		o->uncached = 1;
	else if (!strcmp(name, "orphans"))
		o->orphans = 1;
	else if (!strcmp(name, "archive"))
		o->archive = 1;
	else if (!strcmp(name, "manifest"))
		o->manifest = 1;
	else
		o->migrate = 1;
}

void
verify_options_parse(struct verify_options *o)
{
	const char *name, *value;
	int scopes;

	memset(o, 0, sizeof *o);
	while ((name = prog_option(&value)))
		take(o, name, value);
	prog_operands(0, 0);
	scopes = !!o->medium + o->all + !!o->from_file;
	if (scopes > 1)
		die_usage("-m, --all and --from-file exclude each other");
	if (o->manifest && !o->medium)
		die_usage("--manifest needs -m HASH");
	if (o->archive && !o->medium && !o->all)
		die_usage("--archive needs -m HASH or --all");
	if (!scopes && !o->days && !o->orphans && !o->migrate)
		die_usage("one of -m HASH, --all, --from-file FILE and --sla "
		    "DAYS is missing");
	if (!scopes && o->days)
		o->all = 1;
	if (!o->sample_rate)
		o->sample_rate = o->days ? 1 : 10;
}
