/*
 * Model and serial number of a disk, asked of the programs that know: smartctl
 * through every kind of bridge, hdparm, lsblk.
 *
 * Each is given some seconds and no more, its answer is kept, and none is run
 * on a floppy, which some of them hang on.  A USB bridge that answers for
 * itself is not believed.  The model of an optical drive is not that of the
 * disc in it: such media, and what is no hardware, are not asked for either.
 */
#ifndef NTT_DEVICE_PROBE_H
#define NTT_DEVICE_PROBE_H

#include "base/buf.h"
#include "image/device.h"

struct device_probe {
	char *model, *serial;	/* NULL: unknown; caller frees */
	/*
	 * What was asked and what came: the elements of a JSON array, each
	 * with command, status, model, serial, output.
	 */
	struct buf answers;
};

void device_probe(struct device_probe *p, const struct device *d,
	int timeout_ms);
void device_probe_free(struct device_probe *p);

/* The name of a bridge and not of a disk: "USB", "Adapter" and the like. */
int device_probe_is_bridge(const char *model);

/*
 * Finds what the output of smartctl -i, hdparm -I or lsblk -P says; *model and
 * *serial are set where they are found and not empty (caller frees).
 */
void device_probe_parse(const char *output, char **model, char **serial);

#endif
