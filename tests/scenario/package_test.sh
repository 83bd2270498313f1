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
trap 'umount -R "$scratch"/root-*/top "$scratch"/root-* 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT

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
}

# As on a machine that systemd runs; what the package asks of it is written down.
record_systemctl() {
  mkdir -p "$root/run/systemd/system"
  mv "$root/usr/bin/systemctl" "$root/usr/bin/systemctl.real" 2>/dev/null
  printf '#!/bin/sh\necho "$@" >> /systemctl.calls\n' > "$root/usr/bin/systemctl"
  chmod 0755 "$root/usr/bin/systemctl"
}

inside() { chroot "$root" "$@"; }
calls_have() { grep -qE -- "$1" "$root/systemctl.calls"; }
calls_lack() { ! grep -qE -- "$1" "$root/systemctl.calls"; }

# One copy for all builds: the tree may change meanwhile. Its time is that of the last commit, as if it were built in place.
copy_source() {
  SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null) && export SOURCE_DATE_EPOCH || unset SOURCE_DATE_EPOCH
  mkdir "$scratch/source" && tar -c -C "$top" --exclude=./build --exclude=./.git . | tar -x -C "$scratch/source"
}

build() { # target, folder: names the package on standard output
  make -s -C "$scratch/source" -f packaging/packaging.mk BUILD="$2" "$1" > "$2.log" 2>&1 || { tail -n 30 "$2.log" >&2; return 1; }
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
  page=$(inside env MANWIDTH=200 man -P cat 1 interrex | col -b | sed -n '1,/^DESCRIPTION/p') || return 1
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
# The example of a cooperating node is built with what the package brought, and runs without a supervisor.
# (An rpm has it in a folder that Debian does not look into.)
library_is_usable() {
  inside env PKG_CONFIG_PATH=/usr/lib64/pkgconfig LD_LIBRARY_PATH=/usr/lib64 sh -ec 'cd /tmp; gcc -D_GNU_SOURCE /usr/share/doc/interrex/examples/cooperating/node.c $(pkg-config --cflags --libs interrex) -pthread -o node
    readelf -d node | grep -q "libinterrex.so.0"; ldconfig; ! ./node 2> usage; grep -q usage: usage'
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
  check "$1: interrex(3) can be read" manual_is_readable 3 interrex 'before a height'
  check "$1: a node can be built with the library" library_is_usable
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
  record_systemctl
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

# systemd itself, as process 1 of namespaces of its own, with the package's unit and nothing else. It may not write the
# kernel's settings. What the guest finds comes back line by line: "ok NAME" or "not ok NAME".
boot_systemd() { # package
  local cgroups guest=$scratch/guest line
  cgroups=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/interrex-package-$$
  make_root systemd && mkdir "$cgroups" || return 1
  cp "$1" "$root/package.deb"
  cp "$testnode" "$root/testnode"
  ln -sf /dev/null "$root/etc/systemd/system/network-online.target"
  mkdir -p "$root/etc/systemd/system/interrex@.service.d"
  printf '[Unit]\nDefaultDependencies=no\n[Service]\nStandardOutput=append:/log\nStandardError=append:/log\n' \
    > "$root/etc/systemd/system/interrex@.service.d/guest.conf"
  printf '[Unit]\nDefaultDependencies=no\nSuccessAction=exit-force\nFailureAction=exit-force\n[Service]\nType=oneshot\nExecStart=/bin/bash /guest.sh\nStandardOutput=append:/log\nStandardError=append:/log\n' \
    > "$root/etc/systemd/system/guest.service"
  declare -f guest_main guest_property guest_says guest_until > "$root/guest.sh"
  echo guest_main >> "$root/guest.sh"
  cat > "$guest" <<EOF
    set -e
    mount -t proc proc $root/proc && mount --bind $root/proc/sys $root/proc/sys && mount -o remount,ro,bind $root/proc/sys
    mount -t sysfs sysfs $root/sys && mount -t cgroup2 none $root/sys/fs/cgroup && mount -t bpf none $root/sys/fs/bpf
    umount -R $root/dev && mount -t tmpfs none $root/dev && mount -t tmpfs none $root/run && mount -t tmpfs none $root/tmp
    chmod 0755 $root/dev $root/run
    for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 $root/dev/\${device%:*} c 1 \${device#*:}; done
    ln -s null $root/dev/console && ln -s /proc/self/fd $root/dev/fd
    ip link set lo up
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $root /lib/systemd/systemd --unit=guest.service --show-status=no
EOF
  # In a cgroup of its own, so that systemd's root is not the machine's; a deadline, because a unit may never become ready.
  (echo "$BASHPID" > "$cgroups/cgroup.procs" && exec timeout -k 5 120 unshare --cgroup --pid --mount --uts --net --ipc --fork \
    --kill-child bash "$guest") > "$scratch/systemd.log" 2>&1
  find "$cgroups" -depth -type d -exec rmdir {} \;
  grep -E '^(not )?ok ' "$root/result" > "$scratch/result"
  while read -r line; do
    case $line in
    ok\ *) check "systemd: ${line#ok }" true ;;
    *) check "systemd: ${line#not ok }" sh -c "tail -n 20 '$root/log'; false" ;;
    esac
  done < "$scratch/result"
  check "systemd: the guest came to its end" grep -q '^end' "$root/result"
}

guest_property() { systemctl show -P "$1" interrex@n; }
guest_says() { # what, command...
  local what=$1
  shift
  if "$@"; then echo "ok $what"; else echo "not ok $what"; fi >> /result
}
guest_until() { # command...; true within 20 s
  local deadline=$((SECONDS + 20))
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    read -rt 0.05 <> <(:) || true
  done
}
guest_main() {
  answers() { curl -sf -m 3 -o /dev/null http://127.0.0.1:8545/; }
  is() { [ "$(guest_property ActiveState)" = "$1" ]; }
  has_pid() { [ "$(guest_property MainPID)" = "$keeper" ]; }
  is_started_again() { ! has_pid && is active; }
  has_left_active() { ! is active && ! is deactivating; }
  node_is_gone() { ! pgrep -x testnode; }
  local keeper
  dpkg -i /package.deb
  install -d -o nobody /srv/n
  printf '%s\n' 'node: n' 'release: "1.0.0"' 'listen: ["tcp:127.0.0.1:8545"]' 'state: {directory: /srv/n}' 'probation: 1s' \
    'exec: {command: testnode, args: ["--listen", "127.0.0.1:8545", "--state", "{state}"], user: nobody}' > /etc/interrex/n.yaml
  interrex release add n 1.0.0 /testnode
  guest_says 'a started unit is one that serves' eval 'timeout 40 systemctl start interrex@n && answers'
  guest_says 'its status says what runs' eval 'guest_property StatusText | grep -q 1.0.0'
  keeper=$(guest_property MainPID)
  dpkg -i /package.deb
  guest_says 'an upgrade of the package leaves the supervisor and its node running' eval 'has_pid && is active && answers'
  guest_says 'the node can be restarted without a gap after it' interrex restart n --wait
  kill -KILL "$keeper"
  guest_says 'a supervisor that was killed is started again' eval 'guest_until is_started_again && answers'
  interrex stop n
  guest_says 'a node that was stopped by `interrex stop` stays stopped' eval 'guest_until has_left_active; is inactive'
  cp /etc/interrex/n.yaml /good.yaml
  echo 'unknown: 1' >> /etc/interrex/n.yaml
  timeout 40 systemctl start interrex@n
  guest_says 'a wrong configuration is not tried again' is failed
  cp /good.yaml /etc/interrex/n.yaml
  timeout 40 systemctl start interrex@n
  guest_says 'systemctl stop ends supervisor and node' eval 'answers && systemctl stop interrex@n && is inactive && node_is_gone'
  timeout 40 systemctl start interrex@n
  guest_says 'removing the package ends them' eval 'answers && dpkg -r interrex && has_left_active && node_is_gone'
  echo end >> /result
}

need() { # kind, tool
  command -v "$2" >/dev/null && return
  skipped=$((skipped + 1))
  echo "[  SKIPPED ] $1: $2 is not installed"
  return 1
}

check "the sources are copied" copy_source
# The machine may be a container image whose dpkg leaves manual pages out.
if need deb dpkg-buildpackage && need deb dh; then
  test_package deb "dpkg --path-include='/usr/share/*' -i {}" "dpkg --path-include='/usr/share/*' -i {}" "dpkg -r interrex"
fi
testnode=${TESTNODE:-$top/build/tests/nodes/testnode}
package=$(find "$scratch/one-deb/package" -name 'interrex_*.deb' 2>/dev/null)
if [ -n "$package" ] && need systemd "$testnode" && need systemd findmnt; then
  boot_systemd "$package" || check "systemd: namespaces and a cgroup can be made" false
fi
# No dependencies: the packages of this root are Debian's. What is required is looked at instead.
if need rpm rpmbuild; then
  test_package rpm "rpm -i --nodeps {} && rpm -q --requires interrex | grep -q '^libcurl\.so\.4'" \
    "rpm -U --force --nodeps {}" "rpm -e interrex"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
