#!/usr/bin/env bash
# Names images by digest where they are used. The release runs it, because the digests
# are not known before.
#
#   hack/pin-images.sh bases            the images that the Dockerfile names, and its
#                                       frontend, as the registry has them now
#   hack/pin-images.sh release DIGEST   this operator's image, in dist/install.yaml and in
#                                       the chart's values
set -euo pipefail
cd "$(dirname "$0")/.."

digest='^sha256:[0-9a-f]{64}$'

checked() {
	[[ $2 =~ $digest ]] || { echo "pin-images: $1 has the digest \"$2\", which is none" >&2; exit 1; }
}

pin_bases() {
	local image found
	while read -r image; do
		found=$(docker buildx imagetools inspect "$image" --format '{{ .Manifest.Digest }}')
		checked "$image" "$found"
		sed -i "/^# syntax=\|^FROM /s,$image\( \|\$\),$image@$found\1," Dockerfile
		echo "pin-images: $image@$found"
	done < <(sed -nE 's/^# syntax=//p; s/^FROM (--[^ ]+ )*([^ ]+).*/\2/p' Dockerfile | grep -v '@sha256:')
}

pin_release() {
	checked "$1" "$1"
	sed -i -E "s|(image: [^ @]*/databricks-operator:[^ @]+)\$|\1@$1|" dist/install.yaml
	sed -i "s|^  digest: \"\"\$|  digest: $1|" charts/databricks-operator/values.yaml
	grep -qF "@$1" dist/install.yaml && grep -qF "digest: $1" charts/databricks-operator/values.yaml ||
		{ echo 'pin-images: dist/install.yaml or values.yaml does not name the image' >&2; exit 1; }
}

case ${1:-} in
bases) pin_bases ;;
release) pin_release "${2:-}" ;;
*) echo 'usage: hack/pin-images.sh bases | release DIGEST' >&2; exit 2 ;;
esac
