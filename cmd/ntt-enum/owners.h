/*
 * The names of users and groups: of this machine, or of the system that is on
 * the volume, for the numbers of another machine mean nothing here.
 */
#ifndef NTT_ENUM_OWNERS_H
#define NTT_ENUM_OWNERS_H

#include <stddef.h>
#include <stdint.h>

struct owners {
	int of_volume;		/* not of this machine */
	struct owner_table {
		struct owner {
			uint32_t id;
			int told;
			char *name;	/* NULL: it has none */
		} *list;
		size_t count;
		size_t last;	/* asked for last */
	} users, groups;
};

/* of_volume: root/etc/passwd and root/etc/group, where they are. */
void owners_open(struct owners *o, const char *root, int of_volume);
void owners_close(struct owners *o);
/* The name, the first time that it is asked for; NULL after that. */
const char *owners_user(struct owners *o, uint32_t id);
const char *owners_group(struct owners *o, uint32_t id);

#endif
