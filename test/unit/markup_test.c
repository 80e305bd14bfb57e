/* Names in HTML and XML. */
#define _GNU_SOURCE
#include "page/markup.h"
#include "tap.h"

static void
html(const char *name, size_t len, const char *want)
{
	struct buf b = BUF_INIT;

	markup_html(&b, name, len);
	tap_is_str(b.data, want, "html of \"%s\"", want);
	buf_free(&b);
}

static void
plain(const char *name, size_t len, const char *want)
{
	struct buf b = BUF_INIT;

	markup_plain(&b, name, len);
	tap_is_str(b.data, want, "plain \"%s\"", want);
	buf_free(&b);
}

/* want NULL: cannot be held */
static void
xml(const char *name, size_t len, const char *want)
{
	struct buf b = BUF_INIT;
	int held = markup_xml(&b, name, len);

	tap_ok(held == !!want && (held || b.len == 0), "xml holds %zu bytes",
	    len);
	if (want)
		tap_is_str(b.data, want, "xml of \"%s\"", want);
	buf_free(&b);
}

#define S(s) s, sizeof s - 1
#define ESC(s) "<span class=\"esc\">" s "</span>"

int
main(void)
{
	html(S("a&b<c>\"d'"), "a&amp;b&lt;c&gt;&quot;d&#39;");
	html(S("<script>alert(1)</script>"),
	    "&lt;script&gt;alert(1)&lt;/script&gt;");
	html(S("a\001b\n"), "a" ESC("\\x01") "b" ESC("\\n"));
	html(S("\0"), ESC("\\x00"));
	html(S("\xff\xc3"), ESC("\\xff") ESC("\\xc3"));
	html(S("\xe2\x80\xae" "gpj.exe"), ESC("\\u202e") "gpj.exe");
	html(S("\xc2\x85"), ESC("\\u0085"));
	html(S("a\xe2\x80\x8b" "b\xef\xbb\xbf"),
	    "a" ESC("\\u200b") "b" ESC("\\ufeff"));
	html(S("\xf3\xa0\x81\x81"), ESC("\\U000e0041"));
	html(S("Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac"),
	    "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac");
	html(S("back\\slash"), "back\\slash");
	plain(S("back\\x41\001"), "back\\\\x41\\x01");
	plain(S("\">"), "&quot;&gt;");
	xml(S("a<b>&\t\n\r"), "a&lt;b&gt;&amp;&#9;&#10;&#13;");
	xml(S("\xe2\x80\xae\xc2\x9b"), "&#8238;&#155;");
	xml(S("gr\xc3\xbc\xe2\x82\xac"), "gr\xc3\xbc\xe2\x82\xac");
	xml(S("\001"), NULL);
	xml(S("\xff"), NULL);
	xml(S("\xef\xbf\xbf"), NULL);
	xml(S(""), "");
	return tap_done();
}
