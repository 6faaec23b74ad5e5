#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: verify.sh DIR. Checks what ./run demo --keep DIR left, with nothing of
# this project: signatures over PAE and digests by openssl, documents by xmllint.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
good=0

fail() {
	printf 'verify: %s\n' "$*" >&2
	exit 1
}

# Public keys by their id: the SHA-256 of the SPKI DER.
declare -A key
for pem in "$dir"/keys/*.pem; do
	id=$(openssl pkey -pubin -in "$pem" -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)
	key[$id]=$pem
done

# pae ENVELOPE: "DSSEv1 <len(type)> <type> <len(body)> <body>" into $scratch/pae.
pae() {
	local type
	type=$(jq -r .payloadType "$1")
	jq -r .payload "$1" | base64 -d >"$scratch/body"
	printf 'DSSEv1 %d %s %d ' ${#type} "$type" "$(stat -c %s "$scratch/body")" >"$scratch/pae"
	cat "$scratch/body" >>"$scratch/pae"
}

# signatures ENVELOPE: each by a known key must verify, and there must be one.
signatures() {
	local n=0 id sig
	while read -r id sig; do
		[ -n "${key[$id]:-}" ] || continue
		printf '%s' "$sig" | base64 -d >"$scratch/sig"
		openssl dgst -sha256 -verify "${key[$id]}" -signature "$scratch/sig" "$scratch/pae" >/dev/null ||
			fail "$1: the signature by ${key[$id]} does not verify"
		n=$((n + 1))
	done < <(jq -r '.signatures[] | "\(.keyid) \(.sig)"' "$1")
	[ "$n" -gt 0 ] || fail "$1: no signature by a known key"
	printf '%s: %d signature(s)' "${1#"$dir"/}" "$n"
}

for envelope in "$dir"/envelopes/*.json; do
	pae "$envelope"
	signatures "$envelope"
	type=$(jq -r .payloadType "$envelope")
	case $type in
	*+xml)
		xsd=${type#application/vnd.cells.}
		xmllint --noout --nonet --schema "schema/xsd/${xsd%+xml}.xsd" "$scratch/body" 2>"$scratch/out" ||
			fail "$envelope: $(cat "$scratch/out")"
		printf ', valid against %s.xsd' "${xsd%+xml}"
		;;
	esac
	printf '\n'
	good=$((good + 1))
done

# Each receipt names the documents in force and their digests: those are ours.
for receipt in "$dir"/receipts/*.json; do
	pae "$receipt"
	signatures "$receipt"
	jq -r '.details.documents // [] | .[] | "\(.type) \(.id) \(.version) \(.sha256)"' "$scratch/body" |
		while read -r type id version digest; do
			file=$dir/envelopes/$type-$id-$version.json
			[ -f "$file" ] || fail "$receipt: names $type $id $version, which was not kept"
			have=sha256:$(jq -r .payload "$file" | base64 -d | openssl dgst -sha256 -r | cut -d' ' -f1)
			[ "$have" = "$digest" ] || fail "$receipt: $type $id $version has another digest"
		done
	printf ', digests\n'
	good=$((good + 1))
done

# Receipts have no gaps.
last=$(for r in "$dir"/receipts/*.json; do jq -r .payload "$r" | base64 -d | jq .seq; done | sort -n | awk '$1 != NR { print "gap at " NR; exit } END { print NR }')
[[ $last =~ ^[0-9]+$ ]] || fail "receipts: $last"
printf '%d files verified with openssl and xmllint, %d receipts without a gap\n' "$good" "$last"
