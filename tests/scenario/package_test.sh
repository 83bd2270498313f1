#!/usr/bin/env bash
# Builds the packages twice and installs them in roots that are thrown away: this machine's own file system, under an overlay in
# a mount namespace of its own. What is checked there is what an operator relies on. Must be root.
# usage: tests/scenario/package_test.sh   (closes with `N passed, N failed, N skipped`)
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" -eq 0 ] || { echo "package_test.sh: run me as root: it mounts and installs" >&2; exit 1; }
  exec unshare --mount --propagation private "$0" inside
fi
version=$(cat "$top/VERSION")
passed=0 failed=0 skipped=0
scratch=$(mktemp -d /tmp/interrex-package.XXXXXX)
trap 'umount -R "$scratch"/root-* 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT

check() { # what, command...
  local what=$1
  shift
  if "$@" > "$scratch/output" 2>&1; then
    passed=$((passed + 1))
    echo "[       OK ] $what"
  else
    failed=$((failed + 1))
    echo "[  FAILED  ] $what"
    tail -n 20 "$scratch/output"
  fi
}

make_root() { # name; sets $root
  root=$scratch/root-$1
  mkdir "$root"
  mount -t tmpfs none "$root" && mkdir "$root/upper" "$root/work" "$root/top" &&
    mount -t overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" none "$root/top" || return 1
  root=$root/top
  mount -t proc none "$root/proc"
  mount --rbind /dev "$root/dev"
  rm -f "$root/usr/bin/interrex"
  # As on a machine that systemd runs; what the package asks of it is written down.
  mkdir -p "$root/run/systemd/system"
  mv "$root/usr/bin/systemctl" "$root/usr/bin/systemctl.real" 2>/dev/null
  printf '#!/bin/sh\necho "$@" >> /systemctl.calls\n' > "$root/usr/bin/systemctl"
  chmod 0755 "$root/usr/bin/systemctl"
}

inside() { chroot "$root" "$@"; }
calls_have() { grep -qE -- "$1" "$root/systemctl.calls"; }
calls_lack() { ! grep -qE -- "$1" "$root/systemctl.calls"; }

build() { # target, folder: names the package on standard output
  make -s -C "$top" -f packaging/packaging.mk BUILD="$2" "$1" > "$2.log" 2>&1 || { tail -n 30 "$2.log" >&2; return 1; }
  find "$2/package" -name "interrex[-_]$version*.$1" ! -name '*dbgsym*' | grep .
}

version_runs() { [ "$(inside interrex version)" = "interrex $version" ]; }
users_are_there() {
  inside getent group interrex && inside getent passwd interrex-prober &&
    [ "$(inside id -gn interrex)" = interrex ] && inside getent passwd interrex | grep -q ':/usr/sbin/nologin$'
}
unit_is_right() {
  inside systemd-analyze verify --man=no interrex@test.service 2> "$scratch/verify" || true
  ! grep -i interrex "$scratch/verify"
}
manual_is_readable() { # section, page, sentence
  inside env MANWIDTH=200 man -P cat "$1" "$2" | grep -F "$3"
}
manual_names_every_command() {
  local page command
  page=$(inside env MANWIDTH=200 man -P cat 1 interrex | col -b) || return 1
  while read -r command; do
    grep -qF "interrex $command" <<< "$page" || { echo "interrex(1) lacks $command"; return 1; }
  done < <(inside interrex help | sed -n 's/^  \([a-z]\+\( add\| list\| remove\| show\| set\| import\)\?\)\( .*\)\?$/\1/p')
}
manual_example_is_valid() {
  sed -n '/^\.Bd/,/^\.Ed/{/^\./!p}' "$top/packaging/man/interrex.yaml.5" > "$root/etc/interrex/test.yaml" &&
    inside interrex check /etc/interrex/test.yaml
}
completes() { # words..., expected
  local expected=${*: -1} words=("${@:1:$#-1}")
  inside bash -c 'source /usr/share/bash-completion/completions/interrex; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _interrex; printf "%s\n" "${COMPREPLY[@]}"' \
    _ "${words[@]}" | grep -x -- "$expected"
}
examples_are_there() { inside test -r /usr/share/doc/interrex/examples/anvil/anvil.yaml; }
rollback_is_there() { inside interrex rollback --help | grep -q -- --wait; }

check_installed() { # kind
  check "$1: interrex version runs" version_runs
  check "$1: interrex rollback is there" rollback_is_there
  check "$1: the users and the group exist" users_are_there
  check "$1: the unit is right" unit_is_right
  check "$1: interrex(1) can be read" manual_is_readable 1 interrex 'supervise a blockchain node'
  check "$1: interrex.yaml(5) can be read" manual_is_readable 5 interrex.yaml 'configuration of one node'
  check "$1: interrex(1) names every command" manual_names_every_command
  check "$1: the example of interrex.yaml(5) is valid" manual_example_is_valid
  check "$1: a command is completed" completes interrex roll rollback
  mkdir -p "$root/var/lib/interrex/mynode/releases/1.2.3"
  check "$1: a node's release is completed" completes interrex upgrade mynode 1. 1.2.3
  check "$1: an option is completed" completes interrex upgrade mynode --n --now
  check "$1: the examples are there" examples_are_there
}

test_package() { # kind, install command, upgrade command, remove command ({}: the package)
  local kind=$1 first second
  first=$(build "$kind" "$scratch/one-$kind")
  check "$kind: is built" test -n "$first"
  [ -n "$first" ] || return
  second=$(build "$kind" "$scratch/two-in-another-place-$kind")
  check "$kind: the same sources make the same bytes" cmp "$first" "$second"
  make_root "$kind" || { check "$kind: an overlay of / can be mounted" false; return; }
  cp "$first" "$root/package.$kind"
  check "$kind: installs" inside sh -c "${2//\{\}//package.$kind}"
  check_installed "$kind"
  rm -f "$root/systemctl.calls"
  check "$kind: upgrades" inside sh -c "${3//\{\}//package.$kind}"
  check "$kind: an upgrade shows systemd the new unit" calls_have daemon-reload
  check "$kind: an upgrade leaves running nodes alone" calls_lack 'stop|restart|kill|disable'
  check "$kind: is removed" inside sh -c "$4"
  check "$kind: removal stops the nodes" calls_have 'stop interrex@\*\.service'
  check "$kind: removal keeps what the operator wrote" test -e "$root/etc/interrex/test.yaml"
}

need() { # kind, tool
  command -v "$2" >/dev/null && return
  skipped=$((skipped + 1))
  echo "[  SKIPPED ] $1: $2 is not installed"
  return 1
}

# The machine may be a container image whose dpkg leaves manual pages out.
if need deb dpkg-buildpackage && need deb dh; then
  test_package deb "dpkg --path-include='/usr/share/*' -i {}" "dpkg --path-include='/usr/share/*' -i {}" "dpkg -r interrex"
fi
# No dependencies: the packages of this root are Debian's. What is required is looked at instead.
if need rpm rpmbuild; then
  test_package rpm "rpm -i --nodeps {} && rpm -q --requires interrex | grep -q '^libcurl\.so\.4'" \
    "rpm -U --force --nodeps {}" "rpm -e interrex"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
