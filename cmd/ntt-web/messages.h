/*
 * All that ntt-web says in its pages, in one table (messages.c): a translation
 * is another such table.
 *
 *	put(b, MSG_FILES_OF, "3", "12", NULL);	"3 of 12 files"
 *
 * {1} to {4} in a text stand for the values, which are escaped; the texts have
 * no markup.
 */
#ifndef NTT_WEB_MESSAGES_H
#define NTT_WEB_MESSAGES_H

#include "base/buf.h"

#define MESSAGES(M) \
	M(NAME, "Collection") \
	M(SKIP, "Skip to the content") \
	M(SHELF, "All media") \
	M(SHELF_KICKER, "The shelf") \
	M(SHELF_TITLE, "What there is") \
	M(NAVIGATION, "Pages") \
	M(SEARCH, "Search") \
	M(SEARCH_LABEL, "Part of a name") \
	M(SEARCH_HELP, "Upper and lower case are the same. * stands for " \
	    "anything, ? for one character.") \
	M(KIND, "Kind") \
	M(KIND_ANY, "anything") \
	M(KIND_PICTURE, "pictures") \
	M(KIND_SOUND, "sound") \
	M(KIND_FILM, "films") \
	M(KIND_TEXT, "texts") \
	M(KIND_PDF, "PDF") \
	M(KIND_FILE, "files") \
	M(KIND_FOLDER, "folders") \
	M(MIME_UNKNOWN, "A file whose type nobody has looked at yet is not " \
	    "found by its kind. The command \"ntt-each --mime-types\" looks.") \
	M(MEDIUM, "Medium") \
	M(MEDIA, "Media") \
	M(ALL_MEDIA, "all media") \
	M(STATE, "State") \
	M(HEALTH, "Health") \
	M(SIZE, "Size") \
	M(FILES, "Files") \
	M(ONLY_HERE, "Only here") \
	M(NOT_STORED, "Not stored") \
	M(N_SIZE, "#Size") \
	M(N_FILES, "#Files") \
	M(N_ONLY_HERE, "#Only here") \
	M(N_NOT_STORED, "#Not stored") \
	M(NOT_COUNTED, "not counted yet") \
	M(COUNTED_AT, "How many files a medium has, and how much of it no " \
	    "other medium has, was counted at {1} (UTC).") \
	M(NOT_COUNTED_YET, "How much a medium has that no other has is being " \
	    "counted. Look again later.") \
	M(NO_MEDIA, "The collection has no media yet.") \
	M(NEXT, "Next page") \
	M(FIRST, "First page") \
	M(ADDED, "Taken in") \
	M(STATE_ARCHIVED, "archived") \
	M(STATE_COPIED, "copied") \
	M(STATE_LOADED, "listed, not all copied") \
	M(STATE_IMAGED, "imaged, not listed") \
	M(STATE_REGISTERED, "registered, nothing read yet") \
	M(HEALTH_OK, "read in full") \
	M(HEALTH_INCOMPLETE, "parts could not be read") \
	M(HEALTH_CORRUPT, "damaged") \
	M(HEALTH_FAILED, "could not be read") \
	M(HEALTH_UNKNOWN, "not known") \
	M(MEDIUM_KICKER, "A medium") \
	M(HASH, "Identity") \
	M(MESSAGE, "Note") \
	M(KIND_OF_SOURCE, "Taken from") \
	M(MODEL, "Model") \
	M(SERIAL, "Serial number") \
	M(FILESYSTEM, "File system") \
	M(ENTRIES, "Entries in its list") \
	M(PHOTO, "A photo of the medium") \
	M(COMPARE, "What would be lost, what is shared") \
	M(COMPARE_KICKER, "The collection") \
	M(LOST_WITH, "What would be lost with each medium") \
	M(LOST_WITH_HELP, "Contents that no other medium has. If a medium and " \
	    "the copies of its contents were lost, these would be gone.") \
	M(LOST_WITH_CUT, "These are the {1} with most; there are {2} media.") \
	M(SHARED, "What media share") \
	M(SHARED_HELP, "Two media share a content if both have it. Contents " \
	    "that more than {1} media have do not count here.") \
	M(SHARED_NONE, "No two media have the same content.") \
	M(SHARED_CUT, "These are the {1} pairs with most.") \
	M(SHARED_WITH, "Media with the same contents") \
	M(MATRIX, "Those that share most, against each other") \
	M(MATRIX_HELP, "Each cell has the bytes that two media share; the " \
	    "darker, the more of the smaller one of them it is.") \
	M(OTHER_MEDIUM, "And") \
	M(BAR, "Bar") \
	M(N_CONTENTS, "#Contents") \
	M(N_SHARED, "#Shared") \
	M(N_SHARE, "#Of it") \
	M(MAP_KICKER, "Bad areas") \
	M(OPEN_MAP, "Its bad areas") \
	M(MAP_HELP, "The medium from its beginning to its end, left to right " \
	    "and downwards.") \
	M(MAP_NONE, "There is no map of its image here, so it is not known " \
	    "which areas could be read.") \
	M(MAP_BROKEN, "The map of its image cannot be read: {1}") \
	M(AREA, "Bytes") \
	M(N_BYTES, "#Size") \
	M(AREAS, "Areas that were not read") \
	M(LOOK, "Look inside") \
	M(OPEN_TREE, "Open its folders") \
	M(OPEN_REPORT, "Its report") \
	M(REPORT_HELP, "all that is known of it, for reading and printing") \
	M(OPEN_MISSING, "What is missing, and why") \
	M(MISSING_NOTHING, "Everything that was found on it is stored.") \
	M(MISSING_SOME, "Not everything on it is stored: {1}.") \
	M(MISSING_UNKNOWN, "Whether all of it is stored was not counted yet.") \
	M(CLAUSE_MISSING, "listed and not stored: {1}") \
	M(CLAUSE_DAMAGED, "files with lost bytes: {1}") \
	M(NOT_LOADED, "Its files are not listed in the catalogue, so there " \
	    "is nothing to look at.") \
	M(ONLY_HERE_LONG, "On no other medium: {1} in {2} different files.") \
	M(TREE_KICKER, "A folder") \
	M(ROOT, "(the root of the medium)") \
	M(PATH, "Where it is") \
	M(ENTRY, "Name") \
	M(CHANGED, "Changed") \
	M(REMARK, "Remarks") \
	M(FOLDER, "folder") \
	M(LINK, "link") \
	M(PIPE, "pipe") \
	M(DEVICE, "device") \
	M(SOCKET, "socket") \
	M(OTHER, "of no known type") \
	M(FILE, "file") \
	M(IN_FOLDER, "What is in it") \
	M(LARGE_FOLDER, "This folder has more than {1} entries. They are " \
	    "shown in the order of their names, with the folders among the " \
	    "files.") \
	M(EMPTY_FOLDER, "Nothing is listed in this folder.") \
	M(IMPLIED_UNKNOWN, "There may be folders here that are not shown: " \
	    "the list of this medium has no entries of their own for them. " \
	    "The search finds what is in them.") \
	M(TAKE_FOLDER, "Take this folder") \
	M(TAKE_MEDIUM, "Take all of this medium") \
	M(TAKE_KICKER, "Take a folder") \
	M(TAKE_COUNT, "Files: {1}. Size: {2} before they are packed.") \
	M(TAKE_UNCOUNTED, "It is too large to be counted for a page. What of " \
	    "this medium is not stored will not be in it; the page \"What " \
	    "is missing, and why\" lists that.") \
	M(TAKE_MEDIUM_LEFT, "What of this medium is not stored will not be " \
	    "in it, and files with lost bytes have zeros in their place. The " \
	    "page \"What is missing, and why\" lists both.") \
	M(TAKE_FORMAT, "You get one file with all of them in it. Every file " \
	    "is checked before it is written into it.") \
	M(TAKE_WITHOUT, "It will lack what is named above. A text in it " \
	    "lists what it lacks.") \
	M(TAKE_FORMS, "The form") \
	M(TAKE_ZIP, "Download as zip") \
	M(TAKE_ZIP_HELP, "opens everywhere. It has names, times in whole " \
	    "seconds, permissions and symbolic links. It has no place for " \
	    "attributes, access lists, holes, devices and pipes, and has a " \
	    "content once for each hard link.") \
	M(TAKE_TAR, "Download as tar") \
	M(TAKE_TAR_HELP, "has all that is known of the files. Programs for " \
	    "Unix open it.") \
	M(TAKE_BAG, "Download as bag") \
	M(TAKE_BAG_HELP, "is for archives: a zip file after BagIt, with " \
	    "checksums (SHA-512) of all files. Folders, links, times and " \
	    "permissions are in a list in it.") \
	M(TAKE_LEFT, "What is not stored, or cannot be given back as it " \
	    "was, will not be in it. Entries of that kind: {1}.") \
	M(TAKE_DAMAGED, "Files with bytes that could not be read from the " \
	    "medium will be in it, with zeros in their place. Such " \
	    "files: {1}.") \
	M(TAKE_BREAKS, "If anything else turns out to be wrong the download " \
	    "is broken off, so that an incomplete file does not look " \
	    "complete.") \
	M(AND_MORE, "and more") \
	M(FILE_KICKER, "A file") \
	M(LINK_KICKER, "A link") \
	M(ENTRY_KICKER, "An entry") \
	M(TYPE, "Type") \
	M(TYPE_UNKNOWN, "not looked at yet") \
	M(OWNER, "Owner") \
	M(OWNER_OF, "user {1}, group {2}") \
	M(MODE, "Permissions") \
	M(CONTENT, "Content (BLAKE3)") \
	M(CHECKED, "Last checked") \
	M(CHECKED_NEVER, "not since it was stored") \
	M(POINTS_TO, "Points to") \
	M(LOST, "Lost bytes") \
	M(LOST_ALL, "These bytes could not be read from the medium and are " \
	    "zeros: {1}.") \
	M(LOST_UNKNOWN, "Some bytes could not be read from the medium; " \
	    "which ones is not known.") \
	M(NOT_THERE, "This file is not stored: {1}.") \
	M(CONTENT_BAD, "The stored bytes are wrong. They are not given out. " \
	    "The command \"ntt-heal\" looks for the right ones.") \
	M(CONTENT_MISSING, "The stored content is missing. The command " \
	    "\"ntt-heal\" looks for it.") \
	M(CONTENT_UNREADABLE, "The stored content cannot be read. The " \
	    "command \"ntt-heal\" looks for another copy.") \
	M(DOWNLOAD, "Download") \
	M(DOWNLOAD_HELP, "It is checked while it is sent. If it is wrong " \
	    "the download is broken off.") \
	M(DETAILS, "Details") \
	M(PICTURE, "Picture") \
	M(PICTURE_OF, "the picture {1}") \
	M(PICTURE_HELP, "This is a smaller copy. The download is the file as " \
	    "it was.") \
	M(PICTURE_NONE, "No picture could be made of this file.") \
	M(VIEW_TEXT, "Text") \
	M(VIEW_BYTES, "Bytes") \
	M(VIEW_RANGE, "Bytes {1} to {2} of {3}.") \
	M(VIEW_UNCHECKED, "They are shown as they are in the store and were " \
	    "not checked for this page.") \
	M(VIEW_NEXT, "Further") \
	M(VIEW_START, "From the beginning") \
	M(VIEW_AS_TEXT, "As text") \
	M(VIEW_AS_BYTES, "As bytes") \
	M(VIEW_EMPTY, "The file is empty.") \
	M(VIEW_FAILED, "Its bytes cannot be shown: {1}.") \
	M(OTHERS, "The same content elsewhere") \
	M(OTHERS_NONE, "No other name has this content on the media that " \
	    "were looked at.") \
	M(OTHERS_CUT, "{1} of {2} media were looked through in the time that " \
	    "a page has.") \
	M(OTHERS_ALL, "All media were looked through: {1}.") \
	M(OTHERS_EMPTY, "Empty files are everywhere; nobody looked.") \
	M(OTHERS_SKIPPED, "Media too large to be looked through for a " \
	    "page: {1}. The command \"ntt-find --hash\" looks through " \
	    "them: {2}") \
	M(LOOK_FURTHER, "Look further") \
	M(WHERE_KICKER, "Where else it is") \
	M(SEARCH_KICKER, "Search") \
	M(SEARCH_RESULTS, "Names that fit") \
	M(SEARCH_MEDIA, "Media whose name or note fits") \
	M(SEARCH_NONE, "Nothing fits.") \
	M(SEARCH_NONE_YET, "Nothing fits so far.") \
	M(SEARCH_WHAT, "What are you looking for? Write a part of its name.") \
	M(SEARCH_CUT, "The search was cut short after {1} seconds: {2} of " \
	    "{3} media were looked through.") \
	M(BROKEN_OFF, "This page is not complete: the catalogue does not " \
	    "answer any more. Try again in a minute.") \
	M(SEARCH_ENOUGH, "These are the first {1}; there may be more. {2} of " \
	    "{3} media were looked through.") \
	M(SEARCH_FULL, "These are the first {1}; there may be more.") \
	M(SEARCH_ALL, "All media were looked through: {1}.") \
	M(SEARCH_NOT_LOADED, "Media that have no list of files, so that " \
	    "they were not looked through: {1}.") \
	M(MORE_RESULTS, "More results") \
	M(MISSING_KICKER, "What is missing, and why") \
	M(MISSING_MET, "Met, and not in the list") \
	M(MISSING_WITHOUT, "Listed, and not stored") \
	M(MISSING_DAMAGED, "Stored with lost bytes") \
	M(MISSING_BAD, "Stored, and gone wrong since") \
	M(MISSING_FIRST, "Only the first {1} are shown.") \
	M(WHY, "Why") \
	M(NOT_DETERMINED, "which bytes is not known") \
	M(STATE_OF_COPY, "Its stored copy") \
	M(PARTITION, "partition {1}") \
	M(SETTLED, "accepted: {1}") \
	M(MARK_MISSING, "not stored") \
	M(MARK_DAMAGED, "lost bytes") \
	M(MARK_BAD, "copy is wrong") \
	M(MARK_EXCLUDED, "excluded") \
	M(FOOT, "Sizes are in powers of 1,000; times are UTC. {1} stands for " \
	    "a byte or a character of a name that cannot be shown. Nothing " \
	    "can be changed from these pages.") \
	M(ERROR_KICKER, "Sorry") \
	M(E400, "This address is wrong") \
	M(E400_LONG, "It has parts that no address of this collection has.") \
	M(E403, "This page needs a key") \
	M(E403_LONG, "Open the address that ntt-web printed when it was " \
	    "started; it has the key in it. It is also in the file that " \
	    "ntt-web(1) names. If you followed a link from another site, " \
	    "load this page again.") \
	M(E403_USER, "The web server in front of this one does not say who " \
	    "you are, so nothing is shown.") \
	M(E404, "There is no such page") \
	M(E404_LONG, "The medium or the file is not in the collection, or it " \
	    "is not shown here.") \
	M(E405, "This can only be read") \
	M(E405_LONG, "Only GET and HEAD are understood: nothing can be " \
	    "changed here.") \
	M(E409, "This file cannot be given") \
	M(E415, "This is no picture that can be shown") \
	M(E415_LONG, "No picture could be made of this file. Download it to " \
	    "look at it.") \
	M(E414, "This address is too long") \
	M(E414_LONG, "No name in the collection is that long.") \
	M(E416, "There are no such bytes") \
	M(E416_LONG, "The file is shorter.") \
	M(E421, "This address belongs to another host") \
	M(E421_LONG, "These pages are shown at 127.0.0.1 and localhost only.") \
	M(E500, "Something went wrong here") \
	M(E500_LONG, "The program that makes this page ended early. Its " \
	    "message is in the log of ntt-web.") \
	M(E501, "Pictures are not shown here") \
	M(PICTURES_NEED, "Pictures are shown if the programs vipsthumbnail " \
	    "(of the package libvips-tools) and bwrap (of the package " \
	    "bubblewrap) are installed.") \
	M(E503, "The catalogue does not answer") \
	M(E503_LONG, "The database with the list of all files is stopped, " \
	    "away, or too busy. Nothing is lost. Try again in a minute.") \
	M(E503_SLOW, "This took too long") \
	M(E503_SLOW_LONG, "The catalogue had no answer in the time that a " \
	    "page has. Try again, or ask for less.") \
	M(E503_BUSY, "Too much is asked for at once") \
	M(E503_BUSY_LONG, "Other pages and downloads are still being made. " \
	    "Try again in a few seconds.") \
	M(E503_PICTURE, "The picture could not be made") \
	M(E503_PICTURE_LONG, "Something else than the file was the reason; " \
	    "it is in the log of ntt-web. Try again later.") \
	M(E503_VERSION, "The catalogue has another version") \
	M(E503_VERSION_LONG, "The catalogue and ntt-web are of different " \
	    "versions of NTT. The command \"ntt-db migrate\" helps where the " \
	    "catalogue is older.") \
	M(E503_STORE, "The store is not there") \
	M(E503_STORE_LONG, "The disk with the contents of the files is not " \
	    "mounted, or cannot be read. Names can still be looked at.")

enum message {
#define MESSAGE_ENUM(name, english) MSG_ ## name,
	MESSAGES(MESSAGE_ENUM)
#undef MESSAGE_ENUM
	MSG_COUNT
};

/* As it is, with {1} and its like. */
const char *text(enum message m);
/* Appended as HTML, with values for {1} to {4}; the other as it is. */
void put(struct buf *b, enum message m, ...) __attribute__((sentinel));
#define put(...) put(__VA_ARGS__, (char *)NULL)
void put_plain(struct buf *b, enum message m, const char *value);

#endif
