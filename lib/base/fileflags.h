#ifndef BASE_FILEFLAGS_H
#define BASE_FILEFLAGS_H

/*
 * What chattr(1) shows of an open file or directory, without what only says
 * how the file system stores it.  0 if it has none, or if the file system has
 * no such flags; fs_type is f_type of statfs(2).
 */
unsigned int fileflags(int fd, unsigned long fs_type);

#endif
