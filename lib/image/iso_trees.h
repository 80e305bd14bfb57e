/*
 * The directory trees of an ISO 9660 file system.  Most discs have two of the
 * same files: the primary one, which has Rock Ridge if the disc does, and
 * Joliet.  Some hide files from one of them.
 */
#ifndef NTT_ISO_TREES_H
#define NTT_ISO_TREES_H

#include <stdint.h>

enum iso_tree {
	ISO_TREE_SHOWN,		/* what Linux shows of its own accord */
	ISO_TREE_PRIMARY,
	ISO_TREE_JOLIET
};

/*
 * The tree that has files which the shown tree lacks; ISO_TREE_SHOWN: there is
 * none.  *sure is 0 if the tree only may have such files: not all directories
 * could be read, or there are too many.  session: iso_last_session().
 */
enum iso_tree iso_tree_beside(int fd, uint64_t start, uint64_t length,
	uint32_t session, int *sure);

#endif
