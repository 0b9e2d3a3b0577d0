#!/usr/bin/env bash
# Boot an aarch64 Linux kernel under qemu-system-aarch64 (software emulation:
# no KVM, no network in the guest, no root on the host once qemu is installed),
# run one command in it, exit with that command's status.
#
#   qemu_arm64.sh [OPTION | FILE[:GUESTPATH] | DIR[:GUESTPATH]]... -- COMMAND [ARG]...
#
# Files and folders are copied into the guest; without GUESTPATH they land in
# /t, which is the command's working folder and first in its PATH (a GUESTPATH
# that ends in / names the folder to put it in). Nothing comes back but the
# console: the command's stdout and stderr, together and byte for byte, on this
# script's stdout, as they come. Its stdin is /dev/null. It runs as root.
# COMMAND is run as it stands, without a shell: -- sh -c '...' for one (busybox).
#
#   -p PKG      also unpack Debian's arm64 package PKG and all it depends on
#               (maintainer scripts are not run); may be repeated
#   -e N=V      set an environment variable for the command; may be repeated
#   -t SECONDS  limit on the whole boot and command (default 300)
#   -m MIB      guest memory (default 2048); files may fill half of it
#   -j N        guest processors (default: the host's, at most 4)
#   -c CPU      qemu's CPU model (default max,pauth-impdef=on)
#   -k FLAVOUR  kernel: cloud-arm64 (default, 21 MB to fetch) or arm64 (60 MB)
#   -a ARGS     more kernel arguments
#   -r          refresh: fetch package index, kernel and packages anew
#   -v          boot messages and timings on stderr
#   -n          prepare only: fill the cache, boot nothing
#
# Exit status: the command's own; 124 out of time; 125 no status came back
# (the guest died or never came up: its last words are shown); 2 bad usage;
# 1 set-up failed. Use -v to tell these from the command's own.
#
# Environment: QEMU_ARM64_CACHE (default $XDG_CACHE_HOME/qemu-arm64, else
# ~/.cache/qemu-arm64), QEMU_ARM64_SUITE (default bookworm), QEMU_ARM64_MIRROR,
# QEMU_ARM64_SECURITY_MIRROR, QEMU_ARM64_KEYRING, QEMU (the emulator).
#
# Host needs: bash, perl, apt, dpkg-deb, tar, flock, debian-archive-keyring and
# qemu-system-aarch64 (package qemu-system-arm; installed by this script where
# it runs as root). dpkg's and apt's own state stay as they are: no foreign
# architecture is added, no arm64 package is installed.
set -euo pipefail
export LC_ALL=C

me=${0##*/}
die() { printf '%s: %s\n' "$me" "$*" >&2; exit "${code:-1}"; }
usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"; }

suite=${QEMU_ARM64_SUITE:-bookworm}
# The mirrors are the ones this host's apt already uses.
# shellcheck disable=SC2016 # apt-get's own variable
repo() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u | grep -m1 "$@" || true; }
mirror=${QEMU_ARM64_MIRROR:-$(repo -v security)}
secmirror=${QEMU_ARM64_SECURITY_MIRROR:-$(repo security)}
keyring=${QEMU_ARM64_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
cache=${QEMU_ARM64_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/qemu-arm64}
qemu=${QEMU:-qemu-system-aarch64}
limit=300 mem=2048 cpu=max,pauth-impdef=on flavour=cloud-arm64 kargs=
cpus=$(nproc); (( cpus <= 4 )) || cpus=4
refresh=0 verbose=0 only=0 pkgs=() envs=() files=()

while (( $# )); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --) break ;;
    -p | -e | -t | -m | -j | -c | -k | -a)
      (( $# > 1 )) || code=2 die "$1 needs a value"
      case $1 in
        -p) pkgs+=("$2") ;; -e) envs+=("$2") ;; -t) limit=$2 ;; -m) mem=$2 ;;
        -j) cpus=$2 ;; -c) cpu=$2 ;; -k) flavour=$2 ;; -a) kargs=$2 ;;
      esac
      shift ;;
    -r) refresh=1 ;; -v) verbose=1 ;; -n) only=1 ;;
    -*) code=2 die "unknown option $1 (-h for help)" ;;
    *) files+=("$1") ;;
  esac
  shift
