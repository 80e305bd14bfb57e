#define _GNU_SOURCE
#include "mount/mounted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "base/json_read.h"
#include "base/medium_files.h"
#include "base/mountinfo.h"
#include "base/spawn.h"
#include "image/image_open.h"
#include "image/layout.h"
#include "mount/fs_mount.h"
#include "mount/sandbox_missing.h"

enum { MAX_BYTES = 16 << 20, SEARCH_MS = 10000 };

static const char helper[] = "ntt-mount-helper";
static const char sandbox[] = "ntt-sandbox";
static int use_sandbox;

static char *
detail_of(const json_t *object)
{
	static const char *const keys[] = { "lvm", "raid" };
	json_t *detail = json_object();
	char *text = NULL, *copy = NULL;
	size_t i;

	for (i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (json_object_get(object, keys[i]))
			json_object_set(detail, keys[i],
			    json_object_get(object, keys[i]));
	if (json_object_size(detail) > 0)
		text = json_dumps(detail, JSON_COMPACT);
	if (text)
		copy = xstrdup(text);
	free(text);
	json_decref(detail);
	return copy;
}

static int
take_partition(struct mounted_partition *p, const json_t *object)
{
	p->num = (unsigned int)json_read_u64(object, "num");
	p->device = json_read_copy(object, "device");
	p->mount = json_read_copy(object, "mount");
	p->fstype = json_read_copy(object, "fstype");
	p->status = json_read_copy(object, "status");
	p->start = json_read_u64(object, "start");
	p->size = json_read_u64(object, "size");
	p->uuid = json_read_copy(object, "uuid");
	p->label = json_read_copy(object, "label");
	p->reason = json_read_copy(object, "reason");
	p->also = json_read_copy(object, "also");
	p->by = json_read_copy(object, "by");
	p->detail = detail_of(object);
	p->lost = json_read_u64(object, "lost");
	p->failing = json_read_copy(object, "failing");
	p->failing_reason = json_read_copy(object, "failing_reason");
	p->refused_from = json_read_u64(object, "refused_from");
	p->refused_to = json_read_u64(object, "refused_to");
	return p->status ? 0 : -1;
}

static int
take_object(struct mounted *m, const json_t *object)
{
	const char *layout = json_read_text(object, "layout");
	const json_t *list = json_object_get(object, "partitions"), *one;
	size_t i;

	if (json_read_i64(object, "schema") != 1 ||
	    !json_is_array(list))
		return -1;
	m->layout = !layout ? LAYOUT_NONE : !strcmp(layout, "multi") ?
	    LAYOUT_MULTI : LAYOUT_SINGLE;
	m->already = json_read_true(object, "already");
	m->table = json_read_copy(object, "table");
	m->finding = json_read_copy(object, "finding");
	m->refused = json_read_copy(object, "refused");
	m->error = json_read_copy(object, "error");
	m->bits_only = json_read_copy(object, "bits_only");
	m->partitions = xcalloc(json_array_size(list),
	    sizeof *m->partitions);
	json_array_foreach(list, i, one) {
		m->count++;
		if (take_partition(&m->partitions[i], one) < 0)
			return -1;
	}
	return 0;
}

int
mounted_parse(struct mounted *m, const char *text, size_t len)
{
	json_error_t where;
	json_t *object;
	int rc = -1;

	memset(m, 0, sizeof *m);
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (object)
		rc = take_object(m, object);
	json_decref(object);
	if (rc < 0) {
		free(m->error);
		m->error = xasprintf("%s did not print the object that was "
		    "expected", helper);
		return -1;
	}
	m->json = xasprintf("%.*s", (int)len, text);
	m->json[strcspn(m->json, "\n")] = '\0';
	return 0;
}

/* A helper started by root believes its environment: ours must be in it. */
static void
export_configuration(void)
{
	static const enum config_key keys[] = {
		CONFIG_HOME, CONFIG_IMAGE_ROOT, CONFIG_MOUNT_ROOT,
		CONFIG_RUN_DIR
	};
	size_t i;

	for (i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (config_get(keys[i]))
			setenv(config_name(keys[i]), config_get(keys[i]), 1);
}

/* The medium is mounted, from this source; NULL: from any. */
static int
is_mounted(const char *hash, const char *source)
{
	char *root = realpath(config_get(CONFIG_MOUNT_ROOT), NULL);
	char *point = path_join(root ? root : "/", hash);
	char *failing = medium_failing(root ? root : "/", hash);
	struct mountinfo m = MOUNTINFO_INIT;
	size_t i;
	int yes = 0;

	if (mountinfo_read(&m) == 0)
		for (i = 0; i < m.count; i++)
			if ((!source ||
			    !strcmp(m.entries[i].source, source)) &&
			    (path_is_below(m.entries[i].point, point) ||
			    path_is_below(m.entries[i].point, failing)))
				yes = 1;
	mountinfo_free(&m);
	free(failing);
	free(point);
	free(root);
	return yes;
}

static void
could_not_run(struct mounted *m, const char *program, int with_sudo)
{
	const char *names[] = { program, "sudo" };

	if (m->status == EXIT_NOPROG || m->status == EXIT_NOEXEC)
		m->error = xasprintf("%s could not be run", names[with_sudo]);
	else if (m->status > EXIT_SIGNAL)
		m->error = xasprintf("%s was ended by signal %d", program,
		    m->status - EXIT_SIGNAL);
	else if (with_sudo)
		m->error = xasprintf("root rights are needed, and sudo does "
		    "not give them without a password (sudoers must allow "
		    "%s)", helper);
	else
		m->error = xasprintf("%s failed with status %d", program,
		    m->status);
}

static int
call(struct mounted *m, const char *program, const char *verb,
    const char *hash, const char *image, int timeout, int with_sudo,
    const char *found)
{
	struct buf out = BUF_INIT;
	char *path = program_path(program), *limit = NULL, *option = NULL;
	const char *argv[12];
	int n = 0, rc, status;

	memset(m, 0, sizeof *m);
	if (with_sudo) {
		argv[n++] = "sudo";
		argv[n++] = "-n";
		argv[n++] = "--";
	}
	argv[n++] = path ? path : program;
	if (timeout > 0)
		argv[n++] = limit = xasprintf("--timeout=%d", timeout);
	if (found)
		argv[n++] = option = xasprintf("--found=%s", found);
	if (!strcmp(verb, "mount"))
		argv[n++] = "--object";
	argv[n++] = "--";
	argv[n++] = verb;
	argv[n++] = hash;
	if (image)
		argv[n++] = image;
	argv[n] = NULL;
	status = run_capture((char *const *)(uintptr_t)argv, NULL, &out,
	    MAX_BYTES, 0);
	if (out.len) {
		rc = mounted_parse(m, out.data, out.len);
		m->status = status;
	} else {
		m->status = status;
		could_not_run(m, program, with_sudo);
		rc = -1;
	}
	buf_free(&out);
	free(path);
	free(limit);
	free(option);
	return rc;
}

static int
by_helper(struct mounted *m, const char *verb, const char *hash,
    const char *image, int timeout)
{
	return call(m, helper, verb, hash, image, timeout,
	    geteuid() != 0 && strcmp(verb, "status"), NULL);
}

/*
 * What no table of the image leads to: searched for here, so that who has
 * root rights need not.  NULL: it is not known, and the helper searches.
 */
static char *
search(const char *image, int timeout)
{
	struct layout *l = xmalloc(sizeof *l);
	char *found = NULL;
	const char *why;
	struct image im;

	if (image_open(&im, image, 1, &why) == 0) {
		if (layout_confined(l, im.fd, im.size, NULL, timeout > 0 ?
		    timeout * 1000 : SEARCH_MS, NULL) == 0)
			found = layout_found_text(l);
		image_close(&im);
	}
	free(l);
	return found;
}

static int
mount_by_helper(struct mounted *m, const char *hash, const char *image,
    int timeout)
{
	char *found = is_mounted(hash, NULL) ? NULL : search(image, timeout);
	int rc = call(m, helper, "mount", hash, image, timeout,
	    geteuid() != 0, found);

	free(found);
	return rc;
}

/*
 * What this kernel could not mount, another one or a driver in the guest may,
 * and a volume in pieces where there is no device mapper.  Members of groups
 * and arrays are elsewhere, whoever mounts.
 */
static int
worth_a_sandbox(const struct mounted *m)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		const struct mounted_partition *p = &m->partitions[i];

		if (!p->mount && p->fstype && strcmp(p->status, "swap") &&
		    strcmp(p->status, "raid_member") &&
		    strncmp(p->fstype, "LVM", 3))
			return 1;
	}
	return 0;
}

