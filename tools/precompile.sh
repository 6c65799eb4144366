#!/usr/bin/env bash
# Runs the compiler on a precompiled header, and writes beside it a checksum of what was parsed.
# The header itself names the folder that it was made in, so that ccache would know nothing of
# another checkout again; by the checksum (CCACHE_PCH_EXTSUM) it does.
set -euo pipefail

"$@"
parse=() made='' before=''
for argument; do
  case "$before $argument" in
    *' -emit-pch') unset 'parse[-1]' ;;  # with its -Xclang
    '-o '*) made=$argument && unset 'parse[-1]' ;;
    *) parse+=("$argument") ;;
  esac
  before=$argument
done
[[ $made == *.pch ]] || exit 0
"${parse[@]}" -E -P -dD -o - | sha256sum >"$made.sum"