done
[[ ${1-} != -- ]] || shift
(( only )) || (( $# )) || code=2 die "no command after -- (-h for help)"
for n in "$limit" "$mem" "$cpus"; do
  [[ $n =~ ^[1-9][0-9]*$ ]] || code=2 die "-t, -m and -j take whole numbers, not $n"
done
for e in ${envs[@]+"${envs[@]}"}; do
  [[ $e =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || code=2 die "-e $e: not NAME=VALUE"
done
for n in "$suite" "$flavour" ${pkgs[@]+"${pkgs[@]}"}; do
  [[ $n =~ ^[a-z0-9][a-z0-9.+-]*$ ]] || code=2 die "not a package, flavour or suite name: $n"
done

for n in perl apt-get dpkg-deb tar flock; do
  command -v "$n" >/dev/null || die "needs $n"
done
if (( ! only )) && ! command -v "$qemu" >/dev/null; then
  [[ $(id -u) == 0 && -z ${QEMU-} ]] || die "needs $qemu: apt-get install --no-install-recommends qemu-system-arm"
  echo "$me: installing qemu-system-arm" >&2
  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends qemu-system-arm; } >&2
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/qemu-arm64.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# --- a cpio writer (newc): neither cpio nor root is needed ---------------------
# stdin: NUL-separated pairs "host path", "guest path"; "*MAJOR,MINOR" for a host
# path makes a character device. Prints the archive; root owns all of it.
cat >"$tmp/cpio.pl" <<'PERL'
use strict; use warnings; use Cwd ();   # perl-base has no File::Find
binmode STDOUT;
my ($ino, %seen) = (1);
sub pad { print "\0" x (-$_[0] % 4) }
sub head {
  my ($name, $mode, $size, $rdev, $time) = @_;
  $name =~ s{^/+}{};
  print '070701', map(sprintf('%08X', $_), $ino++, $mode, 0, 0, 1, $time, $size, 0, 0, @$rdev, 1 + length $name, 0), $name, "\0";
  pad(110 + 1 + length $name);
}
sub folder { my ($p, $mode, $time) = @_; head($p, $mode, 0, [0, 0], $time) unless $p eq '' || $seen{$p}++ }
sub parents { my $d = ''; my @p = grep $_ ne '', split m{/+}, shift; pop @p; folder($d .= "/$_", 040755, time) for @p }
sub node {
  my ($h, $g) = @_;
  my @s = lstat $h or die "$h: $!\n";
  if (-d _) {
    folder($g, $s[2], $s[9]);
    opendir my $d, $h or die "$h: $!\n";
    node("$h/$_", "$g/$_") for sort grep !/^\.\.?$/, readdir $d;
  }
  elsif (-l _) { my $t = readlink $h; head($g, $s[2], length $t, [0, 0], $s[9]); print $t; pad(length $t) }
  elsif (-f _) {
    die "$h: 4 GiB or more\n" if $s[7] >= 2**32;
    open my $f, '<:raw', $h or die "$h: $!\n";
    head($g, $s[2], $s[7], [0, 0], $s[9]);
    my ($n, $b) = (0);
    while (my $r = sysread $f, $b, 1 << 20) { print $b; $n += $r }
    die "$h changed while it was read\n" if $n != $s[7];
    pad($n);
  }
  else { warn "left out, neither file, folder nor link: $h\n" }
}
local $/ = "\0";
my @in = <STDIN>; chomp @in;
while (@in) {
  my ($h, $g) = splice @in, 0, 2;
  $g =~ s{/+}{/}g; $g =~ s{/$}{};
  $g =~ s{^/(bin|sbin|lib)/}{/usr/$1/};   # a real folder there would replace the guest's link
  parents($g);
  if ($h =~ /^\*(\d+),(\d+)$/) { head($g, 020600, 0, [$1, $2], time); next }
  node(Cwd::realpath($h) // die("$h: $!\n"), $g);   # a link named outright is followed
}
head('TRAILER!!!', 0, 0, [0, 0], 0);
print "\0" x 512;
close STDOUT or die "cannot write: $!\n";
PERL

# --- Debian's arm64 packages, through an apt state of our own -------------------
apt=$cache/apt-$suite
aptopt=(-q -y --no-install-recommends
  -o APT::Architecture=arm64 -o APT::Architectures=arm64
  -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
  -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=$apt/none"
  -o Dir::Etc::preferences=/dev/null -o "Dir::Etc::preferencesparts=$apt/none"
  -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root)
logged() { "$@" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; return 1; }; }
index() {
  [[ -r $keyring ]] || die "no $keyring (package debian-archive-keyring)"
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/none"
  : >"$apt/status"
  printf 'deb [arch=arm64 signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" \
    "$keyring" "$mirror" "$suite-updates" "$keyring" "$secmirror" "$suite-security" >"$apt/sources.list"
  echo "$me: fetching $suite's arm64 package index" >&2
  logged apt-get "${aptopt[@]}" -o APT::Update::Error-Mode=any update || die "could not fetch the package index"
  touch "$apt/fresh"
}
# get FOLDER download|install PKG...: the packages' .deb files, alone or with all
# they depend on (dpkg's status is empty here, so "install" means everything).
# An old index may name files the mirror no longer has: then once more, anew.
get() {
  local to=$1 how=$2 try; shift 2
  for try in 1 2; do
    rm -rf "$to"; mkdir -p "$to/partial"
    [[ $try == 1 && -e $apt/fresh ]] || index
    echo "$me: fetching $*" >&2
    case $how in
      download) (cd "$to" && logged apt-get "${aptopt[@]}" download "$@") ;;
      install) logged apt-get "${aptopt[@]}" -o "Dir::Cache::archives=$to" -o Debug::NoLocking=1 --download-only install "$@" ;;
    esac && return
    rm -f "$apt/fresh"
  done
  die "could not fetch $*"
}
# merged /usr, so that packages of either layout fit
skeleton() {
  mkdir -p "$1"/usr/{bin,sbin,lib} "$1"/{dev,proc,sys,run,tmp,root,etc,t,var/log}
  chmod 1777 "$1/tmp"
  ln -s usr/bin "$1/bin"; ln -s usr/sbin "$1/sbin"; ln -s usr/lib "$1/lib"
}
unpack() { dpkg-deb --fsys-tarfile "$1" | tar -x --no-same-owner --keep-directory-symlink -C "$2" "${@:3}"; }

mkdir -p "$cache"
exec 9>"$cache/lock"; flock 9
if (( refresh )); then rm -rf "$apt" "$cache/$suite"-*; fi

kernel=$cache/$suite-$flavour.vmlinuz
if [[ ! -s $kernel ]]; then
  index   # the metapackage names the newest concrete kernel package
  image=$(apt-cache "${aptopt[@]:3}" show --no-all-versions "linux-image-$flavour" |
    sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p')
  [[ $image ]] || die "$suite has no linux-image-$flavour"
  get "$tmp/d" download "$image"
  unpack "$tmp"/d/*.deb "$tmp/d" --wildcards './boot/vmlinuz-*'
  mv "$tmp"/d/boot/vmlinuz-* "$kernel.new"; mv "$kernel.new" "$kernel"
fi

base=$cache/$suite-base2.cpio   # count up when what goes into it changes
if [[ ! -s $base ]]; then
  get "$tmp/d" download libc6 libgcc-s1 busybox-static
  skeleton "$tmp/base"
  for d in "$tmp"/d/*.deb; do unpack "$d" "$tmp/base" --exclude=./usr/share --exclude=gconv; done
  printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/sh \
    user:x:1000:1000:user:/tmp:/bin/sh >"$tmp/base/etc/passwd"
  printf '%s\n' root:x:0: tty:x:5: nogroup:x:65534: user:x:1000: >"$tmp/base/etc/group"
  echo '127.0.0.1 localhost arm64' >"$tmp/base/etc/hosts"
  cat >"$tmp/base/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
read up0 rest </proc/uptime
export PATH=/t:/usr/sbin:/usr/bin HOME=/root TERM=dumb LANG=C.UTF-8
/bin/busybox --install -s 2>/dev/null    # a packaged program of the same name stays
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -sf /proc/self/fd /dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -sf /proc/self/fd/${n%:*} /dev/${n#*:}; done
dmesg -n 1                               # only a panic between the command's lines
hostname arm64; ip link set lo up
exec </dev/null >/dev/ttyAMA0 2>&1
stty raw -echo </dev/ttyAMA0
. /t.id                                  # $id: this boot's marker; $limit
{ sleep $((limit + 20)); poweroff -f; } >/dev/null 2>&1 &   # should the host's watch be gone
cd /t
read up1 rest </proc/uptime
echo "$id begin"
setsid /bin/sh /t.cmd
st=$?
read up2 rest </proc/uptime
printf '\n%s end %s %s %s %s\n' "$id" "$st" "$up0" "$up1" "$up2"
stty sane </dev/ttyAMA0                  # waits until all of it is out
poweroff -f
INIT
  chmod 755 "$tmp/base/init"
  printf '%s\0' "$tmp/base" / '*5,1' /dev/console '*1,3' /dev/null | perl "$tmp/cpio.pl" >"$base.new"
  mv "$base.new" "$base"
  rm -rf "$tmp/base"
fi

parts=("$base")
if (( ${#pkgs[@]} )); then
  extra=$cache/$suite-$(printf '%s\n' "${pkgs[@]}" | sort -u | sha256sum | cut -c 1-16).cpio
  if [[ ! -s $extra ]]; then
    get "$tmp/d" install "${pkgs[@]}"
    skeleton "$tmp/x"
    for d in "$tmp"/d/*.deb; do
      unpack "$d" "$tmp/x" --exclude=./usr/share/{doc,info,lintian,locale,man}
    done
    printf '%s\0' "$tmp/x" / | perl "$tmp/cpio.pl" >"$extra.new"
    mv "$extra.new" "$extra"
    rm -rf "$tmp/x"
  fi
  parts+=("$extra")
fi
rm -rf "$tmp/d"
exec 9>&-
(( ! only )) || exit 0

# --- this boot's own files ------------------------------------------------------
q() { local a; for a; do printf " '%s'" "${a//\'/\'\\\'\'}"; done; echo; }
id=QEMU-ARM64-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
echo "id=$id limit=$limit" >"$tmp/t.id"
{
  for e in ${envs[@]+"${envs[@]}"}; do printf "export %s=" "${e%%=*}"; q "${e#*=}" | sed '1s/^ //'; done
  printf exec; q "$@"
} >"$tmp/t.cmd"
list=("$tmp/t.id" /t.id "$tmp/t.cmd" /t.cmd)
for f in ${files[@]+"${files[@]}"}; do
  if [[ -e $f ]]; then h=$f g=/t/
  elif [[ $f == *:/* && -e ${f%%:/*} ]]; then h=${f%%:/*} g=/${f#*:/}
  else code=2 die "no such file: $f"; fi
  if [[ $g == */ ]]; then g+=$(basename -- "$(realpath -s -- "$h")"); fi
  list+=("$h" "$g")
