#!/usr/bin/env bash
# Finds words that the code and the documentation avoid, and prints the file, the line and
# the better word of each. It searches Go files and Markdown, without generated files.
#
# Usage: hack/words.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# The files to search.
files=(
	'*.go' '*.md'
	':!**/zz_generated.*'
)

# An extended regular expression in any case, and the better word. http.NoBody is not a word.
words=(
	'\btells? (that|whether)\b=reports whether'
	'\bis told\b=receives, is configured, or is reported'
	'\bwhoever\b=the user, the client or the process that ...'
	'\bsomebody\b=the user, or another actor'
	'(^|[^.])\bnobody\b=the passive, such as "it was not read"'
)

found=0
for row in "${words[@]}"; do
	hits=$(git grep --untracked -niE "${row%%=*}" -- "${files[@]}") || [[ $? == 1 ]]
	while IFS=: read -r file line text; do
		[[ -n $file ]] || continue
		printf 'words: %s:%s: better: %s\n  %s\n' "$file" "$line" "${row#*=}" "${text#"${text%%[![:space:]]*}"}" >&2
		found=1
	done <<<"$hits"
done
exit "$found"