/* where: "" or "in the guest: ". */
static void
add_reason(struct mounted_partition *p, const char *where, const char *reason)
{
	char *both = xasprintf("%s%s%s%s", p->reason ? p->reason : "",
	    p->reason ? "; " : "", where, reason);

	free(p->reason);
	p->reason = both;
}

/* The guest would know it, and missing is why there is no guest. */
static void
add_missing(struct mounted *m, const char *missing)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		struct mounted_partition *p = &m->partitions[i];
		struct buf ways = BUF_INIT;
		char *packages;

		if (p->mount || !p->fstype ||
		    strcmp(p->status, "unsupported_fs"))
			continue;
		fs_mount_ways(p->fstype, 0, 0, 0, &ways);
		packages = fs_mount_missing(p->fstype);
		if (ways.len)
			add_reason(p, "", packages ? packages : missing);
		free(packages);
		buf_free(&ways);
	}
}

/* Why the guest did not mount it either. */
static void
add_reasons(struct mounted *m, const struct mounted *guest)
{
	static const char where[] = "in the guest: ";
	size_t i, j;

	for (i = 0; i < m->count; i++) {
		struct mounted_partition *p = &m->partitions[i];

		if (p->mount)
			continue;
		if (guest->error)
			add_reason(p, where, guest->error);
		for (j = 0; j < guest->count; j++)
			if (guest->partitions[j].num == p->num &&
			    guest->partitions[j].reason)
				add_reason(p, where,
				    guest->partitions[j].reason);
	}
}