done
printf '%s\0' "${list[@]}" | perl "$tmp/cpio.pl" >"$tmp/own.cpio" || die "could not pack the files"
cat "${parts[@]}" "$tmp/own.cpio" >"$tmp/initrd"   # the kernel takes archives in a row
rm "$tmp/own.cpio"
size=$(( $(stat -c %s "$tmp/initrd") >> 20 ))   # in memory twice while it is unpacked
(( size * 2 + 160 < mem )) || code=2 die "$size MiB of files need more memory than -m $mem"

# --- boot -----------------------------------------------------------------------
# What comes before the "begin" line is the boot's; what comes up to the "end"
# line is the command's and is passed on at once.
cat >"$tmp/run.pl" <<'PERL'
use strict; use warnings;
sub now { open my $f, '<', '/proc/uptime' or die; (split ' ', <$f>)[0] }   # perl-base has no Time::HiRes
my ($me, $id, $limit, $verbose, @cmd) = @ARGV;
my $t0 = now; $| = 1; binmode STDOUT;
open STDIN, '<', '/dev/null' or die "/dev/null: $!\n";
my $pid = open(my $r, '-|', @cmd) or die "cannot start $cmd[0]: $!\n";
binmode $r;
sub reap { kill 'KILL', $pid; waitpid $pid, 0 }   # nothing in the guest is worth a shutdown
my %sig = (HUP => 1, INT => 2, PIPE => 13, TERM => 15);
for my $s (keys %sig) { $SIG{$s} = sub { reap(); exit 128 + $sig{$s} } }
my ($buf, $begun, $late, @end) = ('', 0, 0);
my $mark = "\n$id end ";
until (@end) {
  my $left = $t0 + $limit - now;
  if ($left <= 0) { $late = 1; last }
  vec(my $v = '', fileno $r, 1) = 1;
  next if 0 >= select $v, undef, undef, $left;
  sysread $r, $buf, 65536, length $buf or last;
  if (!$begun) {
    $buf =~ s/^(.*?)\Q$id\E begin\n//s or next;
    $begun = now; print STDERR $1 if $verbose;
  }
  my $i = index $buf, $mark;
  if ($i >= 0) { @end = ($1, $2, $3, $4) if substr($buf, $i) =~ /^\Q$mark\E(\d+) (\S+) (\S+) (\S+)\n/ }
  else {   # keep back what may be the mark's beginning
    $i = length $buf;
    for my $k (reverse 1 .. length($mark) - 1) {
      if ($k <= length $buf and substr($buf, -$k) eq substr $mark, 0, $k) { $i -= $k; last }
    }
  }
  print substr $buf, 0, $i, '';
}
reap();
if (!@end) {
  if ($begun) { print $buf } else { print STDERR $buf }
  print STDERR $late ? "$me: out of time after $limit s\n" : "$me: the guest ended without a status\n";
  exit($late ? 124 : 125);
}
printf STDERR "%s: kernel to /init %.1f s, start to command %.1f s, command %.1f s (guest), whole run %.1f s, status %d\n",
  $me, $end[1], $begun - $t0, $end[3] - $end[2], now() - $t0, $end[0] if $verbose;
exit $end[0];
PERL
talk='quiet loglevel=4'; (( ! verbose )) || talk=loglevel=6
perl "$tmp/run.pl" "$me" "$id" "$limit" "$verbose" \
  "$qemu" -M virt -cpu "$cpu" -accel tcg,thread=multi -smp "$cpus" -m "$mem" \
  -nodefaults -no-user-config -display none -monitor none -serial stdio -no-reboot \
  -kernel "$kernel" -initrd "$tmp/initrd" \
  -append "console=ttyAMA0 panic=-1 $talk $kargs" &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null || :' INT TERM HUP
while :; do
  st=0; wait "$pid" || st=$?
  kill -0 "$pid" 2>/dev/null || break
done
exit "$st"
