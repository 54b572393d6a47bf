#!/usr/bin/env bash
# Builds the plugin for every platform, and writes the archives, their checksums and the
# krew manifest. The archives of one commit are always the same, bit for bit.
#
# Usage: hack/plugin/release.sh VERSION DIRECTORY
# PLUGIN_PLATFORMS='linux/amd64 darwin/arm64' selects platforms.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1 directory=$2
read -ra platforms <<<"${PLUGIN_PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}"
if [[ ! $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]]; then
	echo "plugin: krew needs a version such as v1.2.3, not $version: make plugin-release VERSION=v1.2.3" >&2
	exit 2
fi
url=https://github.com/databricks-operator/databricks-operator/releases/download/$version

mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

sed "/^#/d; s/VERSION/$version/" hack/plugin/krew.yaml >"$work/dbc.yaml"
for platform in "${platforms[@]}"; do
	os=${platform%/*} arch=${platform#*/} binary=kubectl-dbc
	[[ $os == windows ]] && binary+=.exe
	echo "plugin: building for $platform"
	stage=$work/$os-$arch
	mkdir "$stage"
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$version" -o "$stage/$binary" ./cmd/kubectl-dbc
	cp LICENSE hack/plugin/kubectl_complete-dbc "$stage"
	archive=kubectl-dbc_${version}_${os}_$arch.tar.gz
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$stage" -cf - . | gzip -n >"$directory/$archive"
	rm -rf "$stage"
	sum=$(sha256sum "$directory/$archive" | cut -d ' ' -f 1)
	echo "$sum  $archive" >>"$work/checksums.txt"
	cat >>"$work/dbc.yaml" <<-YAML
		  - selector: {matchLabels: {os: $os, arch: $arch}}
		    uri: $url/$archive
		    sha256: $sum
		    bin: $binary
	YAML
done
mv "$work/dbc.yaml" "$directory/dbc.yaml"
mv "$work/checksums.txt" "$directory/kubectl-dbc_checksums.txt"
echo "plugin: archives, checksums and dbc.yaml are in $directory"
