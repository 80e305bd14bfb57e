/*
 * mounted VERB HASH [IMAGE]: calls ntt-mount-helper as programs do and prints
 * what they get to see.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "mount/mounted.h"

int
main(int argc, char **argv)
{
	struct mounted m;
	size_t i;
	int rc;

	if (argc < 3 || config_load() < 0)
		return 64;
	rc = mounted_call(&m, argv[1], argv[2], argv[3], 0);
	printf("rc %d status %d layout %d already %d count %zu mounted %zu "
	    "error %s\n", rc, m.status, m.layout, m.already, m.count,
	    mounted_count(&m), m.error ? m.error : "-");
	for (i = 0; i < m.count; i++) {
		const struct mounted_partition *p = &m.partitions[i];

		char *line = mounted_line(p);

		printf("%u %s %s %s\n%s\n", p->num, p->status,
		    p->mount ? p->mount : "-", p->fstype ? p->fstype : "-",
		    line);
		free(line);
	}
	mounted_free(&m);
	return rc < 0;
}
