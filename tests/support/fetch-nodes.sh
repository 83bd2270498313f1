#!/usr/bin/env bash
# Prints the paths of the real nodes that tests use, fetching what is not cached: "NAME PATH" lines. Idempotent; a node
# that cannot be had is left out, and the tests that want it say so. Cache: $INTERREX_NODE_CACHE, else /var/cache/interrex-nodes.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
for version in 1.5.1 1.7.0 1.7.1; do
  path=$("$here/../../examples/fetch-anvil" "$version") && echo "anvil-$version $path"
done
litecoind=/usr/lib/litecoin/litecoind # Debian's; the one in PATH is a wrapper
if [ -x "$litecoind" ]; then echo "litecoind $litecoind"; fi
