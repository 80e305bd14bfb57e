# Makes C of the statements in sql/, for the programs that run them:
#
#	awk -f sql/embed.awk sql/*.sql		their texts
#	awk -v header=1 -f sql/embed.awk …	their declarations
#
# A paragraph is a statement if it has a line "PREPARE name AS", whose text
# follows, or "-- statement: name", whose text is the rest, for what cannot be
# prepared; others are left alone.  In C it is sql_name.  Comments are left
# out, and the ';' at the end.

BEGIN {
	RS = ""
	FS = "\n"
	print "/* Made by sql/embed.awk. */"
	if (header)
		print "#ifndef NTT_STATEMENTS_H\n#define NTT_STATEMENTS_H\n"
	else
		print "#include \"sql/statements.h\""
}

{
	name = ""
	n = 0
	for (i = 1; i <= NF; i++) {
		if ($i ~ /^PREPARE [a-z0-9_]+ AS$/) {
			split($i, word, " ")
			name = word[2]
		} else if ($i ~ /^-- statement: [a-z0-9_]+$/) {
			split($i, word, ": ")
			name = word[2]
		} else if (name != "" && $i !~ /^[ \t]*--/)
			line[++n] = $i
	}
	if (name == "")
		next
	if (header) {
		print "extern const char sql_" name "[];"
		next
	}
	print "\nconst char sql_" name "[] ="
	sub(/;$/, "", line[n])
	for (i = 1; i <= n; i++) {
		gsub(/["\\]/, "\\\\&", line[i])
		sub(/^\t+/, " ", line[i])
		print "\t\"" line[i] "\\n\"" (i == n ? ";" : "")
	}
}

END {
	if (header)
		print "\n#endif"
}