/* The helper could not be asked at all; m says why. */
static int
without_helper(struct mounted *m, const char *hash, const char *image,
    int timeout)
{
	struct mounted other;
	char *why;

	if (call(&other, sandbox, "mount", hash, image, timeout, 0,
	    NULL) == 0 &&
	    (!other.error || other.bits_only)) {
		mounted_free(m);
		*m = other;
		return 0;
	}
	why = xasprintf("%s; in a sandbox: %s", m->error, other.error);
	free(m->error);
	m->error = why;
	mounted_free(&other);
	return -1;
}

/* The sandbox mounts what it can of all; who mounts more of it keeps it. */
static int
with_more(struct mounted *m, const char *hash, const char *image,
    int timeout)
{
	size_t before = mounted_count(m);
	struct mounted other;
	int rc = 0;

	if (before > 0) {
		if (by_helper(&other, "unmount", hash, NULL, 0) < 0 ||
		    other.status) {
			mounted_free(&other);
			return 0;
		}
		mounted_free(&other);
	}
	if (call(&other, sandbox, "mount", hash, image, timeout, 0,
	    NULL) == 0 &&
	    mounted_count(&other) > before) {
		mounted_free(m);
		*m = other;
		return 0;
	}
	if (mounted_count(&other) > 0) {
		struct mounted gone;

		call(&gone, sandbox, "unmount", hash, NULL, 0, 0, NULL);
		mounted_free(&gone);
	}
	if (before > 0) {
		mounted_free(m);
		rc = mount_by_helper(m, hash, image, timeout);
	}
	add_reasons(m, &other);
	mounted_free(&other);
	return rc;
}

static int
mount_somehow(struct mounted *m, const char *hash, const char *image,
    int timeout)
{
	int rc = mount_by_helper(m, hash, image, timeout);
	char *missing = sandbox_missing();

	if (missing) {
		add_missing(m, missing);
		free(missing);
		return rc;
	}
	if (rc < 0)
		return without_helper(m, hash, image, timeout);
	if (m->already || !worth_a_sandbox(m))
		return 0;
	return with_more(m, hash, image, timeout);
}

int
mounted_call(struct mounted *m, const char *verb, const char *hash,
    const char *image, int timeout)
{
	export_configuration();
	if ((use_sandbox && !strcmp(verb, "mount")) ||
	    (hash && strcmp(verb, "status") && is_mounted(hash, sandbox)))
		return call(m, sandbox, verb, hash, image, timeout, 0, NULL);
	if (!strcmp(verb, "mount"))
		return mount_somehow(m, hash, image, timeout);
	return by_helper(m, verb, hash, image, timeout);
}

void
mounted_use_sandbox(void)
{
	use_sandbox = 1;
}

void
mounted_free(struct mounted *m)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		struct mounted_partition *p = &m->partitions[i];

		free(p->device);
		free(p->mount);
		free(p->fstype);
		free(p->status);
		free(p->uuid);
		free(p->also);
		free(p->label);
		free(p->reason);
		free(p->by);
		free(p->detail);
		free(p->failing);
		free(p->failing_reason);
	}
	free(m->partitions);
	free(m->table);
	free(m->finding);
	free(m->refused);
	free(m->bits_only);
	free(m->json);
	free(m->error);
	memset(m, 0, sizeof *m);
}

int
mounted_loss(const struct mounted *m, const struct mounted_partition *p)
{
	size_t i;

	if (p->mount || !strcmp(p->status, "swap"))
		return 0;
	if (strcmp(p->status, "lvm_detected") &&
	    strcmp(p->status, "raid_member"))
		return 1;
	for (i = 0; i < m->count; i++)
		if (m->partitions[i].num / LAYOUT_LV_BASE == p->num &&
		    m->partitions[i].num != p->num)
			return 0;
	return 1;
}

size_t
mounted_count(const struct mounted *m)
{
	size_t i, n = 0;

	for (i = 0; i < m->count; i++)
		n += m->partitions[i].mount != NULL;
	return n;
}

char *
mounted_line(const struct mounted_partition *p)
{
	const char *reason = p->reason ? p->reason : "";
	const char *colon = p->reason ? ": " : "";
	const char *fstype = p->fstype ? p->fstype : "unknown";
	char name[32] = "the medium";

	if (p->num)
		snprintf(name, sizeof name, "partition %u", p->num);
	if (p->mount)
		return xasprintf("%s (%s) is read by %s%s%s", name, fstype,
		    p->by ? p->by : "this kernel", colon, reason);
	return xasprintf("%s (%s) is not mounted: %s%s%s", name, fstype,
	    p->status, colon, reason);
}
