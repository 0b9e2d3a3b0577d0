#!/bin/sh
# Installs reptyr and procout, with their man pages and completions, below PREFIX:
#
#     sh install.sh                      /usr/local as root, ~/.local otherwise
#     PREFIX=/opt/reptyr sh install.sh
#
# REPTYR_URL names the folder that has the archives and SHA256SUMS; the copy of this script that is
# published with a release knows that release's own. Needs tar, gzip, and curl or wget.
set -eu

released_at=''

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# choose_target: sets target to the one of this machine
choose_target() {
  system=$(uname -s)
  [ "$system" = Linux ] || fail "reptyr is for Linux, and this is $system"
  machine=$(uname -m)
  case $machine in
    x86_64 | amd64) target=x86_64-unknown-linux-gnu ;;
    aarch64 | arm64) target=aarch64-unknown-linux-gnu ;;
    *) fail "there is no reptyr for this processor, $machine: only for x86_64 and aarch64" ;;
  esac
}

# choose_prefix: sets prefix
choose_prefix() {
  prefix=${PREFIX-}
  if [ -z "$prefix" ]; then
    if [ "$(id -u)" = 0 ]; then
      prefix=/usr/local
    elif [ -n "${HOME-}" ]; then
      prefix=$HOME/.local
    else
      fail 'HOME is not set: say where to install, PREFIX=/some/folder'
    fi
  fi
  case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
  esac
}

# download URL FILE
download() {
  if has curl; then
    curl -fsSL -o "$2" "$1" 2>/dev/null || fail "cannot download $1"
  else
    wget -q -O "$2" "$1" 2>/dev/null || fail "cannot download $1"
  fi
}

# sum_of FILE: its SHA-256
sum_of() {
  if has sha256sum; then
    sha256sum <"$1"
  elif has shasum; then
    shasum -a 256 <"$1"
  else
    openssl dgst -sha256 -r <"$1"
  fi | cut -c 1-64
}

clean_up() {
  rm -rf "$stage"
  # Of no harm to a folder that holds something.
  if [ "$made_prefix" = yes ]; then rmdir "$prefix" 2>/dev/null || :; fi
}

# put FILE PLACE MODE: from the stage, which is on the same file system, so that it is there whole or not at all
put() {
  chmod "$3" "$stage/$1"
  mv -f "$stage/$1" "$prefix/$2" || fail "cannot write $prefix/$2"
}

main() {
  choose_target
  choose_prefix
  url=${REPTYR_URL:-$released_at}
  [ -n "$url" ] || fail 'say where the archives are: REPTYR_URL=https://...'
  has curl || has wget || fail 'neither curl nor wget is here: install one of them'
  has sha256sum || has shasum || has openssl ||
    fail 'none of sha256sum, shasum and openssl is here: install one of them'

  made_prefix=no
  [ -d "$prefix" ] || made_prefix=yes
  denied="cannot write to $prefix: run this as root, or name another folder, PREFIX=\$HOME/.local"
  mkdir -p "$prefix" 2>/dev/null || fail "$denied"
  # Not in /tmp, which may be small, and may forbid to run what is in it.
  stage=$(mktemp -d "$prefix/.reptyr.XXXXXX" 2>/dev/null) || {
    if [ "$made_prefix" = yes ]; then rmdir "$prefix" 2>/dev/null || :; fi
    fail "$denied"
  }
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP

  download "$url/SHA256SUMS" "$stage/SHA256SUMS"
  line=$(grep -E "^[0-9a-f]{64}  reptyr-[0-9A-Za-z.+-]*-$target\.tar\.gz\$" "$stage/SHA256SUMS" | head -n 1)
  [ -n "$line" ] || fail "$url/SHA256SUMS has no archive for $target"
  archive=${line#*  }
  name=${archive%.tar.gz}
  download "$url/$archive" "$stage/$archive"
  sum=$(sum_of "$stage/$archive")
  [ "$sum" = "${line%% *}" ] || fail "$archive is damaged or was changed: its SHA-256 is $sum, not ${line%% *}"
  (cd "$stage" && tar -xzf "$archive") 2>/dev/null || fail "cannot unpack $archive below $prefix"
  rm -f "$stage/$archive"
  version=$("$stage/$name/reptyr" --version 2>/dev/null) ||
    fail "reptyr does not run here: it needs glibc 2.27 or later, libgcc_s and a folder without noexec"

  share=$prefix/share
  mkdir -p "$prefix/bin" "$share/man/man1" "$share/bash-completion/completions" \
    "$share/zsh/site-functions" "$share/fish/vendor_completions.d" 2>/dev/null || fail "$denied"
  if [ -d "$prefix/bin/reptyr" ] || [ -d "$prefix/bin/procout" ]; then
    fail "a folder is in the way: $prefix/bin/reptyr or $prefix/bin/procout"
  fi
  put "$name/man/reptyr.1" share/man/man1/reptyr.1 644
  put "$name/man/procout.1" share/man/man1/procout.1 644
  put "$name/completions/reptyr.bash" share/bash-completion/completions/reptyr 644
  ln -sf reptyr "$share/bash-completion/completions/procout"
  put "$name/completions/_reptyr" share/zsh/site-functions/_reptyr 644
  put "$name/completions/reptyr.fish" share/fish/vendor_completions.d/reptyr.fish 644
  put "$name/completions/procout.fish" share/fish/vendor_completions.d/procout.fish 644
  put "$name/reptyr" bin/reptyr 755
  ln -sf reptyr "$prefix/bin/procout"

  printf '%s is installed: %s and its link procout\n' "$version" "$prefix/bin/reptyr"
  case :${PATH-}: in
    *":$prefix/bin:"*) ;;
    *) echo "$prefix/bin is not on PATH. Run: export PATH=\"$prefix/bin:\$PATH\"" ;;
  esac
}

# The whole script is read before anything is done: it may come through a pipe that breaks.
main
